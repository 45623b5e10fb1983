/** What a supervisor is started with, and how it ends. */
import type { Config } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Listener } from "../net/open-result.ts";
import type { Logger } from "../observe/log.ts";
import type { AppFacts } from "./workers/conversation.ts";
import type { Failure } from "./failure.ts";

export type Outcome = { readonly code: 0 } | { readonly code: 1; readonly failure: Failure };

/** What a generation of workers is made of; a reload may bring another one. */
export interface LaunchPlan {
  readonly config: Config;
  readonly app: string;
  readonly interpreter: string;
}

export interface SupervisorOptions {
  readonly plan: LaunchPlan;
  readonly listeners: readonly Listener[];
  readonly log: Logger;
  readonly clock: Clock;
  /** Program and arguments of an edge. */
  readonly edgeCommand: readonly string[];
  /** python/keelback/__main__.py */
  readonly pythonEntry: string;
  readonly runtimeDirectory: string | undefined;
  /** Another server serves until this one does. */
  readonly succeeds: boolean;
  /** The first generation serves. */
  serving(facts: AppFacts): void;
  /** Development: the app does not start, a change is waited for. */
  waiting(failure: Failure): void;
  noticed(event: ServerEvent): void;
}

/** `accepting`: each edge has a worker and takes clients. */
export type ServerEvent = "accepting" | "reloaded" | "reload-failed" | "stopping";
