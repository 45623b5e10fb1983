/** What all client connections of an edge share. */
import type { ErrorCode } from "../core/errors.ts";
import type { Networks } from "../core/networks.ts";
import type { Backend } from "../exchange/exchange.ts";
import type { AccessLog } from "../observe/access-log.ts";
import type { ProxyVersions } from "../proto/proxy-protocol.ts";
import type { FileGate } from "./file-gate.ts";
import type { Health } from "./health.ts";
import type { ForwardingTrust } from "./peer.ts";
import type { Sweeper } from "./sweeper.ts";

export interface EdgeSettings {
  /** Who may say what a request was like before it came to them. */
  trust: ForwardingTrust;
  /** Connections begin with a header of the PROXY protocol, of these versions. */
  proxyProtocol: "off" | ProxyVersions;
  /** Who may send one. */
  proxyAllow: Networks;
  /** Connections that the kernel holds for each listening socket. */
  backlog: number;
  keepAliveMs: number;
  headerTimeoutMs: number;
  bodyIdleTimeoutMs: number;
  /** Bytes a second that a request body must bring after the first seconds; 0: no minimum. */
  bodyRateBytesMin: number;
  sendTimeoutMs: number;
  timeoutMs: number;
  requestLineBytesMax: number;
  headerBytesMax: number;
  headerFieldBytesMax: number;
  headerCountMax: number;
  bodyBytesMax: number;
  connectionsMax: number;
  /** Descriptors that client connections and the files sent to them may take together. */
  descriptorsMax: number;
  /** Response bytes held for a slow client beyond the window of the wire. */
  heldBytesExtra: number;
  underscoreHeaders: "drop" | "refuse";
  /** HTTP/2 is spoken. */
  http2: boolean;
  /** Requests that an HTTP/2 connection may have under way. */
  h2StreamsMax: number;
  /** Bytes of a WebSocket message, decompressed; 0: no limit. */
  wsMessageBytesMax: number;
  /** Silence after which a WebSocket client is pinged; 0: never. */
  wsPingIntervalMs: number;
  /** How long something must come after a ping; 0: it need not. */
  wsPingTimeoutMs: number;
  /** How long a client's Close frame is awaited after ours. */
  wsCloseTimeoutMs: number;
  /** permessage-deflate is agreed to. */
  wsDeflate: boolean;
}

export interface EdgeCounts {
  connections: number;
  accepted: number;
  requests: number;
  bytesIn: number;
  bytesOut: number;
  headersDropped: number;
  /** Client connections that ended in the middle of an exchange. */
  aborted: number;
  /** Refusals by code. */
  refused: Partial<Record<ErrorCode, number>>;
}

export interface EdgeContext {
  readonly settings: EdgeSettings;
  readonly backend: Backend;
  readonly sweeper: Sweeper;
  readonly counts: EdgeCounts;
  readonly files: FileGate;
  /** Null: there are no health endpoints. */
  readonly health: Health | null;
  readonly accessLog: AccessLog | null;
  /** Log one line about a refused request. */
  readonly onRefused: (code: ErrorCode, client: string, detail: string) => void;
  /** A peer that is no trusted proxy sends forwarding headers: log it, not too often. */
  readonly onUntrusted: (peer: string) => void;
  /** Log one line about a response that could not be completed. */
  readonly onCut: (what: string, client: string, request: string) => void;
  /** The server is going away: all clients have been told, and newcomers are. */
  stopping: boolean;
  /** While it goes: open WebSockets stay as they are, for a successor serves and they have time. */
  socketsStay: boolean;
  onClosed(): void;
}
