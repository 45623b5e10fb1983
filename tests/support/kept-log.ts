/** A log whose lines, JSON, are kept. */
import { type Logger, type LogLevel, openLogger } from "../../src/observe/log.ts";

export interface KeptLog {
  readonly log: Logger;
  /** What was written since the last call. */
  readonly take: () => string;
}

export function keptLog(level: LogLevel): KeptLog {
  let text = "";
  const log = openLogger({
    level,
    format: "json",
    target: {
      ready: () => true,
      write: (bytes) => {
        text += new TextDecoder().decode(bytes);
        return bytes.length;
      },
    },
  });
  const take = (): string => {
    const taken = text;
    text = "";
    return taken;
  };
  return { log, take };
}
