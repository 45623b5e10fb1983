/**
 * Running commands for the tools: one function to run to the end, one to stop with a message.
 */
import { spawnSync } from "node:child_process";

export interface Ran {
  code: number;
  output: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** After it the command is killed, with the code 124. */
  timeoutMs?: number;
}

export const root: string = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

/** Runs a command to its end. A command that cannot be started has the code 127. */
export function run(command: readonly string[], options: RunOptions = {}): Ran {
  const [program, ...args] = command;
  const done = spawnSync(program ?? "", args, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 0,
    killSignal: "SIGKILL",
  });
  const timedOut =
    done.error !== undefined && "code" in done.error && done.error.code === "ETIMEDOUT";
  if (timedOut) {
    const text = `${done.stdout}${done.stderr}\n${program} did not end in time and was killed\n`;
    return { code: 124, output: text };
  }
  if (done.error !== undefined) return { code: 127, output: `${program}: ${done.error.message}\n` };
  const ended = done.signal === null ? "" : `${program} was ended by ${done.signal}\n`;
  return { code: done.status ?? 1, output: done.stdout + done.stderr + ended };
}

/** So many times in all: for what asks other machines. */
const TRIES = 3;

/** Runs a command that downloads, again where it fails: registries and networks have bad moments. */
export function download(command: readonly string[], options: RunOptions = {}): Ran {
  let ran = run(command, options);
  for (let tries = 1; tries < TRIES && ran.code !== 0 && ran.code !== 127; tries++) {
    say(`${command.join(" ")} failed and is tried again:\n${ran.output.trimEnd().slice(-2000)}`);
    ran = run(command, options);
  }
  return ran;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Ends the tool: what went wrong, then what to do about it. */
export function fail(problem: string, remedy?: string): never {
  process.stderr.write(`${problem}\n${remedy === undefined ? "" : `${remedy}\n`}`);
  process.exit(1);
}
