/** Settings of listening sockets for tests that open them in their own process. */
import type { ListenSettings } from "../../src/net/sockets.ts";

/** As the defaults are, but for what would differ from a socket that asks for nothing. */
export const PLAIN_SOCKETS: ListenSettings = {
  backlog: 16,
  unixMode: "0666",
  unixOwner: null,
  ipv6Only: false,
  reusePort: false,
  deferAcceptMs: 0,
  fastOpen: 0,
  tcpKeepAliveMs: 0,
};
