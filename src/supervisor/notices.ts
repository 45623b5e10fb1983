/** What the log says about workers, reloads and the end. What repeats itself is said once, then counted (repeats.ts). */
import { formatBytes } from "../config/values.ts";
import type { Clock } from "../core/clock.ts";
import type { LogFields, Logger, LogLevel } from "../observe/log.ts";
import { Repeats, timesText } from "../observe/repeats.ts";
import type { RecycleReason } from "./fleet/crew.ts";
import type { StuckReport } from "./edges.ts";
import type { Failure } from "./failure.ts";
import { failureText } from "./failure.ts";
import type { WorkerState } from "./fleet/lifecycle.ts";
import { OomKills } from "./oom.ts";
import type { ExitStatus } from "./workers/processes.ts";
import { exitText, wasKilled } from "./workers/processes.ts";
import type { FinishedReload } from "./reload-watch.ts";

/** Deaths that look the same may have nothing to do with each other: several are told each. */
const DEATHS_IN_FULL = 5;

const REASONS: Readonly<Record<RecycleReason, string>> = {
  requests: "has had its number of requests",
  lifetime: "has served its time",
  memory: "has outgrown its memory",
  late: "does not end a request that took too long",
  asked: "is to be recycled",
  reload: "runs old code",
};

export class Notices {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #oomKills: OomKills;
  readonly #repeats = new Repeats();

  constructor(log: Logger, clock: Clock, oomKills: OomKills = new OomKills(clock)) {
    this.#log = log;
    this.#clock = clock;
    this.#oomKills = oomKills;
  }

  gone(worker: number, state: WorkerState | undefined, status: ExitStatus): void {
    const how = exitText(status);
    if (state !== "ready" && state !== "draining") {
      return this.#log.debug(`worker-${worker} ${how}`);
    }
    const why = wasKilled(status) ? this.#whyKilled() : "";
    const text = `worker-${worker} ${how} unexpectedly${why}`;
    this.#once("error", { key: `gone ${how}${why}`, text, often: DEATHS_IN_FULL });
  }

  /** Not by us: those whom we kill are not expected to live. */
  #whyKilled(): string {
    const happened = this.#oomKills.happened();
    if (happened === null) return "; perhaps the system was out of memory";
    return happened
      ? "; the system was out of memory (oom_kill in /proc/vmstat)"
      : "; somebody sent it: the system has killed nothing for want of memory";
  }

  leaves(worker: number): void {
    this.#log.debug(`worker-${worker} leaves`);
  }

  retry(failure: Failure | null, delayMs: number): void {
    const text = `a worker is started anew${because(failure)}`;
    const level = failure === null ? "info" : "error";
    const often = failure === null ? DEATHS_IN_FULL : 1;
    const key = `retry ${kindOf(failure)}`;
    this.#once(level, { key, text, often, fields: { delay_ms: delayMs } });
  }

  stuck({ worker, method, target, seconds }: StuckReport): void {
    this.#log.error(`worker-${worker} does not answer and is killed; its threads follow`, {
      request: method === "" ? undefined : `${method} ${target}`,
      seconds: Math.round(seconds * 10) / 10,
    });
  }

  reloading(reason: string, generation: number): void {
    this.#log.info(`reload: ${reason}`, { generation });
  }

  reloaded(generation: number, ms: number): void {
    this.#log.info(`reload: the new workers serve after ${Math.round(ms)} ms`, { generation });
  }

  /** No worker of an older generation is left. */
  reloadFinished({ generation, workers, ms }: FinishedReload): void {
    const many = `${workers} worker${workers === 1 ? "" : "s"}`;
    const seconds = (ms / 1000).toFixed(1);
    this.#log.info(`reload finished: generation ${generation} serves, ${many}, took ${seconds} s`);
  }

  reloadGivenUp(generation: number, why: string): void {
    this.#log.warning(`reload given up: ${why}`, { generation });
  }

  reloadFailed(generation: number, failure: Failure): void {
    const text = `reload failed, the old workers stay: ${failureText(failure)}`;
    this.#log.error(text, { generation });
  }

  stoppingSoon(delayMs: number): void {
    this.#log.info("stopping soon: not ready any more, and serving on", {
      seconds: delayMs / 1000,
    });
  }

  stopping(graceMs: number): void {
    this.#log.info("stopping: what runs may finish", { seconds: graceMs / 1000 });
  }

  leavingAlready(): void {
    this.#log.info("stopping already, for a new server serves; asked again, it ends now");
  }

  graceOver(): void {
    this.#log.warning("the graceful timeout is over: what still runs is cut");
  }

  recycle(worker: number, successor: number, why: RecycleReason): void {
    const text = `worker-${worker} ${REASONS[why]}; worker-${successor} is to take its place`;
    const often = why === "asked" || why === "reload" ? Infinity : DEATHS_IN_FULL;
    this.#once("info", { key: `recycle ${why}`, text, often });
  }

  recycleFailed(worker: number, failure: Failure, delayMs: number): void {
    const why = because(failure);
    const text = `the successor of worker-${worker} does not start, so it serves on${why}`;
    this.#once("error", {
      key: `successor ${kindOf(failure)}`,
      text,
      fields: { delay_ms: delayMs },
    });
  }

  memory(worker: number, bytes: number, bound: { max: number; name: string }): void {
    const { max, name } = bound;
    const limit = `${name} = ${formatBytes(max)}`;
    const text = `worker-${worker} takes ${megabytes(bytes)}, more than ${limit}`;
    this.#once("warning", { key: `memory ${name}`, text, often: DEATHS_IN_FULL });
  }

  #once(
    level: LogLevel,
    what: { key: string; text: string; often?: number; fields?: LogFields },
  ): void {
    const saying = this.#repeats.hear(what.key, this.#clock.now(), what.often);
    if (saying === "full") return this.#log[level](what.text, what.fields);
    if (saying === "nothing") return;
    const [first = ""] = what.text.split("\n", 1);
    this.#log[level](`${first} (${timesText(saying)})`, what.fields);
  }
}

function because(failure: Failure | null): string {
  return failure === null ? "" : `: ${failureText(failure)}`;
}

/** What makes it the same failure as another one: where it happened. The words may tell of a port, an address or the time. */
function kindOf(failure: Failure | null): string {
  if (failure === null) return "";
  const { stage, message, traceback } = failure;
  const frames = traceback.split("\n").filter((line) => line.startsWith('  File "'));
  const place = frames.length > 0 ? frames.join() : message.replaceAll(/0x[\da-f]+|\d+/gi, "#");
  return `${stage} ${place}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)}m`;
}
