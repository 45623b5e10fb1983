/**
 * The header of the PROXY protocol (HAProxy's specification, versions 1 and 2), with which a load balancer that passes bytes on begins a
 * connection: who the client is and where it connected to. Pure: all bytes that have come so far go in.
 */
import { addressOf, isAddress, plainAddress } from "../core/networks.ts";
import type { ErrorCode } from "../core/errors.ts";
import { ascii } from "./grammar.ts";

/** Which versions are spoken. */
export type ProxyVersions = "v1" | "v2" | "auto";

export interface ProxyEnds {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly targetAddress: string;
  readonly targetPort: number;
}

export interface ProxyHeader {
  readonly kind: "header";
  /** Bytes of the header. */
  readonly length: number;
  /** Null: the ends are those of the socket (LOCAL, UNKNOWN, what is neither IPv4 nor IPv6). */
  readonly ends: ProxyEnds | null;
}

export type ProxyRead =
  ProxyHeader | { readonly kind: "more" } | { readonly kind: "refused"; readonly code: ErrorCode };

const V1_START = ascii("PROXY ");
/** With CR LF (section 2.1). */
const V1_BYTES_MAX = 107;
const V1_LINE = /^PROXY (?:(TCP[46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})|UNKNOWN(?: [^\r\n]*)?)$/;
const V1_PORT = /^(?:0|[1-9]\d*)$/;
const PORT_MAX = 65_535;

const V2_START = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10);
const V2_FIXED_BYTES = 16;
const V2_VERSION = 2;
const LOCAL = 0;
const PROXY = 1;
const FAMILY_MAX = 3;
const TRANSPORT_MAX = 2;
const STREAM = 1;
/** Bytes of one address by family: AF_INET, AF_INET6. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 1: 4, 2: 16 };

const MORE: ProxyRead = { kind: "more" };
const MISSING: ProxyRead = { kind: "refused", code: "proxy-header-missing" };
const INVALID: ProxyRead = { kind: "refused", code: "proxy-header-invalid" };

export function readProxyHeader(bytes: Uint8Array, versions: ProxyVersions): ProxyRead {
  const v1 = versions !== "v2" && agrees(bytes, V1_START);
  const v2 = versions !== "v1" && agrees(bytes, V2_START);
  if (!v1 && !v2) return MISSING;
  return v1 ? readV1(bytes) : readV2(bytes);
}

/** Are the bytes the beginning of `start`, or do they begin with it? */
function agrees(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, i) => i >= bytes.length || bytes[i] === byte);
}

function readV1(bytes: Uint8Array): ProxyRead {
  const feed = bytes.subarray(0, V1_BYTES_MAX).indexOf(10);
  if (feed < 0) return bytes.length < V1_BYTES_MAX ? MORE : INVALID;
  if (bytes[feed - 1] !== 13) return INVALID;
  const line = Buffer.from(bytes.subarray(0, feed - 1)).toString("latin1");
  const match = V1_LINE.exec(line);
  if (match === null) return INVALID;
  const [, family, source = "", target = "", sourcePort = "", targetPort = ""] = match;
  const length = feed + 1;
  if (family === undefined) return { kind: "header", length, ends: null };
  const right =
    isOf(family, source) && isOf(family, target) && isPort(sourcePort) && isPort(targetPort);
  if (!right) return INVALID;
  const ends = {
    sourceAddress: plainAddress(source),
    sourcePort: Number(sourcePort),
    targetAddress: plainAddress(target),
    targetPort: Number(targetPort),
  };
  return { kind: "header", length, ends };
}

function isOf(family: string, address: string): boolean {
  return isAddress(address) && address.includes(":") === (family === "TCP6");
}

function isPort(text: string): boolean {
  return V1_PORT.test(text) && Number(text) <= PORT_MAX;
}

function readV2(bytes: Uint8Array): ProxyRead {
  if (bytes.length < V2_FIXED_BYTES) return MORE;
  const [command, way] = [bytes[12]!, bytes[13]!];
  const [family, transport] = [way >> 4, way & 15];
  const length = V2_FIXED_BYTES + bytes[14]! * 256 + bytes[15]!;
  if (command >> 4 !== V2_VERSION || (command & 15) > PROXY) return INVALID;
  if (family > FAMILY_MAX || transport > TRANSPORT_MAX) return INVALID;
  const size = ADDRESS_BYTES[family];
  const named = (command & 15) !== LOCAL && size !== undefined && transport === STREAM;
  if (named && length < V2_FIXED_BYTES + 2 * size + 4) return INVALID;
  if (bytes.length < length) return MORE;
  if (!named) return { kind: "header", length, ends: null };
  // What follows the ports (type-length-value fields, section 2.2) says nothing that is needed here.
  const portsAt = V2_FIXED_BYTES + 2 * size;
  const ends = {
    sourceAddress: addressOf(bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + size)),
    sourcePort: bytes[portsAt]! * 256 + bytes[portsAt + 1]!,
    targetAddress: addressOf(bytes.subarray(V2_FIXED_BYTES + size, portsAt)),
    targetPort: bytes[portsAt + 2]! * 256 + bytes[portsAt + 3]!,
  };
  return { kind: "header", length, ends };
}
