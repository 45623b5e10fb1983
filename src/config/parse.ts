/**
 * The settings: flags over KEELBACK_* over the file over the platform's variables over defaults.
 * Pure: what it depends on comes in, and either a complete Config or every problem at once comes
 * out. It never throws on any input.
 */
import { resolve } from "node:path";
import type { Assignments, Given } from "./argv.ts";
import { scanArgv } from "./argv.ts";
import type { Bind } from "./bind.ts";
import { HOST_DEFAULT, hostComplaint, PORT_DEFAULT } from "./bind.ts";
import type { Config, OptionRow, Source, SourceKind, Sources, Value } from "./config.ts";
import { ROWS, SETTING_ROWS } from "./config.ts";
import type { Environment } from "./environment.ts";
import { readEnvironment } from "./environment.ts";
import type { ConfigFile } from "./file.ts";
import { readConfigFile } from "./file.ts";
import type { OptionKey } from "./options.ts";
import type { Problem } from "./problem.ts";
import { problem, wrongValue } from "./problem.ts";
import { checkRules } from "./rules.ts";
import type { ReadContext } from "./values.ts";
import { allowedText, defaultText, OFF, readValue } from "./values.ts";

export interface ParseInput {
  /** Without the program's name. */
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly file: ConfigFile | null;
  /** Absolute; relative paths start here. */
  readonly cwd: string;
  /** Cores this process may use: what `auto` is made of. */
  readonly cores: number;
}

