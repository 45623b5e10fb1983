/** What opening a listening socket gives: the socket, or why not and what helps. */
import type { GatewayProtocol } from "../config/bind.ts";

export interface Listener {
  readonly fd: number;
  readonly kind: "tcp" | "unix";
  /** As bound, with the real port: `127.0.0.1:8000`, `[::1]:8000`, a path, or `@name`. */
  readonly address: string;
  /** 0 for unix sockets. */
  readonly port: number;
  /** What clients speak on it. */
  readonly protocol: "http" | GatewayProtocol;
  /** How --bind names it when somebody else has made it: `fd://web.socket`, `fd://3`; else null. */
  readonly passedAs: string | null;
  /** The port of HTTPS that clients of this socket are sent to; null: it serves. */
  readonly redirectTo: number | null;
  /** Removes what the socket left in the file system. */
  remove(): void;
}

export type OpenFailureCode =
  "in-use" | "permission" | "address" | "path-too-long" | "descriptor" | "system";

export interface OpenFailure {
  readonly code: OpenFailureCode;
  readonly message: string;
  readonly remedy: string;
}

export type OpenResult =
  | { readonly ok: true; readonly listener: Listener }
  | { readonly ok: false; readonly failure: OpenFailure };

export function failure(code: OpenFailureCode, message: string, remedy: string): OpenResult {
  return { ok: false, failure: { code, message, remedy } };
}
