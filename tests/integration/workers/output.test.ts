import { describe, expect, test } from "bun:test";
import { serve, text } from "../../apps_life/serve.ts";

const args = ["--workers", "1"];

describe("App output reaches the log", () => {
  test("with the worker's name, from whatever part of the process it comes", async () => {
    await using server = await serve("wsgi_app:app", { args });
    await text(server, "/say/this");
    const lines = [
      ...["printed this", "complained this", "written this", "from a child this"],
      ...["unfinished this and finished", "wsgi.errors this"],
    ];
    for (const line of lines) {
      expect(await server.waitForLine(new RegExp(line))).toMatch(
        new RegExp(`worker-1 \\| .*${line}$`),
      );
    }
    await server.waitForLine(/worker-1 \| imported by \d+/);
  });

  test("of an ASGI app too", async () => {
    await using server = await serve("asgi_app:app", { args });
    await text(server, "/say/that");
    await server.waitForLine(/worker-1 \| printed that$/);
    await server.waitForLine(/worker-1 \| complained that$/);
  });

  test("without what would drive a terminal", async () => {
    await using server = await serve("wsgi_app:app", { args });
    await text(server, "/say_bytes");
    const line = await server.waitForLine(/worker-1 \| raw /);
    // oxlint-disable-next-line no-control-regex -- that there is none is what is tested
    expect(line).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
    expect(line).toContain("\\x1b[31m");
  });

  test("as JSON where the log is JSON", async () => {
    const env = { KEELBACK_LOG_FORMAT: "json" };
    await using server = await serve("wsgi_app:app", { args, env });
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(server.output())?.[1]);
    await text(port, "/say/json");
    const line = await server.waitForLine(/printed json/);
    expect(JSON.parse(line)).toMatchObject({ from: "worker-1", message: "printed json" });
  });

  test("a very long line comes in pieces, and the app never waits for the log", async () => {
    await using server = await serve("wsgi_app:app", { args });
    expect(await text(server, "/say_much/1000000")).toBe("said");
    await server.waitForLine(/worker-1 \| x+$/);
  });
});
