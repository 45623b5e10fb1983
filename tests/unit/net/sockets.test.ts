import { afterEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bind } from "../../../src/config/bind.ts";
import { decodeAddress, encodeAbstract, encodeIp, encodeUnix } from "../../../src/net/address.ts";
import {
  AF_UNIX,
  connectTo,
  errno,
  isWritable,
  lockFile,
  makeFifo,
  streamSocket,
} from "../../../src/net/libc.ts";
import type { Listener, OpenFailureCode } from "../../../src/net/open-result.ts";
import { closeListeners, openListeners } from "../../../src/net/sockets.ts";
import { fileRemover } from "../../../src/net/unix.ts";
import { PLAIN_SOCKETS } from "../../support/sockets.ts";

const open: Listener[] = [];
const directory = mkdtempSync(join(tmpdir(), "keelback-net-"));

afterEach(() => {
  closeListeners(open.splice(0));
});

async function opened(bind: Bind): Promise<Listener> {
  const result = await openListeners([bind], PLAIN_SOCKETS);
  if (!result.ok) throw new Error(result.failure.message);
  open.push(...result.listeners);
  return result.listeners[0]!;
}

async function refused(bind: Bind): Promise<[OpenFailureCode, string]> {
  const result = await openListeners([bind], PLAIN_SOCKETS);
  if (result.ok) {
    open.push(...result.listeners);
    throw new Error(`${result.listeners[0]?.address} was opened`);
  }
  expect(result.failure.remedy).not.toBe("");
  return [result.failure.code, result.failure.message];
}

function tcp(host: string, port: number = 0): Bind {
  return { kind: "tcp", host, port };
}

describe("addresses", () => {
  test.each(["127.0.0.1", "::1", "2001:db8::7:0:1", "::ffff:1.2.3.4", "::", "fe80::1"])(
    "%s survives the kernel's struct",
    (host) => {
      const decoded = decodeAddress(encodeIp({ host, port: 8080, scope: 0 }));
      const plain = host.includes(":") ? new URL(`http://[${host}]/`).hostname : host;
      expect(decoded).toEqual({ kind: "tcp", text: `${plain}:8080`, port: 8080 });
    },
  );

  test("a unix path survives it", () => {
    const path = join(directory, "ü.sock");
    expect(decodeAddress(encodeUnix(path))).toEqual({ kind: "unix", text: path, port: 0 });
  });

  test("an abstract name survives it; one that would write to the terminal does not", () => {
    expect(decodeAddress(encodeAbstract("ü b"))?.text).toBe("@ü b");
    expect(decodeAddress(encodeAbstract("a\0b\x1b[2J"))?.text).toBe("@a@b@[2J");
    expect(decodeAddress(encodeAbstract("").subarray(0, 2))?.text).toBe("");
  });
});

describe("TCP", () => {
  test("port 0 is given a real port, and clients get in", async () => {
    const listener = await opened(tcp("127.0.0.1"));
    expect(listener.address).toBe(`127.0.0.1:${listener.port}`);
    const { hostname, port } = new URL(`http://${listener.address}`);
    const socket = await Bun.connect({ hostname, port: Number(port), socket: { data() {} } });
    socket.end();
  });

  test("localhost is IPv4", async () => {
    expect((await opened(tcp("localhost"))).address).toStartWith("127.0.0.1:");
  });

  test("an address in use names its holder", async () => {
    const { port } = await opened(tcp("127.0.0.1"));
    const [code, message] = await refused(tcp("127.0.0.1", port));
    expect(code).toBe("in-use");
    expect(message).toContain(`pid ${process.pid}`);
  });

  test("an address of another machine", async () => {
    expect((await refused(tcp("192.0.2.1")))[0]).toBe("address");
  });

  test("all binds or none: a failure closes those before it", async () => {
    const taken = await opened(tcp("127.0.0.1"));
    const path = join(directory, "first.sock");
    const binds: Bind[] = [{ kind: "unix", path }, tcp("127.0.0.1", taken.port)];
    const result = await openListeners(binds, PLAIN_SOCKETS);
    expect(result.ok).toBe(false);
    expect(existsSync(path)).toBe(false);
  });
});

