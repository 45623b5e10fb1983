/** What is asked of listening sockets is what the kernel says of them (numbers as in Linux's headers). */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bind } from "../../../src/config/bind.ts";
import { socketOption } from "../../../src/net/libc.ts";
import type { Listener } from "../../../src/net/open-result.ts";
import type { PassedSocket } from "../../../src/net/passed.ts";
import { resolveOwner } from "../../../src/net/owner.ts";
import { closeListeners, type ListenSettings, openListeners } from "../../../src/net/sockets.ts";
import { tcpWarnings } from "../../../src/net/tcp-options.ts";
import { PLAIN_SOCKETS } from "../../support/sockets.ts";

const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const open: Listener[] = [];

afterEach(() => closeListeners(open.splice(0)));

interface Given {
  passed?: readonly PassedSocket[];
  beside?: readonly Listener[];
}

async function listen(
  binds: readonly Bind[],
  settings: Partial<ListenSettings> = {},
  { passed = [], beside = [] }: Given = {},
) {
  const all = { ...PLAIN_SOCKETS, ...settings };
  const result = await openListeners(binds, all, passed, beside);
  if (!result.ok) throw new Error(`${result.failure.message} (${result.failure.remedy})`);
  open.push(...result.listeners);
  return result.listeners;
}

async function refusal(binds: readonly Bind[], settings: Partial<ListenSettings> = {}) {
  const result = await openListeners(binds, { ...PLAIN_SOCKETS, ...settings });
  if (!result.ok) return result.failure;
  open.push(...result.listeners);
  throw new Error("opened");
}

function tcp(host: string, port: number = 0): Bind {
  return { kind: "tcp", host, port };
}

function optionsOf(listener: Listener | undefined) {
  const fd = listener?.fd ?? -1;
  return {
    reusePort: socketOption(fd, 15),
    keepAlive: socketOption(fd, 9),
    idle: socketOption(fd, 4, IPPROTO_TCP),
    interval: socketOption(fd, 5, IPPROTO_TCP),
    probes: socketOption(fd, 6, IPPROTO_TCP),
    fastOpen: socketOption(fd, 23, IPPROTO_TCP),
  };
}

describe.if(process.platform === "linux")("options of TCP", () => {
  test("none is set that nobody asked for", async () => {
    const [listener] = await listen([tcp("127.0.0.1")]);
    expect(optionsOf(listener)).toMatchObject({ reusePort: 0, keepAlive: 0, fastOpen: 0 });
    expect(socketOption(listener!.fd, 9, IPPROTO_TCP)).toBe(0);
  });

  test("all are set, on IPv6 too", async () => {
    const settings = {
      reusePort: true,
      fastOpen: 77,
      deferAcceptMs: 4500,
      tcpKeepAliveMs: 29_500,
    };
    for (const listener of await listen([tcp("127.0.0.1"), tcp("::1")], settings)) {
      expect(optionsOf(listener)).toEqual({
        reusePort: 1,
        keepAlive: 1,
        idle: 30,
        interval: 8,
        probes: 4,
        fastOpen: 77,
      });
      // The kernel counts in repetitions of its answer: after 1, 3, 7, ... seconds.
      expect(socketOption(listener.fd, 9, IPPROTO_TCP)).toBe(7);
    }
  });

  test("a port is shared when both say so", async () => {
    const [first] = await listen([tcp("127.0.0.1")], { reusePort: true });
    const again = [tcp("127.0.0.1", first!.port)];
    expect((await refusal(again)).code).toBe("in-use");
    const [second] = await listen(again, { reusePort: true });
    expect(second?.port).toBe(first!.port);
  });

  test("fast-open without the kernel's consent is warned about", () => {
    const settings = { ...PLAIN_SOCKETS, fastOpen: 5 };
    expect(tcpWarnings(settings, 3)).toEqual([]);
    expect(tcpWarnings(settings, 2)).toEqual([]);
    expect(tcpWarnings(settings, 1)[0]).toContain("tcp_fastopen is 1, and servers need 3");
    expect(tcpWarnings(settings, null)[0]).toContain("this system cannot do that");
    expect(tcpWarnings(PLAIN_SOCKETS, 1)).toEqual([]);
  });
});

