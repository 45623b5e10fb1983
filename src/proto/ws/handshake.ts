/**
 * The opening handshake, seen from the server: RFC 6455 section 4.2 over HTTP/1.1, RFC 8441 over HTTP/2 and 3. Pure functions over a
 * request's head; the app's part (subprotocol, further fields) is put into the answer by the caller.
 */
import { chooseDeflate, type DeflateParams, parseOffers } from "./extensions.ts";

/** What is read of a request; repeated fields are joined by ", ". */
export interface HandshakeRequest {
  readonly method: string;
  /** 10, 11, 20, 30. */
  readonly version: number;
  /** Body bytes announced; 0 none; -1 chunked. */
  readonly contentLength: number;
  /** The value of a field by lower-case name, or null. */
  field(name: string): string | null;
}

export type Handshake =
  /** It asks for something else. */
  | { readonly kind: "none" }
  /** `fields`: lines of the answer, each with its CR LF. */
  | {
      readonly kind: "refused";
      readonly status: 400 | 426;
      readonly why: string;
      readonly fields: string;
    }
  /** `key`: of the client, empty over HTTP/2 and 3. `deflate`: null when messages are not compressed. */
  | { readonly kind: "valid"; readonly key: string; readonly deflate: DeflateParams | null };

const NONE: Handshake = { kind: "none" };
const VERSION = "13";
/** RFC 6455 section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** A request over HTTP/1. One of HTTP/1.0 cannot upgrade (RFC 9110 section 7.8). */
export function checkUpgrade(request: HandshakeRequest, deflate: boolean): Handshake {
  if (request.version !== 11 || !names(request.field("upgrade"), "websocket")) return NONE;
  if (!names(request.field("connection"), "upgrade")) return NONE;
  // What follows such a head could be read as frames by one and as a body by another.
  if (request.method !== "GET" || request.contentLength !== 0) {
    return refuse("A WebSocket handshake is a GET request without a body.");
  }
  const version = checkVersion(request);
  if (version !== null) return version;
  const key = request.field("sec-websocket-key");
  if (key === null || !KEY.test(key)) {
    return refuse("Sec-WebSocket-Key is not 16 bytes in base64.");
  }
  return negotiate(request, key, deflate);
}

/** A CONNECT request whose `:protocol` is websocket (RFC 8441 section 5): without key, Upgrade and Connection. */
export function checkExtendedConnect(request: HandshakeRequest, deflate: boolean): Handshake {
  return checkVersion(request) ?? negotiate(request, "", deflate);
}

/** The value of Sec-WebSocket-Accept for a client's key. */
export function acceptKey(key: string): string {
  return new Bun.CryptoHasher("sha1").update(key + GUID).digest("base64");
}

/**
 * Field lines of the answer that takes the handshake, each with its CR LF: after `HTTP/1.1 101 Switching Protocols` or, without a key, in
 * the 200 of HTTP/2 and 3.
 */
export function acceptFields(key: string, deflate: DeflateParams | null): string {
  let lines = "";
  if (key !== "") {
    lines = `upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${acceptKey(key)}\r\n`;
  }
  if (deflate !== null) lines += `sec-websocket-extensions: ${deflate.answer}\r\n`;
  return lines;
}

function checkVersion(request: HandshakeRequest): Handshake | null {
  if (request.field("sec-websocket-version") === VERSION) return null;
  return {
    kind: "refused",
    status: 426,
    why: `Only version ${VERSION} of the WebSocket protocol is spoken here.`,
    fields: `sec-websocket-version: ${VERSION}\r\n`,
  };
}

function negotiate(request: HandshakeRequest, key: string, deflate: boolean): Handshake {
  const field = request.field("sec-websocket-extensions");
  const offers = field === null ? [] : parseOffers(field);
  if (offers === null) return refuse("Sec-WebSocket-Extensions is malformed.");
  return { kind: "valid", key, deflate: deflate ? chooseDeflate(offers) : null };
}

function refuse(why: string): Handshake {
  return { kind: "refused", status: 400, why, fields: "" };
}

/** Is `word` a member of the comma-separated list, whatever its case? */
function names(list: string | null, word: string): boolean {
  if (list === null) return false;
  return list.split(",").some((member) => member.trim().toLowerCase() === word);
}
