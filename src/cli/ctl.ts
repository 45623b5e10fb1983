/**
 * `keelback ctl COMMAND`: asks a running server for something, by its control socket, and tells what came of it. Exit codes: 0 done, 1 it
 * failed (or there is no such server), 2 the command is wrong.
 */
import { quote } from "../config/problem.ts";
import type { Answer, Patience } from "./ctl-client.ts";
import { askServer } from "./ctl-client.ts";
import { findServer } from "./ctl-find.ts";
import { CTL_HELP, renderAnswer } from "./ctl-text.ts";
import { EXIT_USAGE } from "./command.ts";
import { writeOut } from "./output.ts";

const EXIT_FAILED = 1;

/** What is sent: the protocol of src/supervisor/ctl-host.ts. */
export interface Question {
  readonly do: string;
  readonly worker?: number;
  readonly count?: number;
  readonly level?: string;
}

export interface CtlArguments {
  readonly question: Question;
  readonly json: boolean;
  /** A socket, or the private directory that holds it. */
  readonly control: string | null;
  /** A number, or a file with one. */
  readonly pid: string | null;
}

type Parsed =
  | { readonly kind: "ask"; readonly arguments: CtlArguments }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly text: string };

/** `argv` is what follows `ctl`. Resolves with the exit code. */
export async function runCtl(argv: readonly string[]): Promise<number> {
  const parsed = parseCtl(argv, process.env["KEELBACK_CONTROL"] ?? null);
  if (parsed.kind === "help") return say(CTL_HELP);
  if (parsed.kind === "wrong") return complain(parsed.text, EXIT_USAGE);
  const { question, json, control, pid } = parsed.arguments;
  const found = await findServer({ control, pid });
  if ("error" in found) return fail(found, json);
  const patience = PATIENCE[question.do] ?? "prompt";
  // Nothing tells one that works for long from one that does not hear: whoever is found by its name has not been asked yet.
  const heard =
    control === null || patience === "prompt"
      ? null
      : await askServer(found.path, { do: "status" });
  if (heard?.ok === false) return fail(heard, json);
  const answer = await askServer(found.path, question, patience);
  if (!answer.ok) return fail(answer, json);
  return say(json ? `${JSON.stringify(answer)}\n` : renderAnswer(question, answer));
}

/** What may take as long as the app does. */
const PATIENCE: Readonly<Record<string, Patience>> = {
  reload: "patient",
  dump: "patient",
  stop: "until-gone",
};

const WORDS: Readonly<Record<string, "none" | "count" | "worker" | "level">> = {
  status: "none",
  workers: "none",
  reload: "none",
  drain: "none",
  undrain: "none",
  stop: "none",
  scale: "count",
  dump: "worker",
  "log-level": "level",
};

export function parseCtl(argv: readonly string[], environment: string | null): Parsed {
  const words: string[] = [];
  const options: Record<string, string> = {};
  let json = false;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    const [, name, attached] = /^--(control|pid)(?:=(.*))?$/s.exec(word) ?? [];
    if (word === "--help" || word === "-h") return { kind: "help" };
    if (word === "--json") json = true;
    else if (name !== undefined) {
      const value = attached ?? argv[++at] ?? "";
      if (value === "") return wrong(`--${name} needs a value`);
      options[name] = value;
    } else if (word.startsWith("-")) return wrong(`there is no option ${quote(word)}`);
    else words.push(word);
  }
  const question = questionOf(words);
  if (typeof question === "string") return wrong(question);
  const named = environment === "" ? null : environment;
  const control = options["control"] ?? (options["pid"] === undefined ? named : null);
  return { kind: "ask", arguments: { question, json, control, pid: options["pid"] ?? null } };
}

function questionOf(words: readonly string[]): Question | string {
  const [word, ...rest] = words;
  if (word === undefined) return "what is it to do? keelback ctl --help shows the commands";
  if (word === "worker") {
    const [number = "", verb, ...more] = rest;
    const worker = numberOf(number.replace(/^worker-/, ""));
    if (worker === null || verb !== "recycle" || more.length > 0) {
      return "write keelback ctl worker NUMBER recycle";
    }
    return { do: "recycle", worker };
  }
  const takes = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
  if (takes === undefined) {
    return `there is no command ${quote(word)}; keelback ctl --help shows them`;
  }
  if (rest.length > (takes === "none" ? 0 : 1))
    return `${word}: ${quote(rest.at(-1) ?? "")} is too much`;
  const [value = ""] = rest;
  if (takes === "level") return { do: word, level: value };
  if (takes === "none") return { do: word };
  const number = numberOf(value.replace(/^worker-/, ""));
  if (number === null) return `${word} needs a number: keelback ctl ${word} 2`;
  return takes === "count" ? { do: word, count: number } : { do: word, worker: number };
}

function numberOf(text: string): number | null {
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

function wrong(text: string): Parsed {
  return { kind: "wrong", text };
}

function fail({ error, hint }: Answer & { ok: false }, json: boolean): number {
  if (json) say(`${JSON.stringify({ ok: false, error, hint })}\n`);
  else complain(hint === undefined ? error : `${error}\nhint: ${hint}`, EXIT_FAILED);
  return EXIT_FAILED;
}

function say(text: string): number {
  writeOut(text);
  return 0;
}

function complain(text: string, code: number): number {
  process.stderr.write(`keelback: ctl: ${text}\n`);
  return code;
}
