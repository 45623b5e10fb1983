/** A whole comparison: for each scenario a first look at every server, then rounds in turns. What was measured is kept, however it ends. */
import type { Contender } from "./contender.ts";
import type { LoadRequest } from "./load/http-load.ts";
import type { Lab, Look, Measured, Trial } from "./measure.ts";
import { look, measure } from "./measure.ts";
import type { Pace } from "./plan.ts";
import { commonRate, LOOK_SECONDS, roundSeconds } from "./plan.ts";
import type { Progress } from "./progress.ts";
import type { Reference } from "./probe.ts";
import { referenceOf } from "./probe.ts";
import type { Scenario } from "./scenarios.ts";
import { digits } from "./report/numbers.ts";
import { knee } from "./statistics.ts";
import type { Round, Row, ScenarioResult, Setup, SweepPoint } from "./types.ts";

export interface Entry {
  readonly scenario: Scenario;
  readonly setup: Setup;
  readonly contenders: readonly Contender[];
  /** Made of what the app answered; left out where nothing can be the ceiling. */
  readonly ceiling?: ((answers: Look["said"]) => Contender | null) | undefined;
}

export interface RunOptions {
  readonly pace: Pace;
  readonly lab: Lab;
  readonly progress: Progress;
  /** Milliseconds of the monotonic clock; no round begins that would end after it. */
  readonly deadline?: number | undefined;
  /** Of every open loop, where the user names one. */
  readonly rate?: number | undefined;
}

export interface Outcome {
  readonly scenarios: readonly ScenarioResult[];
  readonly partial: boolean;
  readonly notes: readonly string[];
}

/** A row while it is being measured. */
interface Draft {
  readonly contender: Contender;
  command: string;
  load: string;
  failure: string | undefined;
  closes: boolean;
  /** It answered otherwise than the others at the first look. */
  flagged: boolean;
  rounds: Round[];
  points: Map<number, Round[]>;
  warnings: Map<string, number>;
}

export async function run(entries: readonly Entry[], options: RunOptions): Promise<Outcome> {
  const scenarios: ScenarioResult[] = [];
  const notes: string[] = [];
  let partial = false;
  for (const entry of entries) {
    if (isOver(options, 0)) {
      partial = true;
      break;
    }
    const course = new Course(entry, options);
    partial = !(await course.run()) || partial;
    scenarios.push(course.result());
    for (const note of course.notes) if (!notes.includes(note)) notes.push(note);
  }
  return { scenarios, partial, notes };
}