describe("unix", () => {
  test("a file that is no socket stays", async () => {
    const path = join(directory, "file");
    writeFileSync(path, "mine");
    expect((await refused({ kind: "unix", path }))[0]).toBe("in-use");
    expect(statSync(path).isFile()).toBe(true);
  });

  test("a dead server's socket is replaced, a living one's is not", async () => {
    const path = join(directory, "app.sock");
    const dead = await opened({ kind: "unix", path });
    closeSync(open.pop()?.fd ?? dead.fd);
    expect(existsSync(path)).toBe(true);
    await opened({ kind: "unix", path });
    const { ino } = statSync(path);
    expect(await refused({ kind: "unix", path })).toEqual([
      "in-use",
      `a server is listening on unix:${path}`,
    ]);
    expect(statSync(path).ino).toBe(ino);
  });

  test("closing removes the own file only", async () => {
    const path = join(directory, "own.sock");
    const listener = await opened({ kind: "unix", path });
    rmSync(path);
    writeFileSync(path, "a successor's");
    listener.remove();
    expect(existsSync(path)).toBe(true);
  });

  test("an inherited one whose directory cannot be searched stays", () => {
    const loop = join(directory, "loop");
    symlinkSync(loop, loop);
    expect(fileRemover(join(loop, "app.sock"))).not.toThrow();
  });

  test("a path that the system cannot take", async () => {
    const path = join(directory, "x".repeat(108));
    expect((await refused({ kind: "unix", path }))[0]).toBe("path-too-long");
  });

  test("a living one whose queue is full is alive", async () => {
    const path = join(directory, "full.sock");
    const result = await openListeners([{ kind: "unix", path }], { ...PLAIN_SOCKETS, backlog: 1 });
    if (!result.ok) throw new Error(result.failure.message);
    open.push(...result.listeners);
    const clients: number[] = [];
    let reason = "";
    while (reason === "") {
      const fd = streamSocket(AF_UNIX);
      clients.push(fd);
      if (!connectTo(fd, encodeUnix(path))) reason = errno();
    }
    expect(reason).toBe("EAGAIN");
    expect((await refused({ kind: "unix", path }))[1]).toBe(
      `a server is listening on unix:${path}`,
    );
    for (const fd of clients) closeSync(fd);
  });

  test("a directory that somebody keeps locked is used all the same", async () => {
    const other = join(directory, "locked");
    mkdirSync(other);
    const lock = openSync(other, "r");
    expect(lockFile(lock)).toBe(true);
    await opened({ kind: "unix", path: join(other, "app.sock") });
    closeSync(lock);
  }, 20_000);

  test("a directory that is not there", async () => {
    const path = join(directory, "none", "app.sock");
    expect((await refused({ kind: "unix", path }))[0]).toBe("address");
  });
});

describe("descriptors", () => {
  test("a listening socket is taken as it is", async () => {
    const { fd, address } = await opened(tcp("127.0.0.1"));
    const result = await openListeners([{ kind: "fd", fd }], PLAIN_SOCKETS);
    const listener = { fd, kind: "tcp", address, passedAs: `fd://${fd}` };
    expect(result).toMatchObject({ ok: true, listeners: [listener] });
  });

  test("what is none is refused", async () => {
    expect((await refused({ kind: "fd", fd: 900 }))[1]).toBe("fd://900 is not an open socket");
  });

  test("a pipe that is full would block a writer", () => {
    const path = join(directory, "pipe");
    expect(makeFifo(path, 0o600)).toBe(true);
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    expect(isWritable(fd)).toBe(true);
    const block = new Uint8Array(4096);
    expect(() => {
      for (;;) writeSync(fd, block);
    }).toThrow("EAGAIN");
    expect(isWritable(fd)).toBe(false);
    readSync(fd, block);
    expect(isWritable(fd)).toBe(true);
    closeSync(fd);
  });
});
