/** What the settings of the process ask of each other (see rules.ts). Pure. */
import { quote } from "./problem.ts";
import type { Case, Rule } from "./tls-rules.ts";
import { from } from "./tls-rules.ts";

/** What the owner of a file may do with it a server must be allowed. */
const UMASK = /^0?o?[0-7]{1,3}$/;
const UMASK_MAX = 0o77;

export const PROCESS_RULES: readonly Rule[] = [
  ({ config, sources }) =>
    config.umask === null || parseUmask(config.umask) !== null
      ? null
      : {
          key: "umask",
          text: `${quote(config.umask)} ${from(sources, "umask")} is no mask; allowed: octal, 0 to 077`,
        },
  ({ config, sources }) =>
    config.daemon && (config.logFile === null || config.logFile === "-")
      ? {
          key: "daemon",
          text: `${from(sources, "daemon")} needs log-file: nobody sees the stderr of a daemon`,
        }
      : null,
];

/** Null: it is none. */
export function parseUmask(text: string): number | null {
  const mask = UMASK.test(text) ? Number.parseInt(text.replace("o", ""), 8) : Infinity;
  return mask <= UMASK_MAX ? mask : null;
}

/** Who gives up root's rights wants none of them back. */
export function processDefaults({ config, sources }: Case): Case {
  const given = sources.noNewPrivileges.kind !== "default";
  if (given || (config.user === null && config.group === null)) return { config, sources };
  return {
    config: { ...config, noNewPrivileges: true },
    sources: {
      ...sources,
      noNewPrivileges: { kind: "default", name: "default: with user or group" },
    },
  };
}
