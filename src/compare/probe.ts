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
  /** In words, for notes: `in full`, `without numbers`, or `by status only` with who says what. */
  readonly compared: string;
  /** Servers whose answer is another one: what differs, and from whose. */
  readonly wrong: ReadonlyMap<string, string>;
}

export function referenceOf(request: RequestSpec, said: readonly Testimony[]): Reference {
  const wrong = new Map<string, string>();
  const expected = request.expect?.status;
  const statuses = Map.groupBy(said, ({ answers }) => answers[0].status);
  const status = expected ?? [...statuses].reduce(larger, [0, []])[0];
  const right = statuses.get(status) ?? [];
  const who = expected === undefined && right.length > 0 ? ` as of ${named(right)}` : "";
  for (const { server, answers } of said) {
    if (answers[0].status === status) continue;
    wrong.set(server, `answers with status ${answers[0].status} instead of ${status}${who}`);
  }
  const wanted = request.expect?.body;
  if (wanted !== undefined) {
    const body = { how: "exact", hash: bodyHash(Buffer.from(wanted), "exact") } as const;
    const model = { body: Buffer.from(wanted), whose: "expected is" };
    for (const [server, text] of others(right, body, model)) wrong.set(server, text);
    return { check: { status, body }, compared: "in full", wrong };
  }
  for (const how of ["exact", "numbers"] as const) {
    const agreed = majority(right, how);
    if (agreed === null) continue;
    const body = { how, hash: agreed.hash };
    const [first] = agreed.servers;
    if (first === undefined) continue;
    const verb = agreed.servers.length === 1 ? "answers" : "answer";
    const model = { body: first.answers[0].body, whose: `${named(agreed.servers)} ${verb}` };
    for (const [server, text] of others(right, body, model)) wrong.set(server, text);
    return {
      check: { status, body },
      compared: how === "exact" ? "in full" : "without numbers",
      wrong,
    };
  }
  const compared = `by status only${disagreement(right)}`;
  return { check: { status, body: { how: "any" } }, compared, wrong };
}

function larger<Entry extends readonly [unknown, readonly unknown[]]>(a: Entry, b: Entry): Entry {
  return b[1].length > a[1].length ? b : a;
}

/** Gunicorn with each of its workers is one voice: an app may well tell which server it runs on. */
function familyOf({ server }: Testimony): string {
  return server.split(" ", 1)[0] ?? server;
}

/**
 * The answer that most agree on. Null where the app varies by itself (one server's own two answers differ, and not only one's while all
 * others agree without their numbers), or where there are two opinions and no majority.
 */
function majority(
  said: readonly Testimony[],
  how: "exact" | "numbers",
): { readonly hash: string; readonly servers: readonly Testimony[] } | null {
  const [steady, varying] = partition(said, ({ answers: [once, again] }) => {
    return bodyHash(once.body, how) === bodyHash(again.body, how);
  });
  // A counter, a time, the number of one of several processes: nobody's fault, and gone without the numbers.
  if (how === "exact" && varying.length > 0) return null;
  const opinions = [...Map.groupBy(steady, ({ answers }) => bodyHash(answers[0].body, how))]
    .map(([hash, servers]) => ({ hash, servers, voices: new Set(servers.map(familyOf)).size }))
    .sort((a, b) => b.voices - a.voices || b.servers.length - a.servers.length);
  const [best, second] = opinions;
  if (best === undefined || varying.length >= best.servers.length) return null;
  // One server's own page may tell its process id, which is another one after the next start.
  if (how === "exact" && best.servers.length < 2) return null;
  if (second === undefined) return best;
  const families = new Set(said.map(familyOf)).size;
  const counted = families === 1 ? "servers" : "voices";
  if (counted === "voices") return best.voices > second.voices ? best : null;
  return best.servers.length > second.servers.length ? best : null;
}

function partition<T>(all: readonly T[], fits: (one: T) => boolean): readonly [T[], T[]] {
  return [all.filter(fits), all.filter((one) => !fits(one))];
}

interface Model {
  readonly body: Buffer;
  /** `gunicorn sync answers`. */
  readonly whose: string;
}

/** Of each server that answers otherwise than the model: what differs. */
function others(
  said: readonly Testimony[],
  { how, hash }: { readonly how: "exact" | "numbers"; readonly hash: string },
  { body, whose }: Model,
): readonly (readonly [string, string])[] {
  return said.flatMap(({ server, answers }) => {
    const hashes = answers.map((answer) => bodyHash(answer.body, how));
    const odd = answers.find((_, index) => hashes[index] !== hash);
    if (odd === undefined) return [];
    const [theirs, model] = whereTheyDiffer(odd.body, body);
    const varies = hashes[0] === hashes[1] ? "" : " (once, and otherwise when asked again)";
    const text = `another body than the others, counted as wrong: ${theirs}${varies}, where ${whose} ${model}`;
    return [[server, text] as const];
  });
}

const NAMED_MAX = 2;

/** `gunicorn sync, uvicorn and 3 more` */
function named(said: readonly Testimony[]): string {
  const names = said.map(({ server }) => server);
  if (names.length <= NAMED_MAX) return names.join(" and ");
  return `${names.slice(0, NAMED_MAX).join(", ")} and ${names.length - NAMED_MAX} more`;
}

/** Why bodies say nothing here: one server's own answers differ, or two servers' do and no third decides. */
function disagreement(said: readonly Testimony[]): string {
  for (const { server, answers } of said) {
    const [once, again] = answers.map(({ body }) => body);
    if (once === undefined || again === undefined) continue;
    if (bodyHash(once, "numbers") === bodyHash(again, "numbers")) continue;
    const [first, second] = whereTheyDiffer(once, again);
    return ` (${server} answers ${first}, and asked again ${second})`;
  }
  const [one, ...more] = said;
  const hashOf = ({ answers }: Testimony): string => bodyHash(answers[0].body, "numbers");
  const other = more.find((each) => one !== undefined && hashOf(each) !== hashOf(one));
  if (one === undefined || other === undefined) return "";
  const [first, second] = whereTheyDiffer(one.answers[0].body, other.answers[0].body);
  return ` (${one.server} answers ${first}, ${other.server} ${second})`;
}

const EXCERPT_CHARS = 60;
/** What stands before the first difference, to recognise the place. */
const BEFORE_CHARS = 15;

/** Both bodies around the first place where they differ. */
function whereTheyDiffer(one: Buffer, other: Buffer): readonly [string, string] {
  const [a, b] = [one.toString("utf8"), other.toString("utf8")];
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  const longest = Math.max(a.length, b.length);
  const from = longest <= EXCERPT_CHARS ? 0 : Math.max(0, at - BEFORE_CHARS);
  return [excerpt(a, from), excerpt(b, from)];
}

function excerpt(text: string, from: number): string {
  if (text === "") return "nothing";
  const shown = text.slice(from, from + EXCERPT_CHARS);
  const before = from > 0 ? "..." : "";
  return JSON.stringify(`${before}${shown}${from + EXCERPT_CHARS < text.length ? "..." : ""}`);
}

/** Whether an answer is the reference's. */
export function isRight(answer: Answer | null, { status, body }: Check): boolean {
  if (answer === null) return false;
  if (status === undefined ? answer.status >= 400 : answer.status !== status) return false;
  if (body === undefined || body.how === "any") return true;
  return bodyHash(answer.body, body.how) === body.hash;
}
