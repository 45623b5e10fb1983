/** Who a worker says it is, in the HELLO of its link (docs/protocol.md). */
import type { HeadForm } from "../proto/events.ts";

/** What a worker says of itself in HELLO. */
export interface WorkerFacts {
  worker: number;
  generation: number;
  pid: number;
  form: HeadForm;
  /** Requests it can run at once: threads, or concurrent tasks. */
  concurrency: number;
  boardPath: string;
  /** Empty: no rings. */
  ringPath: string;
}
