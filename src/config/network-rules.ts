/** What the settings of listening sockets ask for beyond single values (see rules.ts). Pure. */
import type { Bind } from "./bind.ts";
import type { SettingKey } from "./config.ts";
import { publicName } from "./config.ts";
import { quote } from "./problem.ts";
import { MODE_ALLOWED, OWNER_ALLOWED, parseMode, parseOwner } from "./socket-file.ts";
import { from } from "./tls-rules.ts";
import type { Case, Rule } from "./tls-rules.ts";

export const NETWORK_RULES: readonly Rule[] = [
  ({ config, sources }) => {
    if (parseMode(config.unixMode) !== null) return null;
    const value = `${quote(config.unixMode)} ${from(sources, "unixMode")}`;
    return { key: "unixMode", text: `${value} is no mode of a socket; allowed: ${MODE_ALLOWED}` };
  },
  ({ config, sources }) => {
    if (config.unixOwner === null || parseOwner(config.unixOwner) !== null) return null;
    const value = `${quote(config.unixOwner)} ${from(sources, "unixOwner")}`;
    return { key: "unixOwner", text: `${value} names no owner; allowed: ${OWNER_ALLOWED}` };
  },
];

/** Settings of sockets that are made here, and the binds that make one. */
const MADE_BY: readonly (readonly [SettingKey, string, (bind: Bind) => boolean])[] = [
  ["unixMode", "unix:PATH", ({ kind }) => kind === "unix"],
  ["unixOwner", "unix:PATH", ({ kind }) => kind === "unix"],
  ["reusePort", "TCP address", ({ kind }) => kind === "tcp"],
  ["ipv6Only", "IPv6 address", (bind) => bind.kind === "tcp" && !/^[\d.]+$/.test(bind.host)],
  ["deferAcceptMs", "TCP address", ({ kind }) => kind === "tcp"],
  ["fastOpen", "TCP address", ({ kind }) => kind === "tcp"],
  ["tcpKeepAliveMs", "TCP address", ({ kind }) => kind === "tcp"],
];

/** What sockets are that are made here. */
export const SETTINGS_OF_MADE: readonly SettingKey[] = MADE_BY.map(([key]) => key);

/** What an open socket keeps: an upgrade, which hands sockets over, cannot change them. */
export const SETTINGS_OF_BOUND: readonly SettingKey[] = ["reusePort", "ipv6Only"];

/** Sockets that are passed in stay as they were made: who has made them says what they are. */
export function networkNotes({ config, sources }: Case): string[] {
  return MADE_BY.flatMap(([key, what, makes]) => {
    if (sources[key].kind !== "flag" || config.bind.some((bind) => makes(bind))) return [];
    return [`${publicName(key)} has no effect: no ${what} is bound here`];
  });
}
