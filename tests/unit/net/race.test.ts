/** Servers that meet at one stale unix socket, as close together as processes can. */
import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeUnix } from "../../../src/net/address.ts";
import { AF_UNIX, bindTo, streamSocket } from "../../../src/net/libc.ts";

const SERVERS = 6;
const ROUNDS = 5;

function start(path: string) {
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/opener.ts`, path], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const line = async (): Promise<string> => ((await reader.read()).value ?? "").trim();
  return { child, line };
}

test("of servers that start at once on a stale socket one gets it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "keelback-race-"));
  for (let round = 0; round < ROUNDS; round++) {
    const path = join(directory, `${round}.sock`);
    const stale = streamSocket(AF_UNIX);
    expect(bindTo(stale, encodeUnix(path))).toBe(true);
    closeSync(stale);
    const servers = Array.from({ length: SERVERS }, () => start(path));
    for (const { line } of servers) expect(await line()).toBe("waits");
    for (const { child } of servers) {
      void child.stdin.write("go\n");
      void child.stdin.flush();
    }
    const said = await Promise.all(servers.map(({ line }) => line()));
    const others = Array.from(
      { length: SERVERS - 1 },
      () => `a server is listening on unix:${path}`,
    );
    expect(said.toSorted()).toEqual([...others, "serves"]);
    for (const { child } of servers) void child.stdin.end();
    await Promise.all(servers.map(({ child }) => child.exited));
  }
  rmSync(directory, { recursive: true });
}, 60_000);
