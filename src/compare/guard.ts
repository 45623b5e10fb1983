/**
 * Nothing that was started to be measured outlives who measures, not even after `kill -9`: a shell waits at the end of a pipe that we hold
 * open. However we end, the kernel closes it, and the shell ends the process groups that we have named last. Groups, as most servers'
 * workers would live on without their parent.
 */
import type { LoadHost } from "./load/order.ts";
import { pinTo } from "./machine.ts";

/** Each line takes the place of the one before. */
const SCRIPT = `
groups=
while read -r line; do groups=$line; done
signal() { for group in $groups; do kill -s "$1" -- "-$group"; done; }
alive() { for group in $groups; do kill -s 0 -- "-$group" && return 0; done; return 1; }
signal TERM
for second in 1 2 3 4 5; do alive || exit 0; sleep 1; done
signal KILL
`;

const groups = new Set<number>();
let shell: Bun.Subprocess<"pipe", "ignore", "ignore"> | null = null;

/** To be called with the leader of a process group as soon as it runs; what is returned, when all of the group have ended. */
export function guard(leader: number): () => void {
  groups.add(leader);
  tell();
  return () => {
    groups.delete(leader);
    tell();
  };
}

/** The groups that run now. */
export function guarded(): readonly number[] {
  return [...groups];
}

function tell(): void {
  try {
    shell ??= open();
    const { stdin } = shell;
    const line = stdin.write(`${guarded().join(" ")}\n`);
    const flushed = stdin.flush();
    for (const done of [line, flushed]) void Promise.resolve(done).catch(() => undefined);
  } catch {
    // Without a shell they are ended by us only.
  }
}

function open(): NonNullable<typeof shell> {
  const started = Bun.spawn(["/bin/sh", "-c", SCRIPT], {
    cwd: "/",
    stdio: ["pipe", "ignore", "ignore"],
    // Ctrl-C and a closed terminal are for us.
    detached: true,
  });
  started.unref();
  started.stdin.unref();
  return started;
}

/** Words before a command of one process (a load generator), which the kernel then ends with us. Nothing where the system cannot. */
function endingWithUs(): readonly string[] {
  const setpriv = process.platform === "linux" ? Bun.which("setpriv") : null;
  return setpriv === null ? [] : [setpriv, "--pdeathsig", "KILL"];
}

/** Where load generators run: on these cores (none: on all), and not a moment longer than we do. */
export function loadHost(cores: readonly number[], signal?: AbortSignal): LoadHost {
  return { pin: [...endingWithUs(), ...pinTo(cores)], signal };
}
