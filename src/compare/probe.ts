/**
 * One request and its answer, before and after each load; and which of the answers of all servers is the right one: the majority's.
 * A page with process ids, counters or times in it is compared without its numbers; one that differs even so, by its status only.
 */
import { connect as connectHttp2 } from "node:http2";
import type { Check } from "./load/http-load.ts";
import { bodyHash, requestBytes } from "./load/http-load.ts";
import { ResponseReader } from "./load/response-reader.ts";
import type { RequestSpec } from "./types.ts";

const TIMEOUT_MS = 5000;
const CONTENT_TYPE = /\r\ncontent-type: *([^\r]*)/i;

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  /** Whether the server would take another request on this connection. */
  readonly keepsAlive: boolean;
  readonly contentType: string;
}

export interface ProbeTarget {
  readonly port: number;
  readonly protocol: "h1" | "tls" | "h2";
}

/** Null: no answer. */
export async function probe(target: ProbeTarget, request: RequestSpec): Promise<Answer | null> {
  return target.protocol === "h2" ? probeHttp2(target, request) : probeHttp1(target, request);
}

async function probeHttp1(
  { port, protocol }: ProbeTarget,
  request: RequestSpec,
): Promise<Answer | null> {
  const { promise, resolve } = Promise.withResolvers<Answer | null>();
  const reader = new ResponseReader();
  reader.begin(request.method === "HEAD");
  const done = (): void => {
    const { status, body, keepsAlive, head } = reader;
    resolve({ status, body, keepsAlive, contentType: CONTENT_TYPE.exec(head)?.[1] ?? "" });
  };
  const timer = setTimeout(() => resolve(null), TIMEOUT_MS);
  let unsent = requestBytes(request, port, false);
  try {
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      ...(protocol === "tls" ? { tls: { rejectUnauthorized: false } } : {}),
      socket: {
        data: (_, bytes) => {
          const progress = reader.feed(bytes);
          if (progress === "done") done();
          if (progress === "bad") resolve(null);
        },
        drain: (peer) => {
          unsent = unsent.subarray(Math.max(0, peer.write(unsent)));
        },
        close: () => (reader.end() ? done() : resolve(null)),
        error: () => resolve(null),
      },
    });
    unsent = unsent.subarray(Math.max(0, socket.write(unsent)));
    const answer = await promise;
    socket.end();
    return answer;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

async function probeHttp2({ port }: ProbeTarget, request: RequestSpec): Promise<Answer | null> {
  const { promise, resolve } = Promise.withResolvers<Answer | null>();
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  const timer = setTimeout(() => resolve(null), TIMEOUT_MS);
  session.on("error", () => resolve(null));
  session.on("close", () => resolve(null));
  session.on("connect", () => {
    const { method, path, headers, body, bodyBase64 } = request;
    const stream = session.request({ ":method": method, ":path": path, ...headers });
    let status = 0;
    let contentType = "";
    const parts: Buffer[] = [];
    stream.on("response", (fields) => {
      status = fields[":status"] ?? 0;
      contentType = fields["content-type"] ?? "";
    });
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("end", () =>
      resolve({ status, body: Buffer.concat(parts), keepsAlive: true, contentType }),
    );
    stream.on("error", () => resolve(null));
    stream.end(Buffer.from(body ?? "", bodyBase64 === true ? "base64" : "utf8"));
  });
  const answer = await promise;
  clearTimeout(timer);
  session.destroy();
  return answer;
}

/** What one server said to the same request, twice. */
export interface Testimony {
  readonly server: string;
  readonly answers: readonly [Answer, Answer];
}

export interface Reference {
  readonly check: Check;
  /** In words, for notes. */
  readonly compared: "in full" | "without numbers" | "by status only";
  /** Servers whose answer is another one, and what is wrong with it. */
  readonly wrong: ReadonlyMap<string, string>;
}

function winner(votes: readonly string[]): { readonly value: string; readonly count: number } {
  const counts = new Map<string, number>();
  for (const vote of votes) counts.set(vote, (counts.get(vote) ?? 0) + 1);
  let best = { value: "", count: 0 };
  for (const [value, count] of counts) if (count > best.count) best = { value, count };
  return best;
}

export function referenceOf(request: RequestSpec, said: readonly Testimony[]): Reference {
  const wrong = new Map<string, string>();
  const expected = request.expect?.status;
  const status =
    expected ?? Number(winner(said.map(({ answers }) => `${answers[0].status}`)).value);
  const right = said.filter(({ server, answers }) => {
    if (answers[0].status === status) return true;
    wrong.set(server, `answers with status ${answers[0].status} instead of ${status}`);
    return false;
  });
  const wanted = request.expect?.body;
  if (wanted !== undefined) {
    const body = { how: "exact", hash: bodyHash(Buffer.from(wanted), "exact") } as const;
    flag(right, body, wrong);
    return { check: { status, body }, compared: "in full", wrong };
  }
  for (const how of ["exact", "numbers"] as const) {
    // Each server answers twice: one whose own answers differ can't be compared like this.
    const steady = right.flatMap(({ answers }) => {
      const [once, again] = answers.map(({ body }) => bodyHash(body, how));
      return once !== undefined && once === again ? [once] : [];
    });
    const best = winner(steady);
    // One server's own page may tell its process id, which is another one after the next start.
    const enough = how === "exact" ? 2 : 1;
    const agreed = best.count >= enough && best.count > second(steady);
    if (!agreed) continue;
    const body = { how, hash: best.value };
    flag(right, body, wrong);
    return {
      check: { status, body },
      compared: how === "exact" ? "in full" : "without numbers",
      wrong,
    };
  }
  return { check: { status, body: { how: "any" } }, compared: "by status only", wrong };
}

/** Votes of the second most frequent value. */
function second(votes: readonly string[]): number {
  const best = winner(votes);
  return winner(votes.filter((vote) => vote !== best.value)).count;
}

function flag(
  said: readonly Testimony[],
  body: { readonly how: "exact" | "numbers"; readonly hash: string },
  wrong: Map<string, string>,
): void {
  for (const { server, answers } of said) {
    if (answers.every((answer) => bodyHash(answer.body, body.how) === body.hash)) continue;
    wrong.set(server, `answers with a wrong body: ${JSON.stringify(excerpt(answers[0].body))}`);
  }
}

const EXCERPT_CHARS = 60;

function excerpt(body: Buffer): string {
  const text = body.toString("utf8", 0, EXCERPT_CHARS * 4);
  return text.length > EXCERPT_CHARS ? `${text.slice(0, EXCERPT_CHARS)}...` : text;
}

/** Whether an answer is the reference's. */
export function isRight(answer: Answer | null, { status, body }: Check): boolean {
  if (answer === null) return false;
  if (status === undefined ? answer.status >= 400 : answer.status !== status) return false;
  if (body === undefined || body.how === "any") return true;
  return bodyHash(answer.body, body.how) === body.hash;
}
