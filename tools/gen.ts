/**
 * Writes the generated files (`--check`: fails when one is stale). Each generator is a pure function from the tables to text.
 */
import { readFileSync, writeFileSync } from "node:fs";
import * as wire from "../src/wire/spec.ts";
import { settingsPage } from "./settings-page.ts";

interface Generated {
  path: string;
  text: string;
}

const root = new URL("..", import.meta.url).pathname;

function screaming(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase();
}

/** python/keelback/_wire.py from src/wire/spec.ts. */
function wirePython(): Generated {
  const lines = [
    '"""Constants of the wire. Generated from src/wire/spec.ts by tools/gen.ts; do not edit."""',
    "",
    "from typing import Final",
    "",
  ];
  for (const [name, value] of Object.entries(wire)) {
    if (typeof value === "number") lines.push(`${name}: Final = ${value}`);
  }
  for (const [name, value] of Object.entries(wire)) {
    if (typeof value !== "object") continue;
    const prefix = name === "FrameType" ? "" : `${screaming(name)}_`;
    lines.push("");
    for (const [key, number] of Object.entries(value)) {
      lines.push(`${prefix}${key}: Final = ${number}`);
    }
  }
  return { path: "python/keelback/_wire.py", text: lines.join("\n") + "\n" };
}

const files: Generated[] = [wirePython(), { path: "docs/settings.md", text: settingsPage() }];
const check = process.argv.includes("--check");
let stale = 0;
for (const file of files) {
  let before = "";
  try {
    before = readFileSync(root + file.path, "utf8");
  } catch {
    // not there yet: it is stale
  }
  if (before === file.text) continue;
  if (check) {
    stale += 1;
    process.stderr.write(`${file.path} is stale: run \`make gen\`\n`);
  } else {
    writeFileSync(root + file.path, file.text);
    process.stdout.write(`wrote ${file.path}\n`);
  }
}
process.exitCode = stale > 0 ? 1 : 0;
