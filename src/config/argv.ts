/**
 * The words of the command line, sorted: which option got which words. Pure, and no value is judged
 * here.
 *
 * Accepted: `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, `--flag`, `--no-flag`, `--`
 * (what follows is no flag). A later flag replaces an earlier one, except for repeatable options,
 * where each adds a word.
 */
import type { OptionRow, Source } from "./config.ts";
import { ROWS } from "./config.ts";
import { nearest } from "./names.ts";
import type { OptionKey } from "./options.ts";
import type { Problem } from "./problem.ts";
import { didYouMean, problem, quote } from "./problem.ts";
import { isRepeatable, OFF } from "./values.ts";

/** The words one source gave for an option. */
export interface Given {
  readonly words: readonly string[];
  readonly source: Source;
}
export type Assignments = ReadonlyMap<OptionKey, Given>;

export interface ScannedArgv {
  readonly given: Assignments;
  readonly problems: readonly Problem[];
}

interface Flag {
  readonly row: OptionRow;
  /** `value` needs one, `bare` may have one, `on` and `off` have none. */
  readonly takes: "value" | "bare" | "on" | "off";
  readonly prefix: string;
}

const FLAGS: ReadonlyMap<string, Flag> = new Map(ROWS.flatMap((row) => flagsOf(row)));

function flagsOf(row: OptionRow): [string, Flag][] {
  const { spec } = row;
  const boolean = spec.type === "boolean";
  const flags = row.flags.map((flag): [string, Flag] => {
    // Other servers' names for the same thing always come with a value there.
    const bare = spec.bare !== undefined && !(spec.aliases ?? []).includes(flag);
    return [flag, { row, takes: boolean ? "on" : bare ? "bare" : "value", prefix: "" }];
  });
  for (const [flag, prefix] of Object.entries(spec.prefixed ?? {})) {
    flags.push([flag, { row, takes: "value", prefix }]);
  }
  if ((boolean && spec.scope !== "command") || spec.negatable === true) {
    flags.push([`--no-${row.name}`, { row, takes: "off", prefix: "" }]);
  }
  return flags;
}

export function scanArgv(argv: readonly string[]): ScannedArgv {
  const scanner = new Scanner(argv);
  scanner.run();
  return scanner;
}

class Scanner implements ScannedArgv {
  readonly given: Map<OptionKey, { words: string[]; source: Source }> = new Map();
  readonly problems: Problem[] = [];
  readonly #argv: readonly string[];
  #at = 0;
  #positionals = 0;
  #unknownSeen = false;

  constructor(argv: readonly string[]) {
    this.#argv = argv;
  }

  run(): void {
    let flagsEnded = false;
    while (this.#at < this.#argv.length) {
      const word = this.#argv[this.#at] ?? "";
      this.#at += 1;
      if (flagsEnded || !word.startsWith("-") || word === "-") this.#positional(word);
      else if (word === "--") flagsEnded = true;
      else this.#flag(word);
    }
  }

  #positional(word: string): void {
    const first = this.#positionals === 0;
    this.#positionals += 1;
    if (first && word === "serve") return;
    if (word === "") {
      this.problems.push(
        problem("app", "is empty; allowed: module:attribute, module, or module:factory()"),
      );
      return;
    }
    const before = this.given.get("app");
    if (before === undefined) {
      this.given.set("app", { words: [word], source: { kind: "flag", name: "the command line" } });
      return;
    }
    // The word after an unknown option is most likely that option's value.
    if (this.#unknownSeen) return;
    const both = `${quote(before.words[0] ?? "")} and ${quote(word)}`;
    const text = `one APP is served, but there are ${both}`;
    this.problems.push(problem(null, text));
  }

  #flag(word: string): void {
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    let name = equals === -1 ? word : word.slice(0, equals);
    let value = equals === -1 ? null : word.slice(equals + 1);
    let flag = FLAGS.get(name);
    if (flag === undefined && !word.startsWith("--") && word.length > 2) {
      // -w4; also -w=4, which getopt would read as the value "=4"
      name = word.slice(0, 2);
      value = word.slice(2).replace(/^=/, "");
      flag = FLAGS.get(name);
    }
    if (flag === undefined) {
      this.#unknown(name.startsWith("--") ? name : word);
      return;
    }
    this.#assign(name, flag, value);
  }

  #assign(name: string, flag: Flag, attached: string | null): void {
    const { row } = flag;
    let value: string;
    const valueless = flag.takes === "off" || (flag.takes === "on" && row.spec.scope === "command");
    if (valueless && attached !== null) {
      this.problems.push(problem(row.name, `${name} takes no value, but got ${quote(attached)}`));
      return;
    }
    if (flag.takes === "off") {
      value = row.spec.type === "boolean" ? "false" : OFF;
    } else if (attached !== null) {
      value = attached;
    } else if (flag.takes === "on") {
      value = "true";
    } else if (flag.takes === "bare") {
      value = this.#optionalValue(row) ?? row.spec.bare ?? "";
    } else {
      const next = this.#argv[this.#at];
      if (next === undefined || next.startsWith("--") || FLAGS.has(next)) {
        const meta = row.spec.meta === undefined ? "a value" : `a value (${row.spec.meta})`;
        this.problems.push(problem(row.name, `${name} needs ${meta}`));
        return;
      }
      this.#at += 1;
      value = next;
    }
    this.#store(row, name, flag.prefix + value);
  }

  /** The word after a flag whose value may be left out: taken only when it cannot be the APP. */
  #optionalValue(row: OptionRow): string | null {
    const next = this.#argv[this.#at];
    if (next === undefined) return null;
    const taken =
      row.key === "help"
        ? next === "all" || ROWS.some((other) => other.name === next || other.flags.includes(next))
        : row.spec.type === "duration"
          ? /^-?\d/.test(next)
          : row.spec.type === "choice"
            ? row.spec.choices.includes(next)
            : next === "-" || next.includes("/") || next.endsWith(".log");
    if (!taken) return null;
    this.#at += 1;
    return next;
  }

  #store(row: OptionRow, name: string, value: string): void {
    const before = this.given.get(row.key);
    const words = row.spec.type === "paths" ? splitList(value) : [value];
    if (before !== undefined && isRepeatable(row.spec)) {
      before.words.push(...words);
    } else {
      this.given.set(row.key, { words, source: { kind: "flag", name } });
    }
  }

  #unknown(name: string): void {
    this.#unknownSeen = true;
    const text = `unknown option ${name}${didYouMean(nearest(name, FLAGS.keys()))}`;
    this.problems.push(problem(null, `${text} (keelback --help all shows every option)`));
  }
}

/** The items of a list that is written as one word. */
export function splitList(text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  const filled = items.filter((item) => item !== "");
  return filled.length === 0 ? [""] : filled;
}
