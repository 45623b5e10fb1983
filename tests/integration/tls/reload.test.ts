/** New certificates while clients are served. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import type { TLSSocket } from "node:tls";
import type { TestServer } from "../../support/server.ts";
import { Authority, type Files, secure, startTls, tlsArgs } from "./support.ts";

setDefaultTimeout(60_000);

const authority = new Authority();

afterAll(() => authority[Symbol.dispose]());

/** The serial number of the certificate that a new connection meets. */
async function serial(server: TestServer): Promise<string> {
  const socket = await secure(server, authority);
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** A request on a connection that is there. */
async function get(socket: TLSSocket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  const take = (chunk: Buffer): void => {
    text += chunk.toString("latin1");
    const [head = "", body] = text.split("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (body === undefined || body.length < length) return;
    socket.off("data", take);
    socket.off("close", gone);
    resolve(head.slice(9, 12));
  };
  const gone = (): void => reject(new Error(`the connection was lost: ${text}`));
  socket.on("data", take);
  socket.on("close", gone);
  socket.write("GET /large?1000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return promise;
}

/** Copies of certificates under the names that the server knows. */
function place(files: Files, name: string): Files {
  const copy = {
    certificate: authority.path(`${name}.crt`),
    key: authority.path(`${name}.key`),
  };
  copyFileSync(files.certificate, copy.certificate);
  copyFileSync(files.key, copy.key);
  return copy;
}

/** Answers by which the load has met what happens, however late it came to begin. */
const ENOUGH = 20;

/**
 * Requests without pause, on old and on new connections, until told to stop and so many answers later. Rejects when a connection is lost
 * or refused, or the status is another one.
 */
function load(server: TestServer): { stop(): Promise<void> } {
  let stopping = false;
  let left = ENOUGH;
  const more = (): boolean => !stopping || left > 0;
  const answered = (status: string): void => {
    expect(status).toBe("200");
    if (stopping) left -= 1;
  };
  const kept = async (): Promise<void> => {
    const socket = await secure(server, authority);
    while (more()) answered(await get(socket));
    socket.destroy();
  };
  const fresh = async (): Promise<void> => {
    while (more()) {
      const socket = await secure(server, authority);
      answered(await get(socket));
      socket.destroy();
    }
  };
  const all = Promise.all([kept(), kept(), fresh(), fresh()]);
  return {
    stop: async () => {
      stopping = true;
      await all;
    },
  };
}

describe("Certificates are reloaded without dropping a connection", () => {
  test("when their files change", async () => {
    const files = place(authority.server(), "changing");
    await using server = await startTls("wsgi", tlsArgs(files));
    const before = await serial(server);
    const old = await secure(server, authority);
    const running = load(server);
    place(authority.server(["localhost", "new.test"]), "changing");
    await server.waitForLine(/certificates are new: localhost, new\.test until \d{4}-/);
    const after = await serial(server);
    expect(after).not.toBe(before);
    expect(await get(old)).toBe("200");
    await running.stop();
    old.destroy();
  });

  test("when a symbolic link is swapped", async () => {
    const first = authority.server();
    const second = authority.server(["localhost", "swapped.test"]);
    const files = { certificate: authority.path("link.crt"), key: authority.path("link.key") };
    symlinkSync(first.certificate, files.certificate);
    symlinkSync(first.key, files.key);
    await using server = await startTls("wsgi", tlsArgs(files));
    // An answer: the first certificate has been read.
    const before = await serial(server);
    for (const part of ["certificate", "key"] as const) {
      symlinkSync(second[part], `${files[part]}.next`);
      renameSync(`${files[part]}.next`, files[part]);
    }
    await server.waitForLine(/certificates are new: localhost, swapped\.test/);
    expect(await serial(server)).not.toBe(before);
  });

  test("on SIGHUP, and other names choose from then on", async () => {
    const config = authority.path("keelback.toml");
    const first = authority.server();
    const second = authority.server(["b.test"]);
    const say = (...all: Files[]): void => {
      const certfile = JSON.stringify(all.map(({ certificate }) => certificate));
      const keyfile = JSON.stringify(all.map(({ key }) => key));
      writeFileSync(config, `certfile = ${certfile}\nkeyfile = ${keyfile}\n`);
    };
    say(first);
    await using server = await startTls("wsgi", ["--config", config]);
    const running = load(server);
    say(first, second);
    server.kill("SIGHUP");
    await server.waitForLine(/certificates are new: localhost.*; b\.test/);
    const socket = await secure(server, authority, { servername: "b.test" });
    expect(socket.getPeerCertificate().subject.CN).toBe("b.test");
    socket.destroy();
    await server.waitForLine(/reload: the new workers serve/);
    await running.stop();
  });

  test("broken files leave the old certificate in use", async () => {
    const files = place(authority.server(), "breaking");
    await using server = await startTls("wsgi", tlsArgs(files));
    const before = await serial(server);
    writeFileSync(files.key, "nonsense");
    await server.waitForLine(/error +edge-0: the certificates stay as they were: .*breaking\.key/);
    expect(await serial(server)).toBe(before);
    // And they recover.
    place(authority.server(["localhost", "mended.test"]), "breaking");
    await server.waitForLine(/certificates are new: localhost, mended\.test/);
    expect(await serial(server)).not.toBe(before);
  });
});
