/**
 * What `keelback compare` speaks of: how a server is to run, what is asked of it, what was measured, and how a report looks as JSON.
 * A report is plain data: what shows it (table, Markdown, page) and what compares it with an older one need nothing else.
 */

export type Interface = "wsgi" | "asgi" | "rsgi";

/** `tls`: HTTP/1.1 over TLS; `h2` and `h3` are over TLS too. */
export type Protocol = "h1" | "tls" | "h2" | "h3";

/** How every server of a scenario is to run: equal resources for all. */
export interface Setup {
  readonly interface: Interface;
  /** `module:attribute`, importable from `directory`. */
  readonly app: string;
  /** The app's directory: where servers are started. */
  readonly directory: string;
  /** Interpreter of the app's environment. */
  readonly python: string;
  readonly workers: number;
  /** Threads a WSGI worker may use; left out, each server's own default. */
  readonly threads?: number;
  /** Left out: HTTP/1.1 over plain TCP. */
  readonly protocol?: Protocol;
  /** Where the server writes its process number, if it can. */
  readonly pidFile?: string;
  /** After which the server gives up a request or a worker, if it can. */
  readonly timeoutSeconds?: number;
  /** `equal`: the same workers (and threads) for all; `recommended`: what each server's own documentation advises. */
  readonly mode: "equal" | "recommended";
}

/** One request of a scenario; with several, `weight` says how often each is chosen. */
export interface RequestSpec {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64 when `bodyBase64`, else text; left out: none. */
  readonly body?: string;
  readonly bodyBase64?: boolean;
  readonly weight: number;
  /** What a right answer has. Left out: what the first server said to a probe (the reference), compared with all. */
  readonly expect?: { readonly status?: number; readonly body?: string };
}

/** How one row's load was made, for the reader. */
export interface LoadTool {
  /** `wrk`, `oha`, `hey`, `h2load`, `autocannon` or `keelback` (the built-in open-loop generator). */
  readonly name: string;
  readonly version: string;
}

/** Milliseconds, counted from when a request was due (open loop) or sent (closed loop). */
export interface Latency {
  readonly mean: number;
  /** Centre of the fullest bucket of `histogram`. */
  readonly mode: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly worst: number;
}

/** Counts of latencies: bucket i covers [bounds[i], bounds[i + 1]) milliseconds; logarithmic. */
export interface Histogram {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

/** What went wrong, by kind; all of them are in the error rate. */
export interface ErrorCounts {
  /** Refused or reset connections, and those that ended in the middle of an answer. */
  readonly connection: number;
  readonly timeout: number;
  /** Status 400 and above (or another than expected). */
  readonly status: number;
  /** The right status with a wrong body. */
  readonly body: number;
}

/** A figure that only some scenarios have, with all that a table needs. */
export interface NamedFigure {
  readonly label: string;
  readonly unit: string;
  readonly better: "more" | "less";
  readonly value: number;
}

/** One round of one server in one scenario. Figures that a kind of scenario does not have are left out. */
export interface Round {
  readonly requestsPerSecond?: number;
  /** Of the open loop at `openRate` requests a second: what every latency column shows. */
  readonly latency?: Latency;
  readonly histogram?: Histogram;
  readonly openRate?: number;
  /** P50 and P99 of each second (or shorter slice) of the open loop: latency over time. */
  readonly timeline?: readonly {
    readonly second: number;
    readonly p50: number;
    readonly p99: number;
  }[];
  readonly requests: number;
  readonly errors: ErrorCounts;
  /** CPU seconds of the server's whole process tree for 1000 requests. */
  readonly cpuPer1000?: number;
  /** PSS of the whole process tree, MiB. */
  readonly memoryIdle?: number;
  readonly memoryLoaded?: number;
  /** Share of one worker process (total over workers when they cannot be told apart), MiB. */
  readonly memoryPerWorker?: number;
  /** From exec to the first right answer, milliseconds. */
  readonly startupMs?: number;
  /** MiB a second, of transfers. */
  readonly throughput?: number;
  /** WebSocket messages a second. */
  readonly messagesPerSecond?: number;
  /** What the scenario measures besides, or instead. */
  readonly figures?: Readonly<Record<string, NamedFigure>>;
}

/** One point of a sweep: the same row at another number of connections, workers or threads. */
export interface SweepPoint {
  readonly value: number;
  readonly rounds: readonly Round[];
}

export interface Row {
  /** Unique in its scenario: `gunicorn gthread`, `threading (pool)`. */
  readonly server: string;
  /** `server`, `baseline` (a teaching design of our own), `ceiling` (nginx with a static file). */
  readonly kind: "server" | "baseline" | "ceiling";
  readonly version: string;
  /** Exactly what was run, so that anyone can repeat it; the port replaced by PORT. */
  readonly command: string;
  /** The load generator's command line, or a description. */
  readonly load: string;
  readonly workers: number;
  readonly threads?: number;
  readonly rounds: readonly Round[];
  readonly sweep?: readonly SweepPoint[];
  /** Where the sweep's throughput stops growing. */
  readonly knee?: number;
  /** Why there are no figures: not installed, failed to install, cannot do that protocol, does not start (its last words). */
  readonly failure?: string;
  /** Things the reader must know: `answers 12 of 10000 requests with another body`. */
  readonly warnings: readonly string[];
}

/** What a server had to reach, and whether it did. */
export interface Bar {
  readonly bar: string;
  readonly measured: string;
  readonly met: boolean;
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  /** One sentence: what it shows and why it matters. */
  readonly about: string;
  /** The column that ranks it. */
  readonly ranked:
    | "requestsPerSecond"
    | "p99"
    | "throughput"
    | "messagesPerSecond"
    /** One of the rounds' named figures. */
    | `figures.${string}`;
  readonly sweepOf?: "connections" | "workers" | "threads";
  readonly setup: Setup;
  /** 0: it is not about connections. */
  readonly connections: number;
  readonly rows: readonly Row[];
  readonly bars?: readonly Bar[];
}

export interface Report {
  readonly schema: 1;
  readonly tool: { readonly name: "keelback"; readonly version: string };
  /** ISO 8601. */
  readonly date: string;
  /** What was typed. */
  readonly command: string;
  readonly app: string;
  readonly rounds: number;
  readonly seconds: number;
  /** True when Ctrl-C or the budget ended it early. */
  readonly partial: boolean;
  /** CPU model, cores, memory, kernel, governor, load average before, cores of server and load. */
  readonly machine: Readonly<Record<string, string>>;
  readonly loadTools: readonly LoadTool[];
  /** Honest notes on noise: spread between rounds, shared cores, other load on the machine. */
  readonly notes: readonly string[];
  readonly scenarios: readonly ScenarioResult[];
}
