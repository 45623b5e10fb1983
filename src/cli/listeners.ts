/** The listening sockets that the settings ask for: all of them or none. */
import { parseRedirect } from "../config/bind.ts";
import type { Config } from "../config/config.ts";
import type { Listener, OpenFailure } from "../net/open-result.ts";
import { closeListeners, openListener, openListeners } from "../net/sockets.ts";
import { udpFailure } from "../net/udp-ports.ts";

const HTTPS_PORT = 443;

export async function openAddresses({
  bind,
  backlog,
  redirectHttp,
  http3,
}: Config): Promise<
  | { readonly ok: true; readonly listeners: readonly Listener[] }
  | { readonly ok: false; readonly failure: OpenFailure }
> {
  const opened = await openListeners(bind, backlog);
  const redirect = redirectHttp === null ? null : parseRedirect(redirectHttp, bind);
  if (!opened.ok) return opened;
  const { listeners } = opened;
  const failure = http3 ? udpFailure(listeners) : null;
  if (failure !== null) {
    closeListeners(listeners);
    return { ok: false, failure };
  }
  if (redirect === null || "complaint" in redirect) return opened;
  const result = await openListener(redirect.bind, backlog);
  if (!result.ok) {
    closeListeners(listeners);
    return result;
  }
  const https = listeners.find(({ kind }) => kind === "tcp");
  const redirectTo = https?.port ?? HTTPS_PORT;
  return { ok: true, listeners: [...listeners, { ...result.listener, redirectTo }] };
}
