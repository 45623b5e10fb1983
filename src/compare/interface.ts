/** Which interface the app speaks: its interpreter imports it once and looks, as a worker of Keelback does. */
import { fileURLToPath } from "node:url";
import type { Interface } from "./types.ts";

export type FoundInterface =
  { readonly interface: Interface; readonly found: string } | { readonly problem: string };

interface Said {
  readonly interface?: Interface;
  readonly found?: string;
  readonly message?: string;
  readonly hint?: string;
  readonly traceback?: string;
}

const SCRIPT = fileURLToPath(new URL("./apps/find_interface.py", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../python", import.meta.url));
const TIMEOUT_MS = 60_000;

export async function findInterface(
  app: string,
  python: string,
  directory: string,
): Promise<FoundInterface> {
  const child = Bun.spawn([python, SCRIPT, PACKAGE, app], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  const start = output.indexOf("{");
  if (start < 0) return { problem: `${python} could not look at ${app}: ${errors.trim()}` };
  const said: Said = JSON.parse(output.slice(start));
  if (said.interface !== undefined) return { interface: said.interface, found: said.found ?? app };
  const { message = "", hint = "", traceback = "" } = said;
  const lines = [traceback.trimEnd(), message, hint === "" ? "" : `hint: ${hint}`];
  return { problem: lines.filter((line) => line !== "").join("\n") };
}
