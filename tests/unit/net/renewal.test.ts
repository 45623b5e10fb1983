/** Sockets that listen already get changed settings (numbers as in Linux's headers). */
import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bind } from "../../../src/config/bind.ts";
import { socketOption } from "../../../src/net/libc.ts";
import type { Listener } from "../../../src/net/open-result.ts";
import { keptWarnings, renewSockets, takenByWildcard } from "../../../src/net/renewal.ts";
import { closeListeners, type ListenSettings, openListeners } from "../../../src/net/sockets.ts";
import { tcpOptions } from "../../../src/net/tcp-options.ts";
import { PLAIN_SOCKETS } from "../../support/sockets.ts";

const open: Listener[] = [];

afterEach(() => closeListeners(open.splice(0)));

async function listen(bind: Bind, settings: Partial<ListenSettings> = {}): Promise<Listener> {
  const result = await openListeners([bind], { ...PLAIN_SOCKETS, ...settings });
  if (!result.ok) throw new Error(result.failure.message);
  open.push(...result.listeners);
  return result.listeners[0]!;
}

function tcp(host: string, port: number = 0): Bind {
  return { kind: "tcp", host, port };
}

const ALL = { fastOpen: 77, deferAcceptMs: 4500, tcpKeepAliveMs: 29_500 };

describe.if(process.platform === "linux")("TCP", () => {
  test("options are switched on and off", async () => {
    const listener = await listen(tcp("127.0.0.1"));
    const plain = tcpOptions(listener.fd);
    expect(renewSockets([listener], { ...PLAIN_SOCKETS, ...ALL, reusePort: true })).toEqual([]);
    const made = await listen(tcp("127.0.0.1"), ALL);
    expect(tcpOptions(listener.fd)).toEqual(tcpOptions(made.fd));
    expect(renewSockets([listener], PLAIN_SOCKETS)).toEqual([]);
    const { keepAlive, deferSeconds, fastOpen } = plain;
    expect(tcpOptions(listener.fd)).toMatchObject({ keepAlive, deferSeconds, fastOpen });
    expect([keepAlive, deferSeconds, fastOpen]).toEqual([0, 0, 0]);
  });

  test("one that was passed in stays as it was made", async () => {
    const listener = { ...(await listen(tcp("127.0.0.1"))), passedAs: "fd://web" };
    const before = tcpOptions(listener.fd);
    expect(renewSockets([listener], { ...PLAIN_SOCKETS, ...ALL })).toEqual([]);
    expect(tcpOptions(listener.fd)).toEqual(before);
  });

  test("what the system refuses is said", async () => {
    const gone = { ...(await listen(tcp("127.0.0.1"))), fd: 900 };
    const [first] = renewSockets([gone], { ...PLAIN_SOCKETS, ...ALL });
    expect(first).toBe(
      `${gone.address}: this system refuses tcp-keep-alive: EBADF; it stays as it was`,
    );
  });

  test("what was decided before the bind stays", async () => {
    const both = await listen(tcp("::"));
    const one = await listen(tcp("127.0.0.1"), { reusePort: true });
    const local = await listen(tcp("::1"));
    const wanted = { ...PLAIN_SOCKETS, ipv6Only: true };
    const kept = [both, one, local].map((listener) => ({ listener, ipv6Only: true }));
    expect(keptWarnings(kept, wanted)).toEqual([
      `an upgrade cannot change how sockets were bound: ${both.address} stays without ipv6-only, ` +
        `${one.address} stays with reuse-port; a restart opens them anew`,
    ]);
    expect(keptWarnings([{ listener: both, ipv6Only: false }], PLAIN_SOCKETS)).toEqual([]);
    renewSockets([both, one], wanted);
    expect(tcpOptions(one.fd)["reusePort"]).toBe(1);
    expect(socketOption(both.fd, 26, 41)).toBe(0);
  });

  test("an IPv4 address finds its port taken by a wildcard for both", async () => {
    const both = await listen(tcp("::"));
    const only = await listen(tcp("::"), { ipv6Only: true });
    const missing = [tcp("localhost", both.port), tcp("0.0.0.0", only.port)];
    expect(takenByWildcard(missing, [only, both])?.message).toStartWith(
      `localhost:${both.port} is taken by ${both.address}`,
    );
    expect(takenByWildcard(missing, [only])).toBeNull();
    expect(takenByWildcard([tcp("::1", both.port)], [both])).toBeNull();
  });
});

describe("the file of a unix socket", () => {
  const isRoot = process.getuid?.() === 0;

  async function withFile(judge: (listener: Listener, path: string) => void): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), "keelback-renewal-"));
    const path = join(directory, "app.sock");
    try {
      judge(await listen({ kind: "unix", path }), path);
    } finally {
      closeListeners(open.splice(0));
      rmSync(directory, { recursive: true });
    }
  }

  test.if(isRoot)("gets mode and owner", async () => {
    await withFile((listener, path) => {
      const settings = { ...PLAIN_SOCKETS, unixMode: "0640", unixOwner: "12345:54321" };
      expect(renewSockets([listener], settings)).toEqual([]);
      const { uid, gid, mode } = statSync(path);
      expect([uid, gid, mode & 0o7777]).toEqual([12_345, 54_321, 0o640]);
      // Without the setting it stays with its owner.
      expect(renewSockets([listener], PLAIN_SOCKETS)).toEqual([]);
      expect(statSync(path)).toMatchObject({ uid, gid });
    });
  });

  test("what is not possible is said", async () => {
    await withFile((listener) => {
      const settings = { ...PLAIN_SOCKETS, unixOwner: "no-such-user" };
      expect(renewSockets([listener], settings)).toEqual([
        "unix-owner: no-such-user names the user no-such-user, whom this system lacks; " +
          "it stays as it was until a restart",
      ]);
    });
  });

  test("a file that is somebody else's by now is left alone, as is one that is gone", async () => {
    await withFile((listener, path) => {
      const settings = { ...PLAIN_SOCKETS, unixMode: "0600" };
      renameSync(path, `${path}.old`);
      expect(renewSockets([listener], settings)).toEqual([]);
      writeFileSync(path, "mine");
      chmodSync(path, 0o644);
      expect(renewSockets([listener], settings)).toEqual([]);
      expect(statSync(path).mode & 0o7777).toBe(0o644);
    });
  });
});
