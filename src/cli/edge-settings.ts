/** What an edge process is told by the supervisor, and what its parts get of that. */
import type { Config } from "../config/config.ts";
import { Networks } from "../core/networks.ts";
import type { PoolOptions } from "../dispatch/pool.ts";
import type { EdgeSettings } from "../edge/context.ts";
import type { ListenerSpec } from "../edge/edge.ts";
import type { ForwardingTrust } from "../edge/peer.ts";
import { ForwardingPolicy } from "../proto/forwarded.ts";
import { RESPONSE_WINDOW_BYTES } from "../wire/spec.ts";

/** Descriptors that an edge needs besides its clients. */
const DESCRIPTORS_RESERVED = 96;

/** At its start, and after each reload: then only `config` may differ. */
export interface EdgeConfig {
  config: Config;
  index: number;
  listeners: ListenerSpec[];
  socketPath: string;
  lifelinePath: string;
  /** Open files that this process may have. */
  descriptorsMax: number;
}

/** Read anew after each reload. */
export function edgeSettings(message: EdgeConfig): EdgeSettings {
  const { config } = message;
  const descriptorsMax = Math.max(1, message.descriptorsMax - DESCRIPTORS_RESERVED);
  return {
    trust: trustOf(config),
    proxyProtocol: config.proxyProtocol,
    proxyAllow: new Networks(config.proxyAllowIps),
    backlog: config.backlog,
    keepAliveMs: config.keepAliveMs,
    headerTimeoutMs: config.headerTimeoutMs,
    bodyIdleTimeoutMs: config.bodyIdleTimeoutMs,
    bodyRateBytesMin: config.bodyRateBytesMin,
    sendTimeoutMs: config.sendTimeoutMs,
    timeoutMs: config.timeoutMs,
    requestLineBytesMax: config.requestLineBytesMax,
    headerBytesMax: config.headerBytesMax,
    headerFieldBytesMax: config.headerFieldBytesMax,
    headerCountMax: config.headerCountMax,
    bodyBytesMax: config.bodyBytesMax,
    connectionsMax: Math.min(config.connections, descriptorsMax),
    descriptorsMax,
    heldBytesExtra: config.responseBufferBytes - RESPONSE_WINDOW_BYTES,
    underscoreHeaders: config.underscoreHeaders,
    http2: config.http2,
    h2StreamsMax: config.http2Streams,
    wsMessageBytesMax: config.wsMaxSizeBytes,
    wsPingIntervalMs: config.wsPingIntervalMs,
    wsPingTimeoutMs: config.wsPingTimeoutMs,
    wsCloseTimeoutMs: config.wsCloseTimeoutMs,
    wsDeflate: config.wsPerMessageDeflate,
  };
}

function trustOf(config: Config): ForwardingTrust {
  const proxies = new Networks(config.forwardedAllowIps);
  const isProxy = (address: string): boolean => proxies.names(address);
  return { proxies, policy: new ForwardingPolicy(config.forwardedHeaders, isProxy) };
}

/** With its share of the jitter, in [0, 1); of several edges each counts its part of the requests. */
export function requestsMax(
  { maxRequests, maxRequestsJitter, edges }: Config,
  share: number,
): number {
  if (maxRequests === 0) return Infinity;
  const jitter = Math.floor(share * (maxRequestsJitter + 1));
  return Math.max(1, Math.ceil((maxRequests + jitter) / Math.max(1, edges)));
}

export function poolOptions(config: Config): PoolOptions {
  return {
    queueMax: config.queue,
    queueTimeoutMs: config.queueTimeoutMs,
    interruptMs: config.interruptMs,
    silentMs: config.timeoutMs,
  };
}
