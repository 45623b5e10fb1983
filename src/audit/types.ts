/**
 * What `keelback audit` speaks of: what the probe in a worker writes (python/keelback/probe_book.py), what that says of each route, and the
 * report as it leaves with --json. Milliseconds, unless a name says otherwise.
 */

/** A frame of a stack; `file` is relative where it is below the app's directory. */
export interface Frame {
  readonly file: string;
  readonly line: number;
  readonly function: string;
  /** The line's text; empty where the source is not there. */
  readonly code: string;
}

/**
 * Why a call was where it was seen: `cpu` it computed, `wait` it did not, `run` is one of both, `pool` it waited in a thread beside the
 * event loop, `await` it had given the event loop free.
 */
export type StackKind = "cpu" | "wait" | "run" | "pool" | "await";

export interface ProbeStack {
  readonly route: string;
  readonly kind: StackKind;
  readonly ms: number;
  readonly samples: number;
  /** Index of the app's innermost frame; null: none is the app's. */
  readonly app: number | null;
  /** Innermost first. */
  readonly frames: readonly Frame[];
}

export interface Repeated {
  readonly sql: string;
  /** In one request, at most. */
  readonly times: number;
  readonly ms: number;
  readonly line: string | null;
}

/** Sums over all calls of a route in one worker. */
export interface ProbeRoute {
  readonly route: string;
  readonly count: number;
  readonly failed: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly wallMs: number;
  readonly wallMaxMs: number;
  readonly wallsMs: readonly number[];
  readonly cpuMs: number;
  /** Ready to run, without a core. */
  readonly coreMs: number;
  /** Of the event loop's time. */
  readonly heldMs: number;
  /** The part of it in which nothing was computed. */
  readonly blockedMs: number;
  readonly longestMs: number;
  /** Calls that held the event loop for 5 ms and more at a time. */
  readonly blockingCalls: number;
  readonly poolCalls: number;
  readonly poolMs: number;
  readonly poolWaitMs: number;
  readonly bytes: number;
  readonly queries: number;
  readonly queriesMax: number;
  readonly queryMs: number;
  readonly repeated: Repeated | null;
  readonly grownKib: number;
  /** Calls during which no other one began: those that `grownKib` is of. */
  readonly alone: number;
}

export interface ProbeReport {
  readonly schema: 1;
  readonly worker: number;
  readonly pid: number;
  readonly interface: "wsgi" | "asgi";
  readonly found: string;
  readonly python: string;
  readonly freeThreaded: boolean;
  readonly seconds: number;
  readonly requests: number;
  readonly activeMax: number;
  /** Threads beside the event loop that worked at once, at most. */
  readonly poolMax: number;
  readonly lagsMs: readonly number[];
  /** Requests so far, and resident KiB. */
  readonly memory: readonly (readonly [number, number])[];
  readonly pssKib: number | null;
  readonly routes: readonly ProbeRoute[];
  readonly stacks: readonly ProbeStack[];
  /** Method and path as the client wrote it, without query: its route. */
  readonly paths: Readonly<Record<string, string>>;
  /** The keys of `paths` in the order of their numbers in the slots (python/keelback/probe_slots.py), the first is 1. */
  readonly numbers: readonly string[];
}

/** Where a route spends its time. */
export interface Spot {
  readonly kind: StackKind;
  /** Of each request, on average. */
  readonly ms: number;
  /** The app's line, or the innermost one where none is the app's. */
  readonly at: Frame;
  /** `at` is the app's. */
  readonly own: boolean;
  /** The innermost frame, where it is another one. */
  readonly within: Frame | null;
  readonly stack: readonly Frame[];
}