export type ParseResult =
  | {
      readonly ok: true;
      readonly config: Config;
      readonly sources: Sources;
      /** Things to tell the person at start: translated names, settings without effect. */
      readonly notes: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const NO_SOURCE: Source = { kind: "default", name: "default" };
const STRENGTH: Readonly<Record<SourceKind, number>> = {
  default: 0,
  platform: 1,
  file: 2,
  variable: 3,
  flag: 4,
};

interface Resolved {
  value: Value;
  source: Source;
}

export function parse(input: ParseInput): ParseResult {
  return new Parser(input).run();
}

class Parser {
  readonly #context: ReadContext;
  readonly #problems: Problem[] = [];
  readonly #notes: string[] = [];
  readonly #layers: readonly Assignments[];
  readonly #resolved = new Map<OptionKey, Resolved>();

  constructor(input: ParseInput) {
    this.#context = { cwd: input.cwd, cores: input.cores };
    const argv = scanArgv(input.argv);
    const environment = readEnvironment(input.env);
    const file = input.file === null ? null : readConfigFile(input.file);
    this.#problems.push(...argv.problems, ...environment.problems, ...(file?.problems ?? []));
    this.#layers = [argv.given, environment.given, file?.given ?? new Map(), environment.platform];
  }

  run(): ParseResult {
    for (const row of ROWS) this.#resolve(row);
    this.#foldHostAndPort();
    this.#placePaths();
    if (this.#problems.length > 0) return { ok: false, problems: this.#problems };
    // Every row of the table has been resolved to a value of its type: that is what readValue does.
    const rows = SETTING_ROWS.map((row) => [row.key, this.#get(row.key)] as const);
    const config = Object.fromEntries(
      rows.map(([key, { value }]) => [key, value]),
    ) as unknown as Config;
    const sources = Object.fromEntries(
      rows.map(([key, { source }]) => [key, source]),
    ) as unknown as Sources;
    const judged = checkRules(config, sources);
    if (judged.problems.length > 0) return { ok: false, problems: judged.problems };
    const notes = [...this.#notes, ...judged.notes];
    return { ok: true, config: judged.config, sources: judged.sources, notes };
  }

  #resolve(row: OptionRow): void {
    // A wrong value is an error also where a stronger source hides it; only the platform's
    // variables, which are not about this server alone, are left unread then.
    let winner: Resolved | null = null;
    for (const layer of this.#layers) {
      const given = layer.get(row.key);
      if (given === undefined || (winner !== null && given.source.kind === "platform")) continue;
      const read = this.#read(row, given);
      if (read === null || winner !== null) continue;
      winner = { value: read.value, source: given.source };
      if (read.note !== undefined) {
        this.#notes.push(`${row.name}: ${read.note} (from ${given.source.name})`);
      }
    }
    this.#resolved.set(row.key, winner ?? this.#default(row));
  }

  #read(row: OptionRow, given: Given): { value: Value; note?: string } | null {
    const read = readValue(row.spec, given.words, this.#context);
    if ("value" in read) return read;
    const secret = row.spec.secret === true;
    const word = secret ? "(secret)" : (read.text ?? given.words.at(-1) ?? "");
    const where = { source: given.source, allowed: allowedText(row.spec) };
    this.#problems.push(wrongValue(row.name, word === OFF ? "false" : word, read.complaint, where));
    return null;
  }

  #default({ spec }: OptionRow): Resolved {
    if (spec.type === "bind") {
      const read = readValue(spec, spec.default, this.#context);
      return { value: "value" in read ? read.value : [], source: NO_SOURCE };
    }
    if (spec.type === "path" && spec.default !== null) {
      return { value: resolve(this.#context.cwd, spec.default), source: NO_SOURCE };
    }
    if (spec.type === "integer" && spec.default === "auto") {
      const name = `default: ${defaultText(spec)}`;
      const value = spec.auto?.value(this.#context.cores) ?? spec.min;
      return { value, source: { kind: "default", name } };
    }
    return { value: spec.default, source: NO_SOURCE };
  }

  #get(key: OptionKey): Resolved {
    return this.#resolved.get(key) ?? { value: null, source: NO_SOURCE };
  }

  /**
   * host and port replace the parts of a bind that came from a weaker source (when that is one TCP
   * address); in one and the same source they exclude each other; a bind from a stronger source
   * wins.
   */
  #foldHostAndPort(): void {
    const host = this.#get("host");
    const port = this.#get("port");
    const bind = this.#get("bind");
    const strength = Math.max(STRENGTH[host.source.kind], STRENGTH[port.source.kind]);
    if (strength === 0 || strength < STRENGTH[bind.source.kind]) return;
    const strongest = STRENGTH[host.source.kind] >= STRENGTH[port.source.kind] ? host : port;
    if (strength === STRENGTH[bind.source.kind]) {
      const text = `is given together with ${strongest === host ? "host" : "port"}`;
      const names = `(${bind.source.name}, ${strongest.source.name})`;
      this.#problems.push(
        problem("bind", `${text} ${names}; allowed: either bind, or host and port`),
      );
      return;
    }
    const binds = bind.value as readonly Bind[];
    const base = binds.length === 1 && binds[0]?.kind === "tcp" ? binds[0] : null;
    const own =
      STRENGTH[host.source.kind] > STRENGTH[bind.source.kind] && typeof host.value === "string";
    const hostText = own ? bareHost(host.value as string) : (base?.host ?? HOST_DEFAULT);
    const complaint = hostText === "" ? "is empty" : hostComplaint(hostText);
    if (complaint !== null) {
      const where = { source: host.source, allowed: "a host name or an IP address" };
      this.#problems.push(wrongValue("host", hostText, complaint, where));
      return;
    }
    const ownPort = STRENGTH[port.source.kind] > STRENGTH[bind.source.kind];
    const number = ownPort ? (port.value as number) : (base?.port ?? PORT_DEFAULT);
    const value: readonly Bind[] = [{ kind: "tcp", host: hostText, port: number }];
    this.#resolved.set("bind", { value, source: strongest.source });
  }

  /** Paths about the app start at its directory, others where the command is started. */
  #placePaths(): void {
    const bases = { app: this.#get("chdir").value as string, current: this.#context.cwd };
    for (const row of ROWS) {
      if (row.spec.type !== "paths") continue;
      const base = bases[row.spec.base];
      const { value, source } = this.#get(row.key);
      const paths = (value as readonly string[]).map((path) => resolve(base, path));
      this.#resolved.set(row.key, { value: paths, source });
    }
  }
}

function bareHost(text: string): string {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  return bare === "*" ? "0.0.0.0" : bare;
}

/**
 * The words of one command option (`config`, `help`, ...), or null when it is not on the command
 * line.
 */
export function commandFlag(argv: readonly string[], key: OptionKey): string | null {
  return scanArgv(argv).given.get(key)?.words.at(-1) ?? null;
}
