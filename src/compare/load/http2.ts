/** HTTP/2 over TLS for machines without h2load: closed for throughput, open for latency. Every answer is checked. */
import { connect } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import type { ErrorCounts, Histogram, Latency, Round } from "../types.ts";
import type { LoadRequest } from "./http-load.ts";
import { bodyHash } from "./http-load.ts";
import { Latencies } from "./latencies.ts";
import { finish, run, Schedule } from "./pace.ts";
import { patternOf } from "./stream.ts";

export interface Http2Spec {
  readonly port: number;
  readonly requests: readonly LoadRequest[];
  readonly connections: number;
  /** Requests under way on each connection, of a closed run. */
  readonly streams: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Requests a second; 0: closed. */
  readonly rate: number;
}

export interface Http2Result {
  readonly perSecond: number;
  readonly answered: number;
  readonly kinds: ErrorCounts;
  readonly latency: Latency | null;
  readonly histogram: Histogram;
  readonly timeline: NonNullable<Round["timeline"]>;
}

type Fault = keyof ErrorCounts | null;

export async function runHttp2Load(spec: Http2Spec): Promise<Http2Result> {
  const origin = `https://127.0.0.1:${spec.port}`;
  const sessions = await Promise.all(
    Array.from({ length: spec.connections }, async () => open(origin)),
  );
  const load = new Http2Run(spec, sessions);
  await (spec.rate === 0 ? load.closed() : load.open());
  for (const session of sessions) session.destroy();
  return load.result();
}

class Http2Run {
  readonly #spec: Http2Spec;
  readonly #sessions: readonly ClientHttp2Session[];
  readonly #pattern: readonly number[];
  readonly #errors = { connection: 0, timeout: 0, status: 0, body: 0 };
  readonly #latencies = new Latencies();
  readonly #start = performance.now();
  readonly #measureFrom: number;
  readonly #end: number;
  readonly #underWay = new Set<{ readonly due: number }>();
  #turn = 0;
  #inTime = 0;
  #answered = 0;

  constructor(spec: Http2Spec, sessions: readonly ClientHttp2Session[]) {
    this.#spec = spec;
    this.#sessions = sessions;
    this.#pattern = patternOf(spec.requests);
    this.#measureFrom = this.#start + spec.warmupMs;
    this.#end = this.#measureFrom + spec.durationMs;
  }

  async #send(session: ClientHttp2Session, due: number): Promise<void> {
    const { requests, rate } = this.#spec;
    const request = requests[this.#pattern[this.#turn++ % this.#pattern.length] ?? 0];
    if (request === undefined) return;
    const mark = { due };
    this.#underWay.add(mark);
    const fault = await ask(session, request);
    if (!this.#underWay.delete(mark)) return;
    const now = performance.now();
    if (due < this.#measureFrom || (rate === 0 && now > this.#end)) return;
    if (fault === null) this.#inTime += now <= this.#end ? 1 : 0;
    else this.#errors[fault] += 1;
    if (fault === "connection") return;
    this.#answered += 1;
    this.#latencies.add(due - this.#measureFrom, now - due);
  }

  async closed(): Promise<void> {
    const lane = async (session: ClientHttp2Session): Promise<void> => {
      while (performance.now() < this.#end && !session.destroyed) {
        await this.#send(session, performance.now());
      }
    };
    const lanes = this.#sessions.flatMap((session) =>
      Array.from({ length: this.#spec.streams }, async () => lane(session)),
    );
    await Promise.all(lanes);
  }

  async open(): Promise<void> {
    const schedule = new Schedule(this.#spec.rate, this.#start, this.#end);
    const tick = (now: number): void => {
      for (const due of schedule.by(now)) {
        const session = this.#sessions[this.#turn % this.#sessions.length];
        if (session !== undefined) void this.#send(session, due);
      }
    };
    await run(this.#end, tick);
    await finish(() => this.#underWay.size > 0);
    const now = performance.now();
    for (const { due } of this.#underWay) {
      if (due < this.#measureFrom) continue;
      this.#errors.timeout += 1;
      this.#latencies.add(due - this.#measureFrom, now - due);
    }
    this.#underWay.clear();
  }

  result(): Http2Result {
    const { durationMs } = this.#spec;
    return {
      perSecond: (this.#inTime / durationMs) * 1000,
      answered: this.#answered,
      kinds: { ...this.#errors },
      latency: this.#latencies.figures(),
      histogram: this.#latencies.histogram(),
      timeline: this.#latencies.timeline(durationMs),
    };
  }
}

async function open(origin: string): Promise<ClientHttp2Session> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientHttp2Session>();
  const session = connect(origin, { rejectUnauthorized: false });
  session.once("connect", () => resolve(session));
  session.on("error", reject);
  return promise;
}

async function ask(session: ClientHttp2Session, request: LoadRequest): Promise<Fault> {
  const { promise, resolve } = Promise.withResolvers<Fault>();
  try {
    const content = Buffer.from(
      request.body ?? "",
      request.bodyBase64 === true ? "base64" : "utf8",
    );
    const stream = session.request(
      { ":method": request.method, ":path": request.path, ...request.headers },
      { endStream: request.body === undefined },
    );
    let status = 0;
    const parts: Buffer[] = [];
    stream.on("response", (headers) => (status = headers[":status"] ?? 0));
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("end", () => resolve(faultOf(status, Buffer.concat(parts), request)));
    stream.on("error", () => resolve("connection"));
    stream.on("close", () => resolve("connection"));
    if (request.body !== undefined) stream.end(content);
  } catch {
    resolve("connection");
  }
  return promise;
}

function faultOf(status: number, body: Buffer, { check }: LoadRequest): Fault {
  if (check.status === undefined ? status >= 400 : status !== check.status) return "status";
  if (check.body === undefined || check.body.how === "any") return null;
  return bodyHash(body, check.body.how) === check.body.hash ? null : "body";
}
