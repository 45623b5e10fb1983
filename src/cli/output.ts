/** What a command was asked for, on stdout. */
import { writeSync } from "node:fs";

/** All of it before the process ends. A reader that has had enough (`| head`) is no error; other errors of the system are thrown. */
export function writeOut(text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let from = 0; from < bytes.length;) from += writeSync(1, bytes, from);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code !== "EPIPE") throw error;
  }
}
