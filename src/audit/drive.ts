/** Sends an audit's traffic, by the load generator's own process: closed (so many clients, one request at a time each) or open (a rate). */
import { loadHost } from "../compare/guard.ts";
import { httpLoad } from "../compare/load/order.ts";
import type { LoadRequest, StreamResult } from "../compare/load/http-load.ts";

export interface Drive {
  readonly port: number;
  readonly requests: readonly LoadRequest[];
  readonly clients: number;
  /** Requests a second; 0: as fast as the clients get answers. */
  readonly rate: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly signal?: AbortSignal;
}

export async function drive(order: Drive): Promise<StreamResult> {
  const { port, requests, clients, rate, warmupSeconds, seconds, signal } = order;
  const stream = { name: "audit", path: "/", requests, connections: clients, rate };
  const spec = {
    port,
    warmupMs: warmupSeconds * 1000,
    durationMs: seconds * 1000,
    // The cores are the server's: being late by a millisecond is better than taking one away.
    spin: false,
    streams: [stream],
  };
  const results = await httpLoad(spec, loadHost([], signal));
  const result = results["audit"];
  if (result === undefined) throw new Error("the load generator gave no result");
  return result;
}

/** Statuses of one answer to each request (of the first `most`): what does not work is told before the load begins. */
export async function tryOut(
  port: number,
  requests: readonly LoadRequest[],
  most: number,
): Promise<readonly { readonly request: LoadRequest; readonly status: number }[]> {
  const answers = [];
  for (const request of requests.slice(0, most)) {
    answers.push({ request, status: await statusOf(port, request) });
  }
  return answers;
}

const ANSWER_MS_MAX = 60_000;
/** Some never end. */
const BODY_MS_MAX = 2000;

async function readFor(response: Response, ms: number): Promise<void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const timer = setTimeout(() => void reader.cancel(), ms);
  while (!(await reader.read()).done);
  clearTimeout(timer);
}

/** 0: no answer. */
async function statusOf(
  port: number,
  { method, path, headers, body }: LoadRequest,
): Promise<number> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { ...headers },
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
      ...(body === undefined ? {} : { body }),
    });
    await readFor(response, BODY_MS_MAX);
    return response.status;
  } catch {
    return 0;
  }
}