/** What one request of a route costs, on average unless it says otherwise. */
export interface RouteFacts {
  readonly route: string;
  readonly count: number;
  /** Statuses of 500 and above, and calls that raised. */
  readonly failed: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly wall: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
  /** In Python on a core. */
  readonly cpu: number;
  /** Ready to run, without a core: the machine was busy. */
  readonly core: number;
  /** The rest: I/O, locks, sleeping, and the GIL where it is not known apart. */
  readonly wait: number;
  /** Estimated from samples; left out where it cannot be known. */
  readonly gil?: number;
  /**
   * For an event loop: how long it is held, how long of that nothing is computed, the longest stretch, and the share of calls that held
   * it for 5 ms at a time.
   */
  readonly held: number;
  readonly blocked: number;
  readonly longest: number;
  readonly blockingShare: number;
  /** The share of calls that used threads beside the event loop, the time there, and until a thread was free. */
  readonly poolShare: number;
  readonly pool: number;
  readonly poolWait: number;
  /** Waiting for a worker, as the server measured it. */
  readonly queue: number;
  readonly queueP99: number;
  readonly bytes: number;
  readonly queries: number;
  readonly queriesMax: number;
  readonly query: number;
  readonly repeated: Repeated | null;
  /** Resident memory; left out where too few requests ran alone. */
  readonly growthKibPer1000?: number;
  readonly spots: readonly Spot[];
}

export interface MemoryFacts {
  /** Of one worker, at the end. */
  readonly pssMib: number | null;
  readonly residentMib: number;
  readonly growthKibPer1000: number;
  /** How much of the change the slope explains, 0 to 1. */
  readonly fit: number;
  /** Requests that the slope is of. */
  readonly requests: number;
}

/** Settings that matter to advice, as they were in the audit. */
export interface Current {
  readonly app: string;
  readonly interface: "wsgi" | "asgi";
  readonly kind: "threads" | "sync" | "asyncio";
  readonly workers: number;
  readonly threads: number;
  readonly timeoutMs: number;
  readonly maxRequests: number;
  /** The same project's WSGI app, where one was found beside an ASGI app. */
  readonly wsgiTwin: string | null;
}

export interface Facts {
  readonly found: string;
  readonly python: string;
  readonly freeThreaded: boolean;
  readonly cores: number;
  readonly memoryMib: number;
  readonly seconds: number;
  readonly requests: number;
  readonly perSecond: number;
  /** Requests a second of the recorded log's busiest minute; null: no log with times. */
  readonly peakPerSecond: number | null;
  /** As much was asked for as could be answered: requests wait for a worker by the nature of that. */
  readonly saturated: boolean;
  /** Requests that one worker had at once, at most. */
  readonly activeMax: number;
  readonly poolMax: number;
  /** P99 of how late the event loop got to what was ready. */
  readonly lagP99: number | null;
  /** Cores that all workers kept busy. */
  readonly coresBusy: number;
  readonly current: Current;
  readonly routes: readonly RouteFacts[];
  readonly memory: MemoryFacts | null;
}

export interface Finding {
  readonly route: string | null;
  readonly severity: "high" | "medium" | "low";
  /** What was measured, with its place: `GET /report blocks the event loop 48 ms in time.sleep(0.048) at app.py:31`. */
  readonly text: string;
  readonly remedy: string;
  /** Milliseconds of all requests together that are at stake: the order of the list. */
  readonly cost: number;
}

export type Settings = Readonly<Record<string, string>>;

/** One setting: what it is, what it should be (the same: keep it), and why. */
export interface Recommendation {
  /** By its name in the file. */
  readonly setting: string;
  readonly current: string;
  readonly recommended: string;
  /** The measured figures it rests on. */
  readonly because: string;
  /** What the change would do; empty where nothing changes. */
  readonly effect: string;
}

/** One side of the A/B run. */
export interface Side {
  readonly name: "current" | "recommended";
  readonly settings: Settings;
  readonly requestsPerSecond: readonly number[];
  readonly p50: readonly number[];
  readonly p99: readonly number[];
  readonly errors: number;
  readonly memoryMib: number | null;
}

export interface Verification {
  readonly rounds: number;
  /** Requests a second at which latencies were taken. */
  readonly rate: number;
  readonly sides: readonly [Side, Side];
  /** In words, for a person. */
  readonly verdict: string;
}

export interface AuditReport {
  readonly schema: 1;
  readonly tool: { readonly name: "keelback"; readonly version: string };
  readonly date: string;
  readonly command: string;
  /** What was sent, or `live`. */
  readonly traffic: string;
  readonly facts: Facts;
  readonly findings: readonly Finding[];
  readonly recommendations: readonly Recommendation[];
  readonly verification?: Verification;
  /** What the reader must know: requests that were left out, what could not be measured. */
  readonly notes: readonly string[];
}
