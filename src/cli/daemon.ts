/**
 * Going to the background: the command starts itself once more, in a session of its own and with
 * the log as its output, and ends when that one serves or has failed to.
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import { type LogOwner, openLog } from "../net/log-file.ts";
import { errorText } from "../observe/log.ts";
import { SUPERVISOR_RUNTIME } from "./runtime-options.ts";
import { ownCommand, ownDirectory } from "./again.ts";

const VARIABLE = "KEELBACK_DAEMON";
/** More than a failed start ever says. */
const SHOWN_BYTES_MAX = 64 * 1024;

/** Whether this process is the one in the background; takes the mark out of the environment. */
export function takeDaemonMark(env: Record<string, string | undefined>): boolean {
  const marked = env[VARIABLE] !== undefined && process.send !== undefined;
  delete env[VARIABLE];
  return marked;
}

/** In the background: the command may end. */
export function releaseCommand(): void {
  if (!process.connected) return;
  process.send?.({ t: "ready" });
  process.disconnect?.();
}

/** The command: resolves with its exit code, after showing what went wrong. `owner`: whom the log is to belong to. */
export async function startDaemon(
  argv: readonly string[],
  logFile: string,
  owner: LogOwner | null,
): Promise<number> {
  let log: number;
  try {
    log = openLog(logFile, { owner, readable: true });
  } catch (error) {
    process.stderr.write(`keelback: log-file: ${errorText(error)}\n`);
    return 1;
  }
  const begin = fstatSync(log).size;
  const { promise, resolve } = Promise.withResolvers<number>();
  const child = Bun.spawn([...ownCommand(argv)], {
    cwd: ownDirectory(process.env["PWD"]),
    env: { ...process.env, ...SUPERVISOR_RUNTIME, [VARIABLE]: "1" },
    stdio: ["ignore", log, log],
    detached: true,
    ipc: () => resolve(0),
    onExit: (_, status) => resolve(status === null || status === 0 ? 1 : status),
  });
  const interrupt = (): void => child.kill("SIGTERM");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
  const code = await promise;
  if (code !== 0) show(log, begin);
  closeSync(log);
  return code;
}

function show(log: number, begin: number): void {
  const bytes = Buffer.alloc(SHOWN_BYTES_MAX);
  const count = readSync(log, bytes, 0, bytes.length, begin);
  process.stderr.write(bytes.subarray(0, count));
}
