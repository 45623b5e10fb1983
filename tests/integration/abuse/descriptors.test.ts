/** Too few descriptors: newcomers are turned away, nothing dies and nothing spins. */
import { describe, expect, test } from "bun:test";
import { truncateSync, writeFileSync } from "node:fs";
import { RawClient } from "../../support/raw-client.ts";
import { startServer } from "../../support/server.ts";
import type { TestServer } from "../../support/server.ts";
import { familyOf, makeProject, until } from "../supervisor/support.ts";
import { connectAll, cpuSeconds, descriptors, SlowReader } from "./support.ts";

const LIMIT = 128;
const CLIENTS = 200;
const FILE_LIMIT = 192;
const FILE_CLIENTS = 90;
/** More than the kernel's socket buffers take: the edge has to keep the file open. */
const FILE_BYTES = 12 * 1024 * 1024;
/** Files that are open at once at least, also where descriptors are few. */
const FILES_OPEN = 16;
/** The time in which processor time is counted, which an edge that spins would use up. */
const WATCHED_MS = 500;

const app = `
import os
def app(environ, start_response):
    if environ["PATH_INFO"] == "/file":
        path = os.path.join(os.path.dirname(__file__), "large.bin")
        start_response("200 OK", [("Content-Length", str(os.path.getsize(path)))])
        return environ["wsgi.file_wrapper"](open(path, "rb"))
    start_response("200 OK", [("Content-Length", "3")])
    return [b"ok\\n"]
`;

const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`;

/** Part of a core that a process uses. */
async function load(pid: number): Promise<number> {
  const before = cpuSeconds(pid);
  const from = performance.now();
  await until("the time to be over", () => performance.now() - from > WATCHED_MS);
  return ((cpuSeconds(pid) - before) * 1000) / (performance.now() - from);
}

/** What it was given to do may take it a while; one that spins does not stop. */
async function calm(pid: number): Promise<void> {
  await until("the edge to be calm", async () => (await load(pid)) < 0.5);
}

async function served(server: TestServer): Promise<true | undefined> {
  await using client = await RawClient.connect(server.port);
  await client.send(request("/"));
  return (await client.readResponse()).status === 200 ? true : undefined;
}

async function startLimited(directory: string, limit: number): Promise<TestServer> {
  const args = ["--chdir", directory, "--workers", "1", "--keep-alive", "60s"];
  return startServer({ app: "abused:app", args, descriptorsMax: limit });
}

describe("Out of file descriptors, nothing dies", () => {
  test("idle connections make room, others are turned away, and the edge does not spin", async () => {
    using project = makeProject({ "abused.py": app });
    await using server = await startLimited(project.path, LIMIT);
    const { edge } = familyOf(server.pid);
    expect(await served(server)).toBe(true);
    const idle = await connectAll(server.port, CLIENTS);
    for (const client of idle) await client.send(request("/"));
    const answers = await Promise.all(idle.map((client) => client.readUntil("\r\n")));
    expect(answers.filter((line) => !/^HTTP\/1.1 (200|503) /.test(line))).toEqual([]);
    const half = await connectAll(server.port, CLIENTS);
    for (const client of half) await client.send("GET / HTTP/1.1\r\n");
    await until("those beyond the limit to be turned away", () => half.some(({ ended }) => ended));
    expect(descriptors(edge)).toBeLessThan(LIMIT);
    await calm(edge);
    for (const client of [...idle, ...half]) client.close();
    await until("newcomers to be served again", () => served(server));
    expect(familyOf(server.pid).edge).toBe(edge);
  });

  test("files wait for one another, and all arrive", async () => {
    using project = makeProject({ "abused.py": app });
    writeFileSync(`${project.path}/large.bin`, "");
    truncateSync(`${project.path}/large.bin`, FILE_BYTES);
    await using server = await startLimited(project.path, FILE_LIMIT);
    const { edge } = familyOf(server.pid);
    const wanted = request("/file").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    const readers = Array.from({ length: FILE_CLIENTS }, () => new SlowReader(server.port, wanted));
    const full = (): boolean => descriptors(edge) > FILE_CLIENTS + FILES_OPEN;
    await until("files to be open", full);
    await calm(edge);
    expect(descriptors(edge)).toBeLessThan(FILE_LIMIT);
    const lengths = await Promise.all(readers.map((reader) => reader.finish()));
    expect(lengths.filter((length) => length < FILE_BYTES)).toEqual([]);
    await until("new clients to be served", () => served(server));
    expect(server.output()).not.toContain("cannot be opened");
  });
});
