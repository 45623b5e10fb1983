/** Why an app could not be started, and how a person reads it. Pure. */
import type { WorkerEvent, WorkerState } from "./fleet/lifecycle.ts";

/** Why an app could not be started, as the worker says it. */
export interface Failure {
  readonly stage: string;
  readonly message: string;
  readonly traceback: string;
  readonly hint: string;
}

/** For a worker that ended without a word. */
export const NEVER_READY: Failure = {
  stage: "boot",
  message: "a worker ended before it was ready",
  traceback: "",
  hint: "its last lines of output may say why",
};

/** The message, the app's traceback where there is one, and the remedy. */
export function failureText({ message, traceback, hint }: Failure): string {
  const parts = [message];
  const trace = traceback.trimEnd();
  if (trace !== "") parts.push(trace);
  if (hint !== "") parts.push(`hint: ${hint}`);
  return parts.join("\n");
}

/** What an event says about a worker that has not served. */
export function failureOf(state: WorkerState, event: WorkerEvent): Failure | null {
  if (event === "late" && state === "ready") {
    const message = "a worker reached no edge within the boot timeout";
    const hint = "its last lines of output may say why: a full disk, or too few descriptors";
    return { stage: "link", message, traceback: "", hint };
  }
  if (event === "late" && (state === "booting" || state === "spawning")) {
    const message = "a worker was not ready within the boot timeout";
    const hint = "the tracebacks in its output say where it was; see boot-timeout";
    return { stage: "boot", message, traceback: "", hint };
  }
  return null;
}
