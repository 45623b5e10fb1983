/** What a result was measured on: the machine, the commit and every version that matters. */
import { readFileSync } from "node:fs";
import { describeMachine } from "../../src/compare/machine.ts";
import { python, root } from "./paths.ts";

function printed(command: string[]): string {
  const done = Bun.spawnSync(command, { cwd: root, stderr: "ignore" });
  return done.exitCode === 0 ? done.stdout.toString().trim() : "";
}

export function machine(): Record<string, string> {
  const all = describeMachine({ server: [], load: [], note: "" });
  const told = ["cpu", "cores", "memory", "system"].map((key) => [key, all[key] ?? ""]);
  return Object.fromEntries(told);
}

/** The commit, with a plus sign when the tree differs from it. */
export function commit(): string {
  const hash = printed(["git", "rev-parse", "--short=12", "HEAD"]);
  const dirty = printed(["git", "status", "--porcelain"]) !== "";
  return hash === "" ? "none" : `${hash}${dirty ? "+" : ""}`;
}

export function versions(): Record<string, string> {
  const own: { version: string } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
  const freeze = printed([python, "-m", "pip", "freeze"]).split("\n");
  const packages = freeze.map((line) => line.split("==")).filter((pair) => pair.length === 2);
  return {
    keelback: own.version,
    bun: Bun.version,
    python: printed([python, "--version"]).replace("Python ", ""),
    ...Object.fromEntries(packages),
  };
}

/** What servers and apps are made of, besides the servers: their versions are in their rows. */
const PARTS = ["uvloop", "httptools", "websockets", "wsproto", "h2", "aioquic", "Flask", "fastapi"];

export function partsText(all: Record<string, string>): string {
  const shown = PARTS.filter((name) => all[name] !== undefined);
  return shown.map((name) => `${name} ${all[name]}`).join(", ");
}
