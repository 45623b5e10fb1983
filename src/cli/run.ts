/** From the command line to an exit code: prints what was asked for, or serves. */
import { writeSync } from "node:fs";
import { parseCommand, problemText } from "./command.ts";
import { takeDaemonMark } from "./daemon.ts";
import { takeInheritance } from "./successor.ts";

/** Resolves with the exit code when the command is over. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  if (argv[0] === "cert" && !argv.some((word) => word === "--help" || word === "-h")) {
    const { makeCertificate } = await import("./cert.ts");
    return makeCertificate(argv.slice(1));
  }
  // What a server of ours has left in the environment is no setting.
  const inheritance = takeInheritance(process.env);
  const origin = { argv, inheritance, background: takeDaemonMark(process.env) };
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
      process.stderr.write(problemText(command.problems));
      return command.exitCode;
    case "print-config": {
      const { printConfig, printConfigJson } = await import("./print.ts");
      const render = command.json ? printConfigJson : printConfig;
      return print(render(command.config, command.sources));
    }
    case "check-config":
    case "serve": {
      const { serve } = await import("./serve.ts");
      const mode = command.name === "serve" ? "serve" : "check";
      const reread = (): ReturnType<typeof parseCommand> => parseCommand(argv);
      return serve(command, { mode, origin, reread });
    }
  }
}

/** A reader that has had enough (`| head`) is no error. */
function print(text: string): number {
  const bytes = Buffer.from(text);
  let from = 0;
  try {
    while (from < bytes.length) from += writeSync(1, bytes, from);
    return 0;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    return code === "EPIPE" ? 0 : 1;
  }
}
