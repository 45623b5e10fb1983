/** Large bodies in one direction, one after the other on a few connections: bytes a second, each transfer checked for its length. */
import type { ErrorCounts } from "../types.ts";

export interface TransferSpec {
  readonly url: string;
  readonly direction: "upload" | "download";
  /** Of one body. */
  readonly bytes: number;
  readonly connections: number;
  readonly durationMs: number;
}

export interface TransferResult {
  readonly bytesPerSecond: number;
  readonly transfers: number;
  readonly kinds: ErrorCounts;
}

const TIMEOUT_MS = 60_000;

export async function runTransfer(spec: TransferSpec): Promise<TransferResult> {
  const errors = { connection: 0, timeout: 0, status: 0, body: 0 };
  const payload = new Uint8Array(spec.direction === "upload" ? spec.bytes : 0);
  const start = performance.now();
  const end = start + spec.durationMs;
  let moved = 0;
  let transfers = 0;
  const one = async (): Promise<void> => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const upload = spec.direction === "upload";
    const response = await fetch(upload ? spec.url : `${spec.url}?bytes=${spec.bytes}`, {
      ...(upload ? { method: "PUT", body: payload } : {}),
      signal,
    });
    const length = upload ? Number(await response.text()) : await lengthOf(response);
    if (!response.ok) errors.status += 1;
    else if (length !== spec.bytes) errors.body += 1;
    else {
      moved += spec.bytes;
      transfers += 1;
    }
  };
  const lane = async (): Promise<void> => {
    do {
      try {
        await one();
      } catch (error) {
        const late = error instanceof Error && error.name === "TimeoutError";
        errors[late ? "timeout" : "connection"] += 1;
      }
    } while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: spec.connections }, lane));
  const seconds = (performance.now() - start) / 1000;
  return { bytesPerSecond: moved / seconds, transfers, kinds: errors };
}

async function lengthOf(response: Response): Promise<number> {
  let length = 0;
  if (response.body === null) return length;
  for await (const chunk of response.body) length += chunk.length;
  return length;
}
