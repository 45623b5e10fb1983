/**
 * What the harness speaks of: how a server is to run, what was measured, and how a result file looks.
 */

export type Interface = "wsgi" | "asgi";

/** `tls`: HTTP/1.1 over TLS; `h2` and `h3` are over TLS too. */
export type Protocol = "h1" | "tls" | "h2" | "h3";

/** How every server of a scenario is to run: equal resources for all. */
export interface Setup {
  interface: Interface;
  /** `module:attribute` in bench/apps. */
  app: string;
  workers: number;
  /** Threads a WSGI worker may use; left out, each server's own default. */
  threads?: number;
  /** Left out: HTTP/1.1 over plain TCP. */
  protocol?: Protocol;
  /** Where the server writes its process number, if it can. */
  pidFile?: string;
  /** After which the server gives up a request or a worker, if it can. */
  timeoutSeconds?: number;
}

export interface Figure {
  label: string;
  unit: string;
  better: "more" | "less";
  /** One for each round. */
  samples: number[];
}

/** One round of one server: figures by key, and what went wrong. */
export interface Measured {
  figures: Record<string, Omit<Figure, "samples"> & { value: number }>;
  errors: number;
  /** The load generator's command line or description. */
  load: string;
}

export interface Row {
  server: string;
  /** The command line that was run, the port replaced by PORT. */
  command: string;
  load: string;
  figures: Record<string, Figure>;
  errors: number;
  /** Why there are no figures. */
  failure?: string;
}

export interface Verdict {
  bar: string;
  measured: string;
  met: boolean;
}

export interface ScenarioResult {
  name: string;
  title: string;
  rows: Row[];
  verdicts: Verdict[];
}

export interface Report {
  date: string;
  commit: string;
  rounds: number;
  seconds: number;
  machine: Record<string, string>;
  versions: Record<string, string>;
  scenarios: ScenarioResult[];
}
