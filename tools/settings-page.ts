/** docs/settings.md from the option table: each option, its names, its default, and why. Pure. */
import { ACCESS_ATOMS } from "../src/config/access-format.ts";
import type { OptionRow } from "../src/config/config.ts";
import { ROWS } from "../src/config/config.ts";
import type { OptionSpec } from "../src/config/spec.ts";
import { SECTIONS } from "../src/config/spec.ts";
import { allowedText, defaultText, isRepeatable } from "../src/config/values.ts";

const INTRODUCTION = `<!-- Generated from src/config/options.ts by tools/gen.ts; do not edit. -->

# Settings

Every setting can be given as a flag, as a variable, or in a file. Flags win over variables,
variables over the file, the file over the variables of the platform (PORT, WEB_CONCURRENCY),
these over the defaults. \`keelback --print-config\` shows every value and where it came from,
\`keelback --check-config\` whether a start would work. An unknown or a wrong setting is an error,
wherever it is: nothing is ignored.

- **File**: \`keelback.toml\` in the current directory, else the table \`[tool.keelback]\` of
  \`pyproject.toml\`; or the one of \`--config FILE\`.
- **Variables**: an empty one counts as not set. Lists are separated by commas.
- **Times** are seconds (\`30\`, \`0.5\`), or have a suffix: \`250ms\`, \`30s\`, \`2m\`, \`1h\`.
- **Sizes** are bytes, or have a suffix: \`64k\`, \`10m\`, \`1g\` (1k is 1024).
- **Paths** start at the current directory; those of \`pythonpath\` and \`reload-dir\` at the app's
  (\`chdir\`).
- **Off** (\`server-header\` and \`access-log\`): \`--no-NAME\`, or \`NAME = false\` in the file.

    # keelback.toml
    app = "shop.wsgi:application"
    bind = ["0.0.0.0:8000", "unix:/run/shop.sock"]
    workers = 4
    timeout = "30s"
    env = { DJANGO_SETTINGS_MODULE = "shop.settings" }
`;

export function settingsPage(): string {
  const parts = [INTRODUCTION, overview()];
  for (const section of SECTIONS) {
    parts.push(`## ${section}\n`);
    for (const row of ROWS) {
      if (row.spec.section === section) parts.push(entry(row));
    }
  }
  parts.push(atoms());
  return parts.join("\n");
}

function overview(): string {
  const lines = ["| setting | default | what |", "|---|---|---|"];
  for (const row of ROWS) {
    if (row.spec.scope === "command") continue;
    const what = cell(row.spec.summary);
    lines.push(`| [${row.name}](#${row.name}) | ${cell(defaultOf(row.spec))} | ${what} |`);
  }
  return `${lines.join("\n")}\n`;
}

function entry(row: OptionRow): string {
  const { spec } = row;
  const facts: [string, string][] = [];
  if (spec.positional === true) facts.push(["command line", "the word that is no flag"]);
  else facts.push(["flag", flagsOf(row).map(code).join(", ")]);
  if (row.variable !== null) facts.push(["variable", code(row.variable)]);
  if (spec.platform !== undefined)
    facts.push(["platform's variable", code(spec.platform.variable)]);
  if (row.fileKey !== null) facts.push(["file key", code(row.fileKey)]);
  facts.push(["type", spec.type + (isRepeatable(spec) ? ", repeatable" : "")]);
  if (spec.scope === undefined) {
    facts.push(["default", defaultOf(spec)]);
    const unit = unitOf(spec);
    if (unit !== null) facts.push(["unit", unit]);
  }
  facts.push(["allowed", allowedText(spec)]);
  if (spec.type === "choice" && spec.translate !== undefined) {
    const pairs = Object.entries(spec.translate).map(
      ([from, to]) => `${code(from)} is ${code(to)}`,
    );
    facts.push(["also taken", pairs.join(", ")]);
  }
  if (spec.scope === undefined) {
    facts.push(["a change applies", spec.reload === "live" ? "on reload" : "on restart"]);
  }
  const peers = Object.entries(spec.counterparts).map(
    ([server, name]) => `${server} ${code(name)}`,
  );
  if (peers.length > 0) facts.push(["elsewhere", peers.join(" · ")]);
  const table = facts.map(([name, text]) => `| ${name} | ${cell(text)} |`).join("\n");
  const lead = `### ${row.name}\n\n${sentence(spec.summary)}\n\n${spec.why}`;
  return `${lead}\n\n| | |\n|---|---|\n${table}\n`;
}

function flagsOf(row: OptionRow): string[] {
  const { spec } = row;
  const prefixed = Object.entries(spec.prefixed ?? {}).map(
    ([flag, prefix]) => `${flag} X (${prefix}X)`,
  );
  const off =
    spec.negatable === true || (spec.type === "boolean" && spec.scope === undefined)
      ? [`--no-${row.name}`]
      : [];
  return [...row.flags, ...off, ...prefixed];
}

function unitOf(spec: OptionSpec): string | null {
  if (spec.type === "duration") return "time";
  if (spec.type === "bytes") return spec.unit ?? "bytes";
  return spec.type === "integer" ? (spec.unit ?? null) : null;
}

function defaultOf(spec: OptionSpec): string {
  const isHere = spec.type === "path" && spec.default === ".";
  return isHere ? "the current directory" : defaultText(spec);
}

function atoms(): string {
  const lines = Object.entries(ACCESS_ATOMS).map(([name, what]) => `| \`%(${name})s\` | ${what} |`);
  return `## Atoms of access-log-format

| atom | what |
|---|---|
${lines.join("\n")}
| \`%({name}i)s\` | the request header \`name\` |
| \`%({name}o)s\` | the response header \`name\` |

\`%%\` is a percent sign.
`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function sentence(text: string): string {
  return `${text[0]?.toUpperCase() ?? ""}${text.slice(1)}.`;
}
