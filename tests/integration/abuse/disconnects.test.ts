/** Clients that leave anywhere: in the request line, the headers, the body, the response. Nothing may be left of them. */
import { describe, expect, test } from "bun:test";
import { RawClient } from "../../support/raw-client.ts";
import { repository, startServer } from "../../support/server.ts";
import { familyOf, until } from "../supervisor/support.ts";
import { descriptors, randomFrom, residentBytes } from "./support.ts";

const ROUNDS = 60;
const AT_ONCE = 10;
const SEED = 20_261;
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;

const body = "b".repeat(100_000);
const requests = [
  "GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: abuse\r\nAccept: */*\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: test\r\n\r\n".repeat(3),
  "GET /big?size=3000000 HTTP/1.1\r\nHost: test\r\n\r\n",
  "GET /respond?part=a&part=b HTTP/1.1\r\nHost: test\r\n\r\n",
  `POST /count HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  `POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n${"3\r\nabc\r\n".repeat(40)}0\r\nx: y\r\n\r\n`,
  "POST /count HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
  `POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
];

type Random = (below: number) => number;

/** One that does not get far. */
async function leaveSomewhere(port: number, random: Random): Promise<void> {
  const request = requests[random(requests.length)]!;
  const whole = random(3) === 0;
  const cut = whole ? request.length : random(random(2) === 0 ? 120 : request.length);
  const first = random(cut + 1);
  const client = await RawClient.connect(port);
  const sent = [request.slice(0, first), request.slice(first, cut)].map((part) =>
    client.send(part),
  );
  const way = random(4);
  if (whole && way < 2) await client.readUntil("\r\n").catch(() => "");
  else if (way > 0) await Promise.all(sent);
  if (way === 1) client.halfClose();
  if (way === 2) client.reset();
  else client.close();
}

const kinds = ["wsgi", "asgi"];

describe("Clients that leave in the middle of everything leave nothing behind", () => {
  test.each(kinds)("no descriptor, no stream, no memory (%s)", async (kind) => {
    await using server = await startServer({
      app: `probe_${kind}:app`,
      args: ["--workers", "1", "--chdir", `${repository}/tests/apps`],
    });
    const random = randomFrom(SEED);
    const round = async (): Promise<void> => {
      const clients = Array.from({ length: AT_ONCE }, () => leaveSomewhere(server.port, random));
      await Promise.all(clients);
    };
    const { edge, workers } = familyOf(server.pid);
    const [worker = 0] = workers;
    await round();
    const before = new Map([edge, worker].map((pid) => [pid, residentBytes(pid)]));
    for (let i = 0; i < ROUNDS; i += 1) await round();
    const answer = await fetch(`${server.url}/`, { headers: { connection: "close" } });
    expect(await answer.text()).toBe("ok\n");
    // No client has a descriptor any more when there are no more than at the start of a server.
    await using fresh = await startServer({
      app: `probe_${kind}:app`,
      args: ["--workers", "1", "--chdir", `${repository}/tests/apps`],
    });
    const other = familyOf(fresh.pid);
    await (await fetch(`${fresh.url}/`, { headers: { connection: "close" } })).text();
    const pairs = [
      [edge, other.edge],
      [worker, other.workers[0] ?? 0],
    ] as const;
    for (const [used, unused] of pairs) {
      await until(
        "descriptors to be given back",
        () => descriptors(used) <= descriptors(unused) || undefined,
      );
    }
    for (const [pid, bytes] of before) {
      expect(residentBytes(pid) - bytes).toBeLessThan(GROWTH_BYTES_MAX);
    }
    expect(familyOf(server.pid)).toEqual({ ...familyOf(server.pid), edge, workers });
    // A stream that was left open would hold up the end until the graceful timeout: `stop` kills before.
    expect(await server.stop()).toBe(0);
    const complaints = server
      .output()
      .split("\n")
      .filter((line) => / error |Traceback/.test(line));
    expect(complaints).toEqual([]);
  });
});
