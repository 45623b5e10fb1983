/**
 * The settings of the server that an audit starts, as a file for it: those of the user, but for what an audit has of its own (addresses,
 * logs, files of the running server) or what the load generator does not speak (TLS, PROXY headers). Pure.
 */
import type { Config, SettingKey, Sources, Value } from "../config/config.ts";
import { SETTING_ROWS } from "../config/config.ts";
import type { Bind } from "../config/bind.ts";
import { formatBind } from "../config/bind.ts";
import type { OptionSpec } from "../config/spec.ts";
import type { Settings } from "./types.ts";

/** A server beside the running one must not take these from it. */
const NEVER: readonly SettingKey[] = [
  ...(["accessLog", "accessLogFormat", "control", "daemon", "logFile", "logFormat"] as const),
  ...(["pid", "reload", "reloadDir", "reloadExclude", "logLevel", "keyfilePassword"] as const),
];

/** Left out too where the load is ours, on a port of the kernel's choice. */
const NOT_FOR_LOAD: readonly SettingKey[] = [
  ...(["bind", "protocol", "unixMode", "unixOwner", "reusePort", "ipv6Only"] as const),
  ...([
    "deferAcceptMs",
    "fastOpen",
    "certfile",
    "keyfile",
    "certReqs",
    "caCerts",
    "ciphers",
  ] as const),
  ...(["tlsMin", "http3", "redirectHttp", "hstsMs", "proxyProtocol", "proxyAllowIps"] as const),
  ...(["user", "group", "umask", "shutdownDelayMs"] as const),
];

export interface AuditSettings {
  readonly config: Config;
  readonly sources: Sources;
  /** On the usual addresses, for the usual clients. */
  readonly live: boolean;
  readonly accessLog: string | null;
  /** Of a recommendation. */
  readonly changes: Settings;
}

export function settingsFile({ config, sources, live, accessLog, changes }: AuditSettings): string {
  const left = new Set<SettingKey>(live ? NEVER : [...NEVER, ...NOT_FOR_LOAD]);
  const lines = SETTING_ROWS.flatMap(({ key, name, spec }) => {
    if (left.has(key) || Object.hasOwn(changes, name)) return [];
    // The number of workers may come from the platform: it is said.
    if (sources[key].kind === "default" && key !== "workers") return [];
    const text = toml(spec, config[key]);
    return text === null ? [] : [`${name} = ${text}`];
  });
  for (const [name, value] of Object.entries(changes)) {
    lines.push(`${name} = ${/^(\d+|true|false)$/.test(value) ? value : JSON.stringify(value)}`);
  }
  if (!live) lines.push('bind = ["127.0.0.1:0"]');
  if (accessLog !== null) {
    lines.push(`access-log = ${JSON.stringify(accessLog)}`, 'access-log-format = "json"');
  }
  return `${lines.join("\n")}\n`;
}

function toml(spec: OptionSpec, value: Value): string | null {
  if (value === null) return null;
  if (spec.type === "duration" && typeof value === "number") return JSON.stringify(`${value}ms`);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    return spec.negatable === true && value === "" ? "false" : JSON.stringify(value);
  }
  if (Array.isArray(value)) {
    const items = (value as readonly (string | Bind)[]).map((item) =>
      JSON.stringify(typeof item === "string" ? item : formatBind(item)),
    );
    return `[${items.join(", ")}]`;
  }
  const pairs = Object.entries(value).map(([name, text]) => {
    return `${JSON.stringify(name)} = ${JSON.stringify(text)}`;
  });
  return `{ ${pairs.join(", ")} }`;
}
