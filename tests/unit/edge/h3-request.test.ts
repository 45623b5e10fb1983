/** Deadlines of an HTTP/3 request, between a stream and a backend that write down what they are told, with a clock that the test moves. */
import { describe, expect, test } from "bun:test";
import type { EdgeContext } from "../../../src/edge/context.ts";
import type { H3Request } from "../../../src/edge/drivers/h3.ts";
import { H3Outbox } from "../../../src/edge/drivers/h3-outbox.ts";
import { H3Session, type H3Shared } from "../../../src/edge/drivers/h3-session.ts";
import { Sweeper } from "../../../src/edge/sweeper.ts";
import { type Backend, type Exchange, Stage } from "../../../src/exchange/exchange.ts";
import type { QuicFields, QuicSession, QuicStream } from "../../../src/net/quic.ts";
import { H3RequestHead } from "../../../src/proto/h3/request-head.ts";
import { ResponseHeads } from "../../../src/proto/h3/response-fields.ts";
import { Flag } from "../../../src/wire/spec.ts";
import { EDGE_SETTINGS } from "../../support/edge-settings.ts";

const TIMEOUT_MS = 30_000;
const GET: QuicFields = { ":method": "GET", ":scheme": "https", ":authority": "a", ":path": "/" };
const ANSWER = Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
const HEAD_BYTES = ANSWER.length - "hello".length;
const never = new Promise<never>(() => {});

interface Scene {
  readonly client: H3Session;
  readonly x: Exchange;
  /** What the client gets, and `cancel`: what the worker is told. */
  readonly told: string[];
  readonly outbox: H3Outbox;
  readonly pass: (ms: number) => void;
}

/** One request without a body, which the app has got. */
function scene(): Scene {
  const told: string[] = [];
  const clock = { at: 1_000_000, now: (): number => clock.at };
  const sweeper = new Sweeper(clock, TIMEOUT_MS, () => false);
  const exchanges: Exchange[] = [];
  const backend = {
    form: "cgi",
    submit(x: Exchange) {
      x.stage = Stage.SENT;
      exchanges.push(x);
    },
    waits: () => false,
    cancel(x: Exchange) {
      x.stage = Stage.OUT;
      told.push("cancel");
    },
  } as unknown as Backend;
  const counts = { requests: 0, refused: {} } as unknown as EdgeContext["counts"];
  const context = {
    ...{ settings: { ...EDGE_SETTINGS, timeoutMs: TIMEOUT_MS }, backend, sweeper, counts },
    ...{ health: null, accessLog: null, onRefused() {}, onCut() {} },
  } as unknown as EdgeContext;
  const outbox = new H3Outbox();
  const shared = {
    ...{ outbox, responseHeads: new ResponseHeads() },
    headReader: (form: "cgi") => new H3RequestHead({ ...context.settings, form }),
    beginLater: (request: H3Request) => request.begin(true),
  } as unknown as H3Shared;
  const end = { address: "127.0.0.1", port: 443 };
  const session = {
    ...{ destroyed: false, closed: never, opened: never, path: { local: end, remote: end } },
  } as unknown as QuicSession;
  const stream = {
    ...{ destroyed: false, closed: never, stats: { bytesSent: 0n }, stopSending() {} },
    sendHeaders: (fields: QuicFields) => told.push(String(fields[":status"])) > 0,
    setBody: (body: Uint8Array) => void told.push(Buffer.from(body).toString()),
    [Symbol.asyncIterator]: () => ({ next: async () => never }),
  } as unknown as QuicStream;
  const client = new H3Session(context, shared, session);
  session.onstream?.(stream);
  stream.onheaders?.(GET);
  const pass = (ms: number): void => {
    for (const until = clock.at + ms; clock.at < until;) {
      clock.at += Math.min(sweeper.tickMs, until - clock.at);
      sweeper.tick();
    }
  };
  return { client, x: exchanges[0]!, told, outbox, pass };
}

function answer(x: Exchange): void {
  x.stage = Stage.OUT;
  x.onHead(200, Flag.END, ANSWER, 0, HEAD_BYTES, ANSWER.length);
}

describe("An app's time limit over HTTP/3", () => {
  test("is answered 504 when it has passed", () => {
    const { client, told, pass } = scene();
    pass(TIMEOUT_MS - 1000);
    expect({ told, idle: client.idle }).toEqual({ told: [], idle: false });
    pass(3000);
    expect(told.slice(0, 2)).toEqual(["cancel", "504"]);
  });

  test("ends with the response, also while that waits to be sent", () => {
    const { x, told, outbox, pass } = scene();
    pass(TIMEOUT_MS - 1000);
    answer(x);
    expect(told).toEqual([]);
    pass(3000);
    expect(told).toEqual([]);
    outbox.takingIn();
    expect(told).toEqual(["200", "hello"]);
  });
});
