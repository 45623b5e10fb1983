/** From the command line to an exit code: prints what was asked for, or serves. */
import { type Command, parseCommand, problemText } from "./command.ts";
import { takeDaemonMark } from "./daemon.ts";
import { writeOut } from "./output.ts";
import type { ServeOptions } from "./serve.ts";
import { takeInheritance } from "./successor.ts";

const EXIT_FAILED = 1;

/** Resolves with the exit code when the command is over. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  if (argv[0] === "cert" && !argv.some((word) => word === "--help" || word === "-h")) {
    const { makeCertificate } = await import("./cert.ts");
    return makeCertificate(argv.slice(1));
  }
  if (argv[0] === "audit") {
    const { runAudit } = await import("./audit.ts");
    return runAudit(argv.slice(1));
  }
  if (argv[0] === "simulate") {
    const { runSimulate } = await import("./simulate.ts");
    return runSimulate(argv.slice(1));
  }
  if (argv[0] === "compare") {
    const { runCompare } = await import("./compare.ts");
    return runCompare(argv.slice(1));
  }
  // What a server of ours has left in the environment is no setting.
  const inheritance = takeInheritance(process.env);
  const background = takeDaemonMark(process.env);
  const origin = { argv, inheritance, background, notifySocket: null };
  if (argv[0] === "ctl") {
    const { runCtl } = await import("./ctl.ts");
    return runCtl(argv.slice(1));
  }
  const command = parseCommand(argv);
  switch (command.name) {
    case "help":
    case "version":
      return print(command.text);
    case "usage":
      return refuse(problemText(command.problems), command.exitCode);
    case "print-config": {
      const { printConfig, printConfigJson } = await import("./print.ts");
      const render = command.json ? printConfigJson : printConfig;
      return print(render(command.config, command.sources));
    }
    case "check-config":
    case "serve": {
      const reread = (): Command => parseCommand(argv);
      const { chroot } = command.config;
      // Whom another server of ours has started is inside already.
      if (chroot !== null && inheritance === null && !origin.background) {
        const { enterJail } = await import("./jail.ts");
        const { keepNotifySocket } = await import("../supervisor/process/notify.ts");
        const notifySocket = keepNotifySocket(process.env);
        const complaint = enterJail(chroot);
        if (complaint !== null) return refuse(`keelback: ${complaint}\n`, EXIT_FAILED);
        const inside = reread();
        if ("config" in inside && inside.config.chroot === null) {
          const text = `chroot: the file that names ${chroot} must be inside of it, at the same path`;
          return refuse(`keelback: ${text}\n`, EXIT_FAILED);
        }
        return runServer(inside, { origin: { ...origin, notifySocket }, reread });
      }
      return runServer(command, { origin, reread });
    }
  }
}

async function runServer(
  command: Command,
  options: Pick<ServeOptions, "origin" | "reread">,
): Promise<number> {
  if (command.name === "usage") return refuse(problemText(command.problems), command.exitCode);
  if (command.name !== "serve" && command.name !== "check-config") return EXIT_FAILED;
  const { serve } = await import("./serve.ts");
  return serve(command, { mode: command.name === "serve" ? "serve" : "check", ...options });
}

function refuse(text: string, code: number): number {
  process.stderr.write(text);
  return code;
}

function print(text: string): number {
  try {
    writeOut(text);
    return 0;
  } catch {
    return EXIT_FAILED;
  }
}
