/**
 * What the readers of uwsgi, SCGI and FastCGI have in common: a web server in front sends a request as variables (RFC 3875, CGI) and a
 * body. Sans-IO: bytes go in by `feed`, events come out.
 */

import type { Variables } from "./variables.ts";

export type GatewayEvent =
  | { readonly t: "head"; readonly variables: Variables }
  /** A part of the body; a view of what was fed. */
  | { readonly t: "body"; readonly data: Buffer }
  /** The body is over. Only FastCGI says so: the others have CONTENT_LENGTH alone. */
  | { readonly t: "end" }
  /** The web server gives the request up (FastCGI). */
  | { readonly t: "abort" }
  /** To be sent back at once (FastCGI). */
  | { readonly t: "reply"; readonly data: Buffer };

export interface GatewayReader {
  /** Throws GatewayError: nothing that follows can be understood. */
  feed(chunk: Buffer): readonly GatewayEvent[];
  /** The first bytes of a request have come. */
  readonly begun: boolean;
}

/** What came is not the protocol. The message is a clause: `the packet ...`. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
}

/** The variables of one request, together; a web server's configuration is what makes them grow. */
export const VARIABLES_BYTES_MAX: number = 256 * 1024;

/** Bytes that are not enough yet. */
export class Gathered {
  #bytes: Buffer = Buffer.alloc(0);

  add(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  get length(): number {
    return this.#bytes.length;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The first `count` bytes, which are there. */
  take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
}
