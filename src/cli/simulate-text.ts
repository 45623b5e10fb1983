/** What `keelback simulate` shows to a person. Pure. */
import { timeText } from "../simulate/distribution.ts";
import type { Outcome, Plan } from "../simulate/simulate.ts";

export const SIMULATE_HELP = `keelback simulate --rate N --service TIME [options]

  What clients would see: throughput and latency of so many workers on so many cores and
  nodes, by simulation. Keelback's own dispatch is simulated, and beside it servers whose
  workers accept for themselves, so that a connection stays with its worker.

  What a request costs
  --service TIME        5ms, exp:MEAN, uniform:FROM:TO or lognormal:P50:P99
                        (lognormal:5ms:50ms)
  --cpu PERCENT         share of it that computes; the rest waits for I/O (100)
  --route "KEY=VALUE.." one route of several: service=TIME, and cpu=, weight=, name=,
                        blocking (what waits blocks the event loop)
  --from FILE           measured: the JSON of keelback audit or compare, an access log
                        (--access-log-format json), or a number of milliseconds a line

  What there is; several values (--workers 2,4,8) give a row each
  --rate N              requests a second, of all nodes
  --nodes N             machines behind a load balancer (1)
  --cores N             of each (this machine's)
  --workers N           of each (as many as cores)
  --threads N           of a WSGI worker (16)
  --interface KIND      wsgi or asgi (wsgi)
  --server NAME         keelback; loop (as uvicorn), gthread or sync (as gunicorn); all of
                        them, by default

  How requests come
  --connections N       kept ones, of all nodes; 0: each request on its own (100)
  --fresh PERCENT       of the requests on new connections (0)
  --arrivals KIND       poisson, or even (poisson)
  --balance KIND        over nodes: round-robin, random or least (round-robin)

  --p99 TIME            marks the rows that keep to it, and names the smallest
  --seconds N           simulated (as many as give 50000 requests, 20 at least)
  --seed N              another seed shows how much is chance (1)
  --json                for programs
`;

export interface Row {
  readonly plan: Plan;
  readonly outcome: Outcome;
  /** Keeps to --p99; null: nothing was asked. */
  readonly met: boolean | null;
}

const NAMES: Readonly<Record<string, string>> = {
  keelback: "keelback",
  loop: "pinned, event loop",
  gthread: "pinned, threads",
  sync: "one at a time",
};

interface Column {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Shown although all rows have the same. */
  readonly always?: true;
}

const COLUMNS: readonly Column[] = [
  { title: "server", cell: ({ plan }) => NAMES[plan.model] ?? plan.model, always: true },
  { title: "nodes", cell: ({ plan }) => `${plan.nodes}` },
  { title: "cores", cell: ({ plan }) => `${plan.cores}` },
  { title: "workers", cell: ({ plan }) => `${plan.workers}` },
  { title: "threads", cell: ({ plan }) => `${plan.threads}` },
  { title: "rate", cell: ({ plan }) => `${plan.rate}` },
  { title: "answered/s", cell: ({ outcome }) => brief(outcome.throughput), always: true },
  { title: "P50", cell: ({ outcome }) => time(outcome.p50), always: true },
  { title: "P90", cell: ({ outcome }) => time(outcome.p90), always: true },
  { title: "P99", cell: ({ outcome }) => time(outcome.p99), always: true },
  {
    title: "P99 by chance",
    cell: ({ outcome }) => outcome.p99Spread.map(time).join(" to "),
    always: true,
  },
  { title: "P99.9", cell: ({ outcome }) => time(outcome.p999), always: true },
  { title: "cores busy", cell: ({ outcome }) => percent(outcome.coresBusy), always: true },
  { title: "workers busy", cell: ({ outcome }) => percent(outcome.workersBusy), always: true },
  { title: "refused", cell: ({ outcome }) => `${outcome.refused}` },
  { title: "", cell: remark },
];

function remark({ outcome, met }: Row): string {
  if (outcome.saturated) return "too much";
  return met === null ? "" : met ? "met" : "missed";
}

/** The table; what all rows have in common is said above it. */
export function renderTable(rows: readonly Row[]): string {
  const shown = COLUMNS.filter(({ cell, always }) => {
    const cells = new Set(rows.map(cell));
    return always === true || cells.size > 1 || (rows.length === 1 && ![...cells].every(isNothing));
  });
  const lines = [
    shown.map(({ title }) => title),
    ...rows.map((row) => shown.map((c) => c.cell(row))),
  ];
  const widths = shown.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  const text = lines.map((line) =>
    line
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join("  ")
      .trimEnd(),
  );
  return `${text.join("\n")}\n`;
}

function isNothing(cell: string): boolean {
  return cell === "" || cell === "0";
}

/** The setting that all rows share. */
export function renderHead({ plan }: Row, notes: readonly string[]): string {
  const { workload, interface: kind, connections, fresh, arrivals, seconds } = plan;
  const cpu = workload.meanCpuMs / workload.meanMs;
  const costs = `a request takes ${time(workload.meanMs)} on average, ${percent(cpu)} of it on a core`;
  const over =
    connections === 0
      ? "each on a connection of its own"
      : `over ${connections} kept connections${fresh > 0 ? `, ${percent(fresh)} on new ones` : ""}`;
  const lines = [
    `${kind.toUpperCase()}: ${costs}`,
    `${arrivals} arrivals ${over}; ${brief(seconds)} s simulated, seed ${plan.seed}`,
    ...notes,
  ];
  return `${lines.join("\n")}\n\n`;
}

/** The smallest that keeps to the limit: fewest nodes, then fewest workers, then fewest threads. */
export function renderVerdict(rows: readonly Row[], limitMs: number): string {
  const size = ({ plan }: Row): number =>
    plan.nodes * 1e6 + plan.workers * 1e3 + plan.threads + plan.cores / 1e3;
  const rates = [...new Set(rows.map(({ plan }) => plan.rate))];
  const lines = rates.map((rate) => {
    const fit = rows.filter(({ plan, met }) => plan.rate === rate && met === true);
    const best = fit.sort((a, b) => size(a) - size(b))[0];
    const what = `P99 of ${time(limitMs)} at ${rate} requests a second`;
    if (best === undefined) return `${what}: no row keeps to it`;
    const { nodes, workers, cores, model } = best.plan;
    return `${what}: ${nodes} x ${workers} workers on ${cores} cores suffice (${NAMES[model]})`;
  });
  return `\n${lines.join("\n")}\n`;
}

function time(ms: number): string {
  return Number.isFinite(ms) ? timeText(ms).replace(/(\D+)$/, " $1") : "-";
}

function brief(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
