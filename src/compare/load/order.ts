/** Gives an order to a load generator in a process of its own, on the load's cores, and waits for its result. */
import type { OpenLoopSpec, StreamResult } from "./http-load.ts";
import type { Http2Result, Http2Spec } from "./http2.ts";
import type { TransferResult, TransferSpec } from "./transfer.ts";
import type { WebSocketResult, WebSocketSpec } from "./websocket.ts";

export type LoadOrder =
  | { readonly do: "http"; readonly spec: OpenLoopSpec }
  | { readonly do: "websocket"; readonly spec: WebSocketSpec }
  | { readonly do: "transfer"; readonly spec: TransferSpec }
  | { readonly do: "http2"; readonly spec: Http2Spec };

/** Words that put a command on cores; none: anywhere. */
export type Pinning = readonly string[];

export interface LoadHost {
  readonly pin: Pinning;
  readonly signal?: AbortSignal | undefined;
}

const entry = new URL("../../main.ts", import.meta.url).pathname;

async function give(order: LoadOrder, { pin, signal }: LoadHost): Promise<unknown> {
  const child = Bun.spawn([...pin, process.execPath, entry, "__load"], {
    stdio: [new Blob([JSON.stringify(order)]), "pipe", "pipe"],
    env: { ...process.env, KEELBACK_CONTROL: undefined },
    // Ctrl-C reaches the whole foreground group; what was measured is kept by the parent.
    detached: true,
    ...(signal === undefined ? {} : { signal }),
  });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  if (code !== 0) throw new Error(`the load generator failed: ${errors.trim().slice(-600)}`);
  return JSON.parse(output);
}

export async function httpLoad(
  spec: OpenLoopSpec,
  host: LoadHost,
): Promise<Record<string, StreamResult>> {
  return (await give({ do: "http", spec }, host)) as Record<string, StreamResult>;
}

export async function webSocketLoad(spec: WebSocketSpec, host: LoadHost): Promise<WebSocketResult> {
  return (await give({ do: "websocket", spec }, host)) as WebSocketResult;
}

export async function transferLoad(spec: TransferSpec, host: LoadHost): Promise<TransferResult> {
  return (await give({ do: "transfer", spec }, host)) as TransferResult;
}

export async function http2Load(spec: Http2Spec, host: LoadHost): Promise<Http2Result> {
  return (await give({ do: "http2", spec }, host)) as Http2Result;
}
