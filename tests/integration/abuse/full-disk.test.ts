/** Logs that cannot be written: the server goes on. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { repository, startServer } from "../../support/server.ts";

const REQUESTS = 200;

describe.skipIf(!existsSync("/dev/full"))("A full disk does not stop the server", () => {
  test("requests are served and the trouble is told once", async () => {
    await using server = await startServer({
      app: "probe_wsgi:app",
      args: ["--workers", "1", "--chdir", `${repository}/tests/apps`, "--access-log", "/dev/full"],
    });
    const ask = async (): Promise<number> => (await fetch(`${server.url}/`)).status;
    expect(await ask()).toBe(200);
    await server.waitForLine(/access log: \/dev\/full cannot be written: ENOSPC/);
    for (let i = 0; i < REQUESTS; i += 1) expect(await ask()).toBe(200);
    expect(await server.stop()).toBe(0);
    expect(server.output().match(/cannot be written/g)?.length).toBe(1);
  });
});
