/**
 * `--help`, made from the option table: the common options, all of them, or one. Pure; lines fit a
 * terminal.
 */
import type { OptionRow } from "../config/config.ts";
import { ROWS } from "../config/config.ts";
import { nearest } from "../config/names.ts";
import { didYouMean, quote } from "../config/problem.ts";
import { SECTIONS } from "../config/spec.ts";
import { allowedText, defaultText, isRepeatable } from "../config/values.ts";

/** Widest line of any help text. */
export const HELP_COLUMNS_MAX = 90;
/** Column where the summaries begin; a longer flag puts its summary on the next line. */
const SUMMARY_COLUMN = 31;
const FACT_COLUMN = 22;

const HEAD = `keelback [serve] [APP] [options]

  Serves a Python web app. APP is module:attribute, module, or module:factory();
  without it the project in the current directory is recognised.

keelback cert [NAME...]     makes a certificate for development (localhost by default)
keelback compare [APP]      measures your app on every server that is installed
keelback ctl COMMAND        speaks with a running server; keelback ctl --help says how
keelback audit [APP]        says where each route's time goes, and which settings suit it
keelback simulate           predicts latency for so many workers, cores and nodes
`;

const FOOT = `Every option is also a variable (KEELBACK_WORKERS=4) and a key of keelback.toml or of
[tool.keelback] in pyproject.toml (workers = 4). Flags win over variables, and these
over the file.
`;

export type Help = { readonly text: string } | { readonly complaint: string };

/** `topic` is "" for the common options, `all`, or an option's name, flag, variable or key. */
export function help(topic: string): Help {
  if (topic === "" || topic === "all") return { text: overview(topic === "all") };
  const row = ROWS.find(
    (candidate) =>
      candidate.name === topic || candidate.variable === topic || candidate.flags.includes(topic),
  );
  if (row !== undefined) return { text: optionHelp(row) };
  const hint = didYouMean(
    nearest(
      topic.replace(/^--?/, ""),
      ROWS.map(({ name }) => name),
    ),
  );
  return { complaint: `--help: there is no option ${quote(topic)}${hint}` };
}

function overview(all: boolean): string {
  const parts = [HEAD];
  for (const section of SECTIONS) {
    const rows = ROWS.filter(
      ({ spec }) =>
        spec.section === section && spec.positional !== true && (all || spec.common === true),
    );
    if (rows.length > 0) parts.push(`${section}\n${rows.map((row) => overviewLine(row)).join("")}`);
  }
  const more = all
    ? ""
    : `keelback --help all shows the other options, keelback --help NAME one of them.\n`;
  parts.push(more + FOOT);
  return parts.join("\n");
}

function overviewLine(row: OptionRow): string {
  const left = `  ${flagText(row)}`;
  const right = row.spec.summary + defaultNote(row);
  const gap =
    left.length < SUMMARY_COLUMN - 1
      ? " ".repeat(SUMMARY_COLUMN - left.length)
      : "\n".padEnd(SUMMARY_COLUMN + 1);
  return wrap(left + gap, right, SUMMARY_COLUMN);
}

/** Breaks `text` at spaces, with the following lines under the first, which begins at `column`. */
function wrap(lead: string, text: string, column: number): string {
  const indent = " ".repeat(column);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && column + line.length + 1 + word.length > HELP_COLUMNS_MAX) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return `${lead}${lines.join(`\n${indent}`)}\n`;
}

function flagText(row: OptionRow): string {
  const { spec, name } = row;
  const short = spec.short === undefined ? "    " : `${spec.short}, `;
  if (spec.type === "boolean") {
    return `${short}${spec.default ? `--[no-]${name}` : `--${name}`}`;
  }
  const meta = metaOf(row);
  return `${short}--${name} ${spec.bare === undefined ? meta : `[${meta}]`}`;
}

function metaOf({ spec }: OptionRow): string {
  if (spec.meta !== undefined) return spec.meta;
  if (spec.type === "choice") return spec.choices.join("|");
  if (spec.type === "duration") return "TIME";
  if (spec.type === "bytes") return "SIZE";
  return spec.type === "integer" ? "N" : "TEXT";
}

function defaultNote({ spec }: OptionRow): string {
  if (spec.scope === "command") return "";
  if (spec.type === "boolean") return spec.default ? " (on)" : "";
  if (spec.default === null || spec.into !== undefined) return "";
  const text = spec.type === "integer" && spec.default === "auto" ? "auto" : defaultText(spec);
  return text === "none" || text === "." ? "" : ` (${text})`;
}

function optionHelp(row: OptionRow): string {
  const { spec } = row;
  const facts: [string, string][] = [];
  const negated = spec.type === "boolean" && spec.scope === undefined ? [`--no-${row.name}`] : [];
  const off = spec.negatable === true ? [`--no-${row.name}`] : [];
  const prefixed = Object.keys(spec.prefixed ?? {});
  const flags = [...row.flags, ...negated, ...off, ...prefixed];
  if (flags.length > 0) facts.push(["flags", flags.join(", ")]);
  if (row.variable !== null) facts.push(["variable", row.variable]);
  if (spec.platform !== undefined) facts.push(["platform variable", spec.platform.variable]);
  if (row.fileKey !== null) facts.push(["file key", row.fileKey]);
  facts.push(["allowed", allowedText(spec) + (isRepeatable(spec) ? " (repeatable)" : "")]);
  if (spec.scope === undefined) {
    facts.push(["default", defaultText(spec)]);
    facts.push(["a change applies", spec.reload === "live" ? "on reload" : "on restart"]);
  }
  const peers = Object.entries(spec.counterparts).map(([server, name]) => `${server} ${name}`);
  if (peers.length > 0) facts.push(["elsewhere", peers.join("; ")]);
  const table = facts.map(([name, text]) =>
    wrap(`  ${name}`.padEnd(FACT_COLUMN), text, FACT_COLUMN),
  );
  return `${row.name}: ${spec.summary}\n\n${table.join("")}\n${wrap("  ", spec.why, 2)}`;
}
