/** What the settings about proxies in front ask of others (see rules.ts). Pure. */
import { from } from "./tls-rules.ts";
import type { Case, Rule } from "./tls-rules.ts";

export const PROXY_RULES: readonly Rule[] = [
  ({ config, sources }) =>
    config.http3 && config.proxyProtocol !== "off"
      ? {
          key: "proxyProtocol",
          text:
            `${config.proxyProtocol} ${from(sources, "proxyProtocol")} does not go with http3 ` +
            `${from(sources, "http3")}: there is no such header over UDP; leave one of them out`,
        }
      : null,
];

export function proxyNotes({ config, sources }: Case): string[] {
  if (config.proxyProtocol !== "off" || sources.proxyAllowIps.kind !== "flag") return [];
  return ["proxy-allow-ips has no effect without --proxy-protocol"];
}