function isOver({ lab, deadline }: RunOptions, seconds: number): boolean {
  if (lab.signal?.aborted === true) return true;
  return deadline !== undefined && performance.now() + seconds * 1000 > deadline;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** One scenario. */
class Course {
  readonly notes: string[] = [];
  readonly #entry: Entry;
  readonly #options: RunOptions;
  readonly #drafts: Draft[];
  #requests: readonly LoadRequest[] = [];
  #openRate = 0;

  constructor(entry: Entry, options: RunOptions) {
    this.#entry = entry;
    this.#options = options;
    this.#drafts = entry.contenders.map((contender) => draftOf(contender));
  }

  /** False: it was ended before it was through. */
  async run(): Promise<boolean> {
    const looks = await this.#lookAtAll();
    if (looks === null) return false;
    this.#settle(looks);
    await this.#addCeiling(looks);
    this.#noteKinds();
    const { pace, progress } = this.#options;
    const { scenario } = this.#entry;
    const seconds = roundSeconds(scenario, pace.seconds);
    for (let round = 1; round <= pace.rounds; round += 1) {
      for (const draft of this.#drafts) {
        if (draft.failure !== undefined) continue;
        if (isOver(this.#options, round === 1 ? 0 : seconds)) return false;
        const where = `${scenario.name}, round ${round} of ${pace.rounds}`;
        progress.begin(`${draft.contender.name} (${where})`, seconds);
        if (!(await this.#round(draft))) return false;
      }
    }
    return true;
  }

  /** What is true of several rows is said once. */
  #noteKinds(): void {
    const closing = this.#drafts.filter(({ closes }) => closes).map(nameOf);
    if (closing.length > 0) {
      const text = `${listed(closing)}: a new connection for each request, as the server closes them`;
      this.notes.push(text);
    }
    const labels = new Set(this.#drafts.map(({ contender }) => contender.label ?? ""));
    for (const label of labels) {
      const those = this.#drafts.filter(({ contender }) => contender.label === label).map(nameOf);
      if (label !== "") this.notes.push(`${label}: ${listed(those)}`);
    }
    const { load, name } = this.#entry.scenario;
    if (load.kind === "http" && load.count !== undefined) {
      this.notes.push(`${name}: latencies are of the closed loop, from when a request was sent`);
    }
  }

  async #lookAtAll(): Promise<Map<Draft, Look> | null> {
    const { lab, progress } = this.#options;
    const { scenario, setup } = this.#entry;
    const looks = new Map<Draft, Look>();
    for (const draft of this.#drafts) {
      const { contender } = draft;
      const refused = contender.failure ?? contender.refuses(setup, isWebSocket(scenario));
      draft.failure = refused ?? undefined;
      if (draft.failure !== undefined) continue;
      if (isOver(this.#options, 0)) return null;
      progress.begin(`${contender.name} (${scenario.name}, first look)`, LOOK_SECONDS);
      try {
        const seen = await look({ contender, scenario, setup }, lab);
        looks.set(draft, seen);
        draft.command = seen.command;
        draft.closes = !seen.keepsAlive;
      } catch (error) {
        if (lab.signal?.aborted === true) return null;
        draft.failure = reason(error);
        progress.say(`${contender.name}: ${firstLine(draft.failure)}`);
      }
    }
    return looks;
  }

  /** What is right, and how fast requests come. */
  #settle(looks: ReadonlyMap<Draft, Look>): void {
    const { scenario } = this.#entry;
    const { load } = scenario;
    const rates = [...looks]
      .filter(([{ contender }]) => contender.kind === "server")
      .map(([, { rate }]) => rate);
    const fixed = this.#options.rate ?? (load.kind === "http" ? load.rate : WEBSOCKET_RATE);
    this.#openRate =
      fixed ?? commonRate(rates.length > 0 ? rates : [...looks.values()].map((one) => one.rate));
    if (load.kind !== "http") return;
    this.#requests = load.requests.map((request, index) => {
      const said = [...looks].flatMap(([{ contender }, seen]) => {
        const answers = seen.said[index];
        return answers === undefined ? [] : [{ server: contender.name, answers }];
      });
      const reference = referenceOf(request, said);
      const name = `${request.method} ${request.path}`;
      for (const draft of looks.keys()) {
        const wrong = reference.wrong.get(draft.contender.name);
        if (wrong === undefined) continue;
        draft.flagged = true;
        warn(draft, `${name}: ${wrong}`);
      }
      this.#noteReference(name, reference, said.length);
      return { ...request, check: reference.check };
    });
  }

  #noteReference(name: string, { check, compared }: Reference, servers: number): void {
    const { scenario } = this.#entry;
    const where = scenario.own ? "" : `${name}: `;
    if (check.status !== undefined && check.status >= 400) {
      this.notes.push(
        `${where}the app answers with status ${check.status}: an error page is compared`,
      );
    }
    if (servers < 2 || compared === "in full" || scenario.own) return;
    const why =
      compared === "without numbers"
        ? "numbers in it differ"
        : "they differ each time, or from server to server";
    this.notes.push(`${where}bodies are compared ${compared}: ${why}`);
  }

  async #addCeiling(looks: ReadonlyMap<Draft, Look>): Promise<void> {
    const { ceiling, setup, scenario } = this.#entry;
    const { lab, progress } = this.#options;
    const right = [...looks].find(([{ flagged }]) => !flagged);
    if (ceiling === undefined || right === undefined || isOver(this.#options, 0)) return;
    const contender = ceiling(right[1].said);
    if (contender === null || contender.refuses(setup, isWebSocket(scenario)) !== null) return;
    const draft = draftOf(contender);
    progress.begin(`${contender.name} (${scenario.name}, first look)`, LOOK_SECONDS);
    try {
      const seen = await look({ contender, scenario, setup }, lab);
      draft.command = seen.command;
      draft.closes = !seen.keepsAlive;
    } catch (error) {
      draft.failure = reason(error);
    }
    this.#drafts.push(draft);
  }

  /** False: it was interrupted. */
  async #round(draft: Draft): Promise<boolean> {
    const { lab, pace, progress } = this.#options;
    const { scenario, setup } = this.#entry;
    const { contender, closes } = draft;
    const trial: Trial = {
      ...{ contender, setup, scenario, requests: this.#requests, closes },
      ...{ seconds: pace.seconds, openRate: this.#openRate, flagged: draft.flagged },
    };
    try {
      const { sweepOf } = scenario;
      if (sweepOf === "workers" || sweepOf === "threads") await this.#sweep(draft, trial, sweepOf);
      else {
        const measured = await measure(trial, lab);
        this.#keep(draft, measured);
        for (const { value, rounds } of measured.points) addPoint(draft, value, rounds);
      }
      progress.done(`${contender.name}: ${brief(draft.rounds.at(-1), scenario.ranked)}`);
    } catch (error) {
      if (lab.signal?.aborted === true) return false;
      const failure = reason(error);
      progress.say(`${contender.name}: ${firstLine(failure)}`);
      if (draft.rounds.length === 0) draft.failure = failure;
      else warn(draft, `a round failed: ${failure}`);
    }
    return true;
  }

  #keep(draft: Draft, { round, command, load, warnings }: Measured): void {
    draft.rounds.push(round);
    draft.command = command;
    draft.load = load;
    for (const warning of warnings) warn(draft, warning);
  }

  /** Each number is a start of its own; the best of them stands for the round. */
  async #sweep(draft: Draft, trial: Trial, of: "workers" | "threads"): Promise<void> {
    const { lab } = this.#options;
    let best: Measured | null = null;
    for (const value of trial.scenario.values ?? []) {
      if (lab.signal?.aborted === true) return;
      const measured = await this.#point(draft, {
        ...trial,
        setup: { ...trial.setup, [of]: value },
      });
      if (measured === null) continue;
      addPoint(draft, value, [measured.round]);
      const rate = best?.round.requestsPerSecond ?? -1;
      if ((measured.round.requestsPerSecond ?? 0) > rate) best = measured;
    }
    if (best !== null) this.#keep(draft, best);
  }

  /** One that fails leaves a gap in the sweep, and says why. */
  async #point(draft: Draft, trial: Trial): Promise<Measured | null> {
    const { lab } = this.#options;
    try {
      return await measure(trial, lab);
    } catch (error) {
      if (lab.signal?.aborted === true) throw error;
      const { workers, threads } = trial.setup;
      const where = `${workers} workers${threads === undefined ? "" : `, ${threads} threads`}`;
      warn(draft, `${where}: ${reason(error)}`);
      return null;
    }
  }

  result(): ScenarioResult {
    const { scenario, setup } = this.#entry;
    const { name, title, about, ranked, sweepOf, load } = scenario;
    return {
      ...{ name, title, about, ranked, setup, connections: load.connections },
      ...(sweepOf === undefined ? {} : { sweepOf }),
      rows: this.#drafts.map((draft) => this.#row(draft)),
    };
  }

  #row(draft: Draft): Row {
    const { setup } = this.#entry;
    const { contender, command, load, failure, rounds } = draft;
    const { workers, threads, note } = contender.resources(setup);
    const warnings = [...draft.warnings.keys()];
    if (note !== undefined) warnings.push(note);
    const wrong = rounds.reduce((sum, { errors }) => sum + errors.body, 0);
    const requests = rounds.reduce((sum, round) => sum + round.requests, 0);
    if (wrong > 0) warnings.push(`${wrong} of ${requests} answers had a wrong body`);
    const points = [...draft.points].map(([value, all]): SweepPoint => ({ value, rounds: all }));
    const bend = knee(points.map(({ value, rounds: all }) => ({ value, figure: middle(all) })));
    return {
      ...{ server: contender.name, kind: contender.kind, version: contender.version },
      ...{ command, load, workers, rounds, warnings },
      ...(threads === undefined ? {} : { threads }),
      ...(points.length === 0 ? {} : { sweep: points }),
      ...(points.length === 0 || bend === undefined ? {} : { knee: bend }),
      ...(failure === undefined ? {} : { failure }),
    };
  }
}

