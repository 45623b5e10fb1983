/** What the settings of TLS ask of each other (see rules.ts). Pure. */
import type { Bind } from "./bind.ts";
import { HOST_DEFAULT, parseRedirect, TLS_PORT_DEFAULT } from "./bind.ts";
import type { Config, SettingKey, Sources } from "./config.ts";
import { publicName } from "./config.ts";
import { quote } from "./problem.ts";

export interface Case {
  readonly config: Config;
  readonly sources: Sources;
}
/** The setting that is wrong, and the rest of the sentence; null when the rule holds. */
export type Rule = (settings: Case) => { readonly key: SettingKey; readonly text: string } | null;

export function from(sources: Sources, key: SettingKey): string {
  return `(from ${sources[key].name})`;
}

/** Settings that somebody who wrote them expects to protect something. */
const NEED_CERTIFICATE = ["keyfile", "certReqs", "caCerts", "redirectHttp", "http3"] as const;
/** Those that only do nothing without it. */
const IDLE_WITHOUT = ["keyfilePassword", "ciphers", "tlsMin", "hstsMs"] as const;

export const TLS_RULES: readonly Rule[] = [
  ({ config, sources }) => {
    if (config.certfile.length > 0) return null;
    const key = NEED_CERTIFICATE.find(
      (name) => sources[name].kind !== "default" && !isOff(config, name),
    );
    return key === undefined
      ? null
      : { key, text: `${from(sources, key)} needs certfile: without one there is no TLS` };
  },
  ({ config, sources }) =>
    config.certReqs !== "none" && config.caCerts === null
      ? {
          key: "certReqs",
          text:
            `${config.certReqs} ${from(sources, "certReqs")} needs ca-certs: the authorities ` +
            "that client certificates must come from",
        }
      : null,
  ({ config, sources }) =>
    config.http3 && config.certReqs !== "none"
      ? {
          key: "http3",
          text:
            `${from(sources, "http3")} does not go with cert-reqs = ${config.certReqs} ` +
            `${from(sources, "certReqs")}: client certificates are checked over TCP only`,
        }
      : null,
  ({ config, sources }) => {
    if (config.redirectHttp === null) return null;
    const read = parseRedirect(config.redirectHttp, config.bind);
    return "bind" in read
      ? null
      : {
          key: "redirectHttp",
          text:
            `${quote(config.redirectHttp)} ${from(sources, "redirectHttp")} ` +
            `${read.complaint}; allowed: PORT, ADDRESS:PORT or fd://NAME`,
        };
  },
];

function isOff(config: Config, key: (typeof NEED_CERTIFICATE)[number]): boolean {
  return (key === "certReqs" && config.certReqs === "none") || (key === "http3" && !config.http3);
}

export function tlsNotes({ config, sources }: Case): string[] {
  const notes: string[] = [];
  if (config.certfile.length === 0) {
    for (const key of IDLE_WITHOUT) {
      if (sources[key].kind !== "flag") continue;
      notes.push(`${publicName(key)} has no effect without --certfile`);
    }
  } else if (config.bind.every(({ kind }) => kind === "unix" || kind === "abstract")) {
    notes.push("certfile has no effect: unix sockets stay plain");
  }
  if (config.caCerts !== null && config.certReqs === "none") {
    notes.push("ca-certs has no effect with cert-reqs = none");
  }
  return notes;
}

/** With a certificate the port that nobody has chosen is that of HTTPS. */
export function tlsDefaults({ config, sources }: Case): Case {
  if (config.certfile.length === 0 || sources.bind.kind !== "default") return { config, sources };
  const bind: readonly Bind[] = [{ kind: "tcp", host: HOST_DEFAULT, port: TLS_PORT_DEFAULT }];
  const source = { kind: "default", name: "default: HTTPS" } as const;
  return { config: { ...config, bind }, sources: { ...sources, bind: source } };
}
