/**
 * `keelback cert [NAME...]`: a certificate for development, in the current directory. mkcert makes it where it is installed, because
 * browsers then trust it; else it is self-signed. Files that are there are never replaced.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostComplaint } from "../config/bind.ts";
import { quote } from "../config/problem.ts";
import { selfSigned } from "../net/self-signed.ts";
import { errorText } from "../observe/log.ts";
import { EXIT_USAGE } from "./command.ts";
import { writeOut } from "./output.ts";

const NAMES = ["localhost", "127.0.0.1", "::1"];
const CERTIFICATE = "keelback-cert.pem";
const KEY = "keelback-key.pem";
const EXIT_FAILED = 1;

/** Returns the exit code. */
export function makeCertificate(args: readonly string[]): number {
  const names = args.length === 0 ? NAMES : args.map((name) => name.replace(/^\[(.*)\]$/, "$1"));
  for (const name of names) {
    const complaint = name.startsWith("-")
      ? "is no name; write keelback cert [NAME...]"
      : hostComplaint(name.replace(/^\*\./, ""));
    if (complaint !== null) return complain(`cert: ${quote(name)} ${complaint}`, EXIT_USAGE);
  }
  const directory = process.cwd();
  const there = [CERTIFICATE, KEY].filter((file) => existsSync(join(directory, file)));
  if (there.length > 0)
    return complain(`${there.join(" and ")}: there already; remove it first`, EXIT_FAILED);
  const mkcert = Bun.which("mkcert");
  return mkcert === null ? makeSelfSigned(names) : runMkcert(mkcert, names);
}

function makeSelfSigned(names: readonly string[]): number {
  const { certificate, key, notAfter } = selfSigned(names, new Date());
  try {
    writeFileSync(KEY, key, { mode: 0o600, flag: "wx" });
    writeFileSync(CERTIFICATE, certificate, { flag: "wx" });
  } catch (error) {
    return complain(errorText(error), EXIT_FAILED);
  }
  const note =
    "Nobody vouches for it, so clients warn. With mkcert installed, it is used: they do not.";
  tell(names, `until ${notAfter.toISOString().slice(0, 10)}`, `${note}\n`);
  return 0;
}

function runMkcert(program: string, names: readonly string[]): number {
  const command = [program, "-cert-file", CERTIFICATE, "-key-file", KEY, ...names];
  const { exitCode } = Bun.spawnSync(command, { stdio: ["inherit", "inherit", "inherit"] });
  if (exitCode !== 0) return complain(`mkcert failed with exit code ${exitCode}`, EXIT_FAILED);
  tell(names, "by mkcert");
  return 0;
}

function tell(names: readonly string[], how: string, note: string = ""): void {
  say(`made ${CERTIFICATE} and ${KEY} for ${names.join(", ")}, ${how}\n${note}`);
  say(`next: keelback --certfile ${CERTIFICATE} --keyfile ${KEY}\n`);
}

function say(text: string): void {
  writeOut(text);
}

function complain(text: string, code: number): number {
  process.stderr.write(`keelback: ${text}\n`);
  return code;
}
