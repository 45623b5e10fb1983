/** The access log and the server's own, against clients that write into them and disks that are full. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RawClient } from "../../support/raw-client.ts";
import { repository } from "../../support/server.ts";
import { get, message, onBoth, Probe, rest } from "./support.ts";

const directory = mkdtempSync(join(tmpdir(), "logs-"));
afterAll(() => rmSync(directory, { recursive: true }));

const NASTY = 'a"b\\c\x80\xffd\te';

/** A server whose access log is a file; `lines` stops it, so that the file is complete. */
class Logged {
  readonly probe: Probe;
  readonly #path: string;

  constructor(kind: "wsgi" | "asgi", name: string, format: string) {
    this.#path = join(directory, `${name}-${kind}.log`);
    const args = [`--access-log=${this.#path}`, "--access-log-format", format];
    this.probe = new Probe(kind, args);
  }

  async lines(): Promise<string[]> {
    expect(await this.probe.server.stop()).toBe(0);
    const lines = readFileSync(this.#path, "latin1").split("\n");
    expect(lines.pop()).toBe("");
    return lines;
  }
}

describe.each(["wsgi", "asgi"] as const)("The access log cannot be forged (%s)", (kind) => {
  test("in the combined format", async () => {
    const logged = new Logged(kind, "combined", "combined");
    await using probe = logged.probe;
    await probe.start();
    const user = Buffer.from('ev"il\n\x1b[31m:password').toString("base64");
    const fields = [`User-Agent: ${NASTY}`, `Referer: ${NASTY}`, `Authorization: Basic ${user}`];
    await probe.answer(get('/respond?part=hello&q="\\', ...fields));
    await probe.answer(get("/a%0a127.0.0.1%20-%20-%20forged"));
    const [first, second, ...others] = await logged.lines();
    expect(others).toEqual([]);
    const request = "GET /respond\\?part=hello&q=\\\\x22\\\\x5c HTTP/1\\.1";
    const nasty = "a\\\\x22b\\\\x5cc\\\\x80\\\\xffd\\\\x09e";
    const userName = "ev\\\\x22il\\\\x0a\\\\x1b\\[31m";
    const time = "\\[\\d\\d/\\w{3}/\\d{4}:\\d\\d:\\d\\d:\\d\\d \\+0000\\]";
    const line = `^127\\.0\\.0\\.1 - ${userName} ${time} "${request}" 200 5 "${nasty}" "${nasty}"$`;
    expect(first).toMatch(new RegExp(line));
    expect(second).toContain('"GET /a%0a127.0.0.1%20-%20-%20forged HTTP/1.1" 200 ');
  });

  test("in JSON", async () => {
    const logged = new Logged(kind, "json", "json");
    await using probe = logged.probe;
    await probe.start();
    await probe.answer(get('/respond?part=hello&q="},{"', `User-Agent: ${NASTY}`));
    const lines = await logged.lines();
    expect(lines).toHaveLength(1);
    const entry = JSON.parse(Buffer.from(lines[0]!, "latin1").toString());
    expect(entry).toMatchObject({
      client: "127.0.0.1",
      method: "GET",
      target: '/respond?part=hello&q="},{"',
      protocol: "HTTP/1.1",
      status: 200,
      bytes: 5,
      user_agent: NASTY,
      referer: null,
    });
    expect(entry.duration_ms).toBeGreaterThan(0);
    expect(entry.worker_pid).toBeGreaterThan(0);
  });

  test("in a format of atoms", async () => {
    const atoms = "%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(B)s|%({x-odd}i)s|%({x-answer}o)s|%%";
    const logged = new Logged(kind, "atoms", atoms);
    await using probe = logged.probe;
    await probe.start();
    const target = '/respond?part=hello&h=X-Answer:"a"';
    await probe.answer(get(target, `X-Odd: ${NASTY}`));
    expect(await logged.lines()).toEqual([
      "GET|/respond|part=hello&h=X-Answer:\\x22a\\x22|HTTP/1.1|200|5|" +
        "a\\x22b\\x5cc\\x80\\xffd\\x09e|\\x22a\\x22|%",
    ]);
  });

  test("it has a line for each request, whatever became of it", async () => {
    const logged = new Logged(kind, "each", "%(m)s %(U)s %(s)s %(b)s");
    await using probe = logged.probe;
    await probe.start();
    const key = probe.key();
    await probe.answer(get("/"));
    await probe.answer(message(["HEAD / HTTP/1.1", "Host: test"]), "HEAD");
    await probe.answer(get("/fail"));
    await using gone = await probe.send(get(`/wait?key=${key}`));
    await probe.heard(key, "begun");
    gone.reset();
    await using cut = await probe.send(get(`/fail-late?key=${key}`));
    await probe.say(key);
    await rest(cut);
    const lines = (await logged.lines()).filter((line) => !/ \/(await|say) /.test(line));
    expect(lines.toSorted()).toEqual(
      [
        "GET / 200 3",
        "HEAD / 200 -",
        "GET /fail 500 21",
        "GET /fail-late 200 6",
        "GET /wait 499 -",
      ].toSorted(),
    );
  });
});

onBoth([], (probe) => {
  test("Requests that are refused have one log line each, with its code", async () => {
    const lines = (): string[] => probe.server.output().match(/^.*refused \[.*$/gm) ?? [];
    const before = lines().length;
    await probe.answer(get("/", "X: \x01"));
    await probe.answer(message(["GET / HTTP/1.1"]));
    await probe.answer(message(["BREW / HTTP/3.0", "Host: t"]));
    await probe.server.waitForLine(/refused \[version-unsupported\]/);
    const codes = lines()
      .slice(before)
      .map((line) => /\[([a-z0-9-]+)\] (\d+)/.exec(line)?.slice(1));
    expect(codes).toEqual([
      ["header-value-invalid", "400"],
      ["host-missing", "400"],
      ["version-unsupported", "505"],
    ]);
  });

  test("What an app says of a request cannot drive a terminal", async () => {
    await probe.answer(get("/fail?%1b[31m"));
    const target = `/respond?part=a&h=${encodeURIComponent("X:a\x1b[31m\nforged")}`;
    expect((await probe.answer(get(target))).status).toBe(500);
    await probe.server.waitForLine(/control character/);
    expect(probe.server.output()).not.toContain("\x1b[31m");
    expect(probe.server.output()).not.toMatch(/^forged/m);
  });
});

describe.each(["wsgi", "asgi"] as const)("A full disk does not stop the server (%s)", (kind) => {
  const probe = new Probe(kind, ["--access-log=/dev/full"]);
  beforeAll(() => probe.start());
  afterAll(() => probe.stop());

  test("requests are answered while the access log cannot be written", async () => {
    for (let i = 0; i < 100; i += 1) expect(await probe.ask("/")).toBe("ok\n");
    await probe.server.waitForLine(/access log: \/dev\/full cannot be written/);
    for (let i = 0; i < 100; i += 1) expect(await probe.ask("/")).toBe("ok\n");
    const troubles = probe.server.output().match(/cannot be written/g);
    expect(troubles).toHaveLength(1);
  });
});

test.each(["wsgi", "asgi"] as const)(
  "A full disk for the server's own log does not stop it (%s)",
  async (kind) => {
    const socket = join(directory, `${kind}.sock`);
    const child = Bun.spawn(
      [
        ...[`${repository}/keelback`, "serve", `probe_${kind}:app`, "--bind", `unix:${socket}`],
        ...["--workers", "1", "--chdir", `${repository}/tests/apps`, "--access-log"],
      ],
      { stdin: "ignore", stdout: Bun.file("/dev/full"), stderr: Bun.file("/dev/full") },
    );
    try {
      let client: RawClient | undefined;
      while (client === undefined && child.exitCode === null) {
        client = await RawClient.connect(socket).catch(() => undefined);
        await new Response(Bun.spawn(["true"]).stdout).text();
      }
      for (const target of ["/", "/fail", "/"]) {
        await client!.send(get(target));
        expect((await client!.readResponse()).status).toBe(target === "/" ? 200 : 500);
      }
      client!.close();
    } finally {
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
    }
  },
);