describe("IPv6 alone", () => {
  const v6Only = (listener: Listener | undefined): number | null =>
    socketOption(listener?.fd ?? -1, 26, IPPROTO_IPV6);

  test("when asked for, or beside IPv4 on the same port", async () => {
    const [both] = await listen([tcp("::")]);
    expect(v6Only(both)).toBe(0);
    const [only] = await listen([tcp("::")], { ipv6Only: true });
    expect(v6Only(only)).toBe(1);
    const [beside] = await listen([tcp("::"), tcp("0.0.0.0")]);
    expect(v6Only(beside)).toBe(1);
    const [named] = await listen([tcp("::"), tcp("localhost")]);
    expect(v6Only(named)).toBe(1);
  });

  test("beside one that is open already", async () => {
    const [first, other] = await listen([tcp("0.0.0.0"), tcp("::1")]);
    const beside = [first!, other!];
    const [wildcard] = await listen([tcp("::", first!.port)], {}, { beside });
    expect(v6Only(wildcard)).toBe(1);
    const [elsewhere] = await listen([tcp("::")], {}, { beside });
    expect(v6Only(elsewhere)).toBe(0);
  });

  test.each(["first", "last"])("beside one that was passed, and is named %s", async (where) => {
    const [made] = await listen([tcp("0.0.0.0")]);
    const { fd, port } = made!;
    open.splice(0);
    const named: Bind = { kind: "passed", name: "web" };
    const binds = where === "first" ? [named, tcp("::", port)] : [tcp("::", port), named];
    const listeners = await listen(binds, {}, { passed: [{ fd, name: "web" }] });
    expect(listeners.map((one) => v6Only(one))).toContain(1);
  });
});

describe("owner and mode of a unix socket", () => {
  const directory = mkdtempSync(join(tmpdir(), "keelback-mode-"));
  const path = join(directory, "app.sock");
  const bind: Bind = { kind: "unix", path };

  afterAll(() => rmSync(directory, { recursive: true }));

  test("the mode, whatever the umask", async () => {
    const before = process.umask(0o177);
    try {
      await listen([bind], { unixMode: "660" });
    } finally {
      process.umask(before);
    }
    expect(statSync(path).mode & 0o7777).toBe(0o660);
  });

  test("names and numbers", () => {
    expect(resolveOwner("root:root")).toEqual({ owner: { uid: 0, gid: 0 } });
    expect(resolveOwner(":0")).toEqual({ owner: { uid: -1, gid: 0 } });
    expect(resolveOwner("12345:54321")).toEqual({ owner: { uid: 12_345, gid: 54_321 } });
    const nobody = { complaint: "names the user no-such-user, whom this system lacks" };
    expect(resolveOwner("no-such-user")).toEqual(nobody);
    const none = { complaint: "names the group no-such-group, which this system lacks" };
    expect(resolveOwner("root:no-such-group")).toEqual(none);
    expect(resolveOwner("4294967295")).toHaveProperty("complaint");
  });

  test.if(process.getuid?.() === 0)("another owner, given by root", async () => {
    await listen([bind], { unixOwner: "12345:54321", unixMode: "0640" });
    expect((await refusal([bind])).code).toBe("in-use");
    const { uid, gid, mode } = statSync(path);
    expect([uid, gid, mode & 0o777]).toEqual([12_345, 54_321, 0o640]);
  });

  test("a failure leaves no file", async () => {
    const failure = await refusal([bind], { unixOwner: "no-such-user" });
    expect(failure.message).toContain("unix-owner: no-such-user names the user no-such-user");
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe.if(process.platform === "linux")("abstract sockets", () => {
  const bind: Bind = { kind: "abstract", name: `keelback test ${process.pid}` };

  test("are there without a file, and one server has the name", async () => {
    const [listener] = await listen([bind]);
    expect(listener).toMatchObject({ kind: "unix", address: `@keelback test ${process.pid}` });
    expect((await refusal([bind])).message).toBe(
      `unix:@keelback test ${process.pid} is in use by another program`,
    );
    closeListeners(open.splice(0));
    await listen([bind]);
  });
});

describe("sockets of somebody else", () => {
  test("a name stands for all that have it", async () => {
    const [one, two, three] = await listen([tcp("127.0.0.1"), tcp("::1"), tcp("127.0.0.1")]);
    const passed = [
      { fd: one!.fd, name: "web" },
      { fd: two!.fd, name: "web" },
      { fd: three!.fd, name: null },
    ];
    const web: Bind = { kind: "passed", name: "web" };
    const result = await openListeners([web], PLAIN_SOCKETS, passed);
    expect(result).toMatchObject({
      ok: true,
      listeners: [
        { fd: one!.fd, address: one!.address, passedAs: "fd://web" },
        { fd: two!.fd, address: two!.address, passedAs: "fd://web" },
      ],
    });
  });

  test("one that is named twice is refused", async () => {
    const [one] = await listen([tcp("127.0.0.1")]);
    const passed = [{ fd: one!.fd, name: "web" }];
    const binds: Bind[] = [
      { kind: "passed", name: "web" },
      { kind: "fd", fd: one!.fd },
    ];
    const result = await openListeners(binds, PLAIN_SOCKETS, passed);
    expect(result).toMatchObject({
      failure: { message: `fd://web is given twice, as fd://${one!.fd}` },
    });
    // The refusal has closed what was passed: its number is nobody's any more.
    open.splice(0);
  });
});