/** Messages a second, of all connections together. */
const WEBSOCKET_RATE = 1000;

function draftOf(contender: Contender): Draft {
  return {
    ...{ contender, command: "", load: "", failure: undefined, closes: false, flagged: false },
    ...{ rounds: [], points: new Map(), warnings: new Map() },
  };
}

function nameOf({ contender }: Draft): string {
  return contender.name;
}

function listed(names: readonly string[]): string {
  return names.join(", ");
}

function isWebSocket({ load }: Scenario): boolean {
  return load.kind === "websocket";
}

function warn(draft: Draft, warning: string): void {
  draft.warnings.set(warning, (draft.warnings.get(warning) ?? 0) + 1);
}

function addPoint(draft: Draft, value: number, rounds: readonly Round[]): void {
  draft.points.set(value, [...(draft.points.get(value) ?? []), ...rounds]);
}

function middle(rounds: readonly Round[]): number {
  const rates = rounds.map(({ requestsPerSecond = Number.NaN }) => requestsPerSecond);
  return rates.sort((a, b) => a - b)[rates.length >> 1] ?? Number.NaN;
}

/** The figure that ranks, or all that have names, in a few words. */
function brief(round: Round | undefined, ranked: Scenario["ranked"]): string {
  if (round === undefined) return "nothing measured";
  if (round.figures !== undefined) {
    const all = Object.values(round.figures);
    const said = (value: number): string => (Number.isInteger(value) ? `${value}` : digits(value));
    return all.map(({ label, value, unit }) => `${label} ${said(value)} ${unit}`).join(", ");
  }
  switch (ranked) {
    case "requestsPerSecond":
      return `${Math.round(round[ranked] ?? Number.NaN)} requests/s`;
    case "throughput":
      return `${Math.round(round[ranked] ?? Number.NaN)} MiB/s`;
    case "messagesPerSecond":
      return `${Math.round(round[ranked] ?? Number.NaN)} messages/s`;
    default:
      return `P99 ${round.latency?.p99 ?? Number.NaN} ms`;
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
