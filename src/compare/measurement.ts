/** Measurements that plug in beside the usual loads: what happens to a server, as a function to figures with names of their own. */
import type { Contender } from "./contender.ts";
import type { Lab } from "./measure.ts";
import { start } from "./measure.ts";
import type { RunningServer } from "./server-process.ts";
import type { ErrorCounts, NamedFigure, Setup } from "./types.ts";

/** Whom a measurement is about. It starts the server itself: some need several starts, or another setup. */
export interface Subject {
  readonly contender: Contender;
  readonly setup: Setup;
  /** Of one load. */
  readonly seconds: number;
  readonly lab: Lab;
}

/** One round. */
export interface Reading {
  readonly figures: Readonly<Record<string, NamedFigure>>;
  readonly requests: number;
  readonly errors: ErrorCounts;
  /** How the load was made. */
  readonly load: string;
}

export type Measurement = (
  subject: Subject,
) => Promise<Reading & { /** As it was run. */ readonly command: string }>;

/** Starts the server for some work, and stops it however that ends. */
export async function using<T>(
  { contender, setup, lab }: Subject,
  work: (server: RunningServer) => Promise<T>,
): Promise<T & { command: string }> {
  const { server, command } = await start({ contender, setup }, lab);
  try {
    return { ...(await work(server)), command };
  } finally {
    await server.stop();
  }
}
