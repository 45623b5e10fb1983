/** What a run says at its end: requests by kind, what went wrong in words, and a soak as Markdown. */
import { bytesOf, descriptorsOf } from "./footprint.ts";
import { type Failure, type Ledger, percentile } from "./ledger.ts";
import { shapeText } from "./shape.ts";
import type { SoakReport } from "./soak.ts";

const MIB = 1024 * 1024;
const BROKEN_SHOWN = 20;

export interface Row {
  readonly ok: number;
  readonly excused: number;
  readonly failed: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export type Rows = Readonly<Record<string, Row>>;

/** What was done, how often, and what the machine did of itself. */
export function faultsOf(
  faults: Readonly<Record<string, number>>,
  { stalls }: Ledger,
): Readonly<Record<string, number>> {
  return stalls === 0 ? faults : { ...faults, "the machine stood still": stalls };
}

export function rowsOf(ledger: Ledger): Rows {
  const rows = [...ledger.tallies].map(([kind, { ok, excused, failed, times }]) => {
    const p50 = percentile(times, 0.5);
    return [kind, { ok, excused, failed, p50, p99: percentile(times, 0.99) }] as const;
  });
  return Object.fromEntries(rows);
}

export function failureText({ kind, id, fate, detail, startedAt, endedAt }: Failure): string {
  const from = (startedAt / 1000).toFixed(3);
  return `${kind} ${id}: ${fate}, from ${from} s for ${Math.round(endedAt - startedAt)} ms ${detail}`;
}

/** `lines`: the app notes each unsafe request before it does anything. */
export function runTwice(lines: readonly string[]): string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const line of lines) (seen.has(line) ? twice : seen).add(line);
  return [...twice].map((line) => `${line} was run twice`);
}

export function table(rows: Rows): string {
  const lines = Object.entries(rows).map(([kind, row]) => {
    const numbers = [row.ok, row.excused, row.failed].map((n) => String(n).padStart(8));
    const times = [row.p50, row.p99].map((ms) => ms.toFixed(1).padStart(9));
    return `${kind.padEnd(14)}${[...numbers, ...times].join("")}`;
  });
  return `                  ok excused  failed   P50 ms   P99 ms\n${lines.join("\n")}`;
}

interface Done {
  readonly faults: Readonly<Record<string, number>>;
  readonly recoverySeconds: Readonly<Record<string, number>>;
}

export function faultsText({ faults, recoverySeconds }: Done): string {
  const parts = Object.entries(faults).map(([name, count]) => {
    const seconds = recoverySeconds[name];
    return `${count} x ${name}${seconds === undefined ? "" : ` (recovered in ${seconds} s)`}`;
  });
  return parts.join(", ");
}

export function slopesText({ slopes }: SoakReport): string {
  const texts = Object.entries(slopes).map(
    ([role, slope]) => `${role} ${slope === null ? "-" : slope.toFixed(2)}`,
  );
  return `MiB an hour after the warm-up: ${texts.join(", ")}`;
}

export function soakMarkdown(
  report: SoakReport,
  machine: Readonly<Record<string, string>>,
): string {
  const { seconds, warmUpSeconds, scale, seed, shape, traffic, rests, broken } = report;
  const { cpu, cores, memory, system, commit, date } = machine;
  const requests = Object.entries(traffic).map(([kind, { ok, excused, failed, p50, p99 }]) => {
    return `| ${[kind, ok, excused, failed, p50.toFixed(1), p99.toFixed(1)].join(" | ")} |`;
  });
  const memoryRows = rests.map((sample) => {
    const mib = (["supervisor", "edge", "zygote", "worker"] as const).map((role) =>
      (bytesOf(sample, role) / MIB).toFixed(1),
    );
    const sum = (bytesOf(sample) / MIB).toFixed(1);
    return `| ${[Math.round(sample.seconds), ...mib, sum, descriptorsOf(sample)].join(" | ")} |`;
  });
  return [
    `# A soak of ${Math.round(seconds / 60)} minutes, ${date}`,
    "",
    `\`make soak\`, seed ${seed} (${shapeText(shape)}), ${scale} of the rates of tests/chaos/traffic.ts, the first ${warmUpSeconds} s are warm-up.`,
    `Commit ${commit}. ${cpu}, ${cores} cores, ${memory}, ${system}; other work ran on the machine.`,
    "",
    `Done to the server: ${faultsText(report)}.`,
    "",
    `${slopesText(report)} (bar: all of it at most 1; samples at rest, Theil-Sen; supervisor and edges each compared with themselves alone).`,
    report.asIs
      ? "Garbage was left to the runtime, so that memory swings by when it collects."
      : "Edges and supervisors collected their garbage every 5 s: this is what lives (tests/chaos/collect.ts).",
    "",
    broken.length === 0 ? "Nothing was broken." : `Broken (${broken.length}):`,
    ...broken.slice(0, BROKEN_SHOWN).map((line) => `- ${line}`),
    "",
    "| requests and connections | ok | excused | failed | P50, ms | P99, ms |",
    "| --- | --: | --: | --: | --: | --: |",
    ...requests,
    "",
    "At rest, right after a reload (the last line: after an upgrade): memory in MiB (PSS without pages of files, which change with whatever",
    "else runs on the machine), and the descriptors of each process.",
    "",
    "| s | supervisor | edges | zygote | workers | all | descriptors |",
    "| --: | --: | --: | --: | --: | --: | --- |",
    ...memoryRows,
    "",
  ].join("\n");
}
