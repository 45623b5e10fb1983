/** Settings of an edge, as they are by default or out of the way. */
import { Networks } from "../../src/core/networks.ts";
import type { EdgeSettings } from "../../src/edge/context.ts";
import { ForwardingPolicy } from "../../src/proto/forwarded.ts";

export const EDGE_SETTINGS: EdgeSettings = {
  backlog: 16,
  proxyProtocol: "off",
  proxyAllow: new Networks([]),
  trust: { proxies: new Networks([]), policy: new ForwardingPolicy([], () => false) },
  keepAliveMs: 75_000,
  headerTimeoutMs: 30_000,
  bodyIdleTimeoutMs: 60_000,
  bodyRateBytesMin: 240,
  sendTimeoutMs: 60_000,
  timeoutMs: 30_000,
  requestLineBytesMax: 8192,
  headerBytesMax: 65_536,
  headerFieldBytesMax: 16_384,
  headerCountMax: 100,
  bodyBytesMax: 0,
  connectionsMax: 1000,
  descriptorsMax: 1000,
  heldBytesExtra: 0,
  underscoreHeaders: "drop",
  http2: true,
  h2StreamsMax: 128,
  wsMessageBytesMax: 0,
  wsPingIntervalMs: 0,
  wsPingTimeoutMs: 0,
  wsCloseTimeoutMs: 1000,
  wsDeflate: false,
};
