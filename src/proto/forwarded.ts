/**
 * What proxies say about a request they pass on: X-Forwarded-For, -Proto, -Host, -Port, -Prefix, and Forwarded (RFC 7239). The same for
 * every version of HTTP. Pure.
 *
 * Only a trusted peer is believed; a field of this kind from anybody else must not reach the app (`take`), used or not. Each proxy appends
 * what it knows to the right, so addresses are read from there: those of our own proxies are passed over, and the first that is none
 * of them is the client, because the last proxy of ours has seen it. What is to the left of it anybody may have written. Of a
 * field with several values the one belongs to the client that is as far from the right, or the left-most when there are fewer.
 */
import { isAddress, plainAddress } from "../core/networks.ts";
import type { ErrorCode } from "../core/errors.ts";
import { startsWithAt } from "../core/bytes.ts";
import { validHost } from "./fields.ts";
import { ascii } from "./grammar.ts";

/** Those that can be used; which are is the operator's choice, because a proxy passes on those it does not set. */
export const FORWARDING_FIELDS = [
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "forwarded",
] as const;
const [FOR, PROTO, HOST, PORT_FIELD, PREFIX_FIELD, FORWARDED] = [0, 1, 2, 3, 4, 5];

/** As they stand in head blocks of either form. */
const SPELLINGS: readonly Uint8Array[] = FORWARDING_FIELDS.flatMap((name) => [
  ascii(name),
  ascii(name.toUpperCase().replaceAll("-", "_")),
]);

/** An address on the way, and whether it is that of a proxy of ours. */
interface Hop {
  readonly address: string;
  readonly port: number;
  readonly proxy: boolean;
}

/** Hops remembered, and the longest: the clients of a proxy come again and again. */
const HOPS_MAX = 4096;
const HOP_CHARS_MAX = 64;

/** What applies to the requests of trusted peers. */
export class ForwardingPolicy {
  /** By index of FORWARDING_FIELDS: it is used. */
  readonly uses: readonly boolean[];
  readonly #isProxy: (address: string) => boolean;
  readonly #hops = new Map<string, Hop | null>();

  /** `fields`: names of those that are used. `isProxy`: is this the address of a proxy of ours? */
  constructor(fields: readonly string[], isProxy: (address: string) => boolean) {
    this.uses = FORWARDING_FIELDS.map((name) => fields.includes(name));
    this.#isProxy = isProxy;
  }

  /** What a hop is said to be, or null when that is no address. */
  hop(text: string): Hop | null {
    const known = this.#hops.get(text);
    if (known !== undefined) return known;
    const node = nodeOf(text);
    const hop = node === null ? null : { ...node, proxy: this.#isProxy(node.address) };
    if (text.length > HOP_CHARS_MAX) return hop;
    if (this.#hops.size >= HOPS_MAX) this.#hops.clear();
    this.#hops.set(text, hop);
    return hop;
  }
}

/** Null: the peer is not trusted. Asked once, when the first field of this kind comes. */
export type ForwardingSource = () => ForwardingPolicy | null;

export interface ForwardingOptions {
  /** Without it nobody is trusted. */
  readonly forwarding?: ForwardingSource;
}

/** What a request is said to be; null and 0 where nothing is said. */
export interface Forwarded {
  readonly client: string | null;
  readonly clientPort: number;
  readonly scheme: "http" | "https" | null;
  /** With its port, when that is not the scheme's own. */
  readonly host: string | null;
  readonly port: number;
  /** Path under which the app is mounted: empty, or it begins with / and does not end with one. */
  readonly prefix: string | null;
  /** For the one who makes head blocks: the constant part that goes with this. */
  constant: Buffer | null;
}

type Said = Omit<Forwarded, "constant">;
interface Node {
  readonly address: string;
  readonly port: number;
}
/** By index of FORWARDING_FIELDS. Lines of one name are joined by a line feed, which no value can hold. */
type Values = (string | undefined)[];

const nativeToString = Buffer.prototype.toString;

const SCHEMES: ReadonlyMap<string, "http" | "https"> = new Map([
  ["http", "http"],
  ["https", "https"],
  ["ws", "http"],
  ["wss", "https"],
]);
const NO_ITEMS: readonly string[] = [];
const DEFAULT_PORTS = { http: 80, https: 443 } as const;
const NODE = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}|_[\w.-]+))?$/;
const PORT = /^[1-9]\d{0,4}$/;
const PORT_MAX = 65_535;
/** No escapes: they would be decoded once more or once less by somebody. */
const PREFIX = /^(?:\/[\w.~!$&'()*+,;=:@-]+)*\/?$/;
const DOT_SEGMENT = /\/\.\.?(?:\/|$)/;
/** An element's next pair and what ends it, or an empty element or pair (RFC 7239 section 4). */
const PAIR =
  /[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"((?:[^"\\]|\\.)*)"))?[ \t]*([;,]|$)/y;

/** Collects the forwarding fields of one head after the other. */
export class ForwardingReader {
  /** After `conclude`; it stays until the next `begin`. */
  result: Forwarded | null = null;
  readonly #source: ForwardingSource | undefined;
  #policy: ForwardingPolicy | null | undefined;
  #values: Values = [];

  constructor(source: ForwardingSource | undefined) {
    this.#source = source;
  }

  /** A head begins. */
  begin(): void {
    this.result = null;
    if (this.#values.length > 0) this.#values = [];
  }

  /** A forwarding field by its lower-case name. False: it must not reach the app. */
  take(name: string, value: string): boolean {
    const block = Buffer.from(`${name}\0${value}`, "latin1");
    return this.takeFrom(block, 0, name.length + 1, block.length);
  }

  /** The same for a field in a head block: its name, a NUL, and its value. */
  takeFrom(block: Uint8Array, nameAt: number, valueAt: number, end: number): boolean {
    if (this.#policy === undefined) this.#policy = this.#source?.() ?? null;
    if (this.#policy === null) return false;
    const field = fieldIndex(block, nameAt, valueAt - 1 - nameAt);
    if (this.#policy.uses[field] !== true) return true;
    const value = nativeToString.call(block, "latin1", valueAt, end);
    const before = this.#values[field];
    this.#values[field] = before === undefined ? value : `${before}\n${value}`;
    return true;
  }

  /** All fields of the head have come: null, or what is wrong. */
  conclude(): ErrorCode | null {
    if (!this.#policy || this.#values.length === 0) return null;
    const said = resolve(this.#values, this.#policy);
    if (typeof said === "string") return said;
    this.result = said === null ? null : { ...said, constant: null };
    return null;
  }
}

/** -1: it is one that cannot be used. */
function fieldIndex(block: Uint8Array, at: number, length: number): number {
  const found = SPELLINGS.findIndex(
    (name) => name.length === length && startsWithAt(block, at, name, length),
  );
  return found < 0 ? found : found >> 1;
}

/** What a trusted peer has said, null for nothing, or what is wrong with it. */
function resolve(values: Values, policy: ForwardingPolicy): Said | ErrorCode | null {
  const standard = fromForwarded(values[FORWARDED], policy);
  const legacy = fromFields(values, policy);
  if (typeof legacy === "string" || typeof standard === "string") {
    return typeof legacy === "string" ? legacy : standard;
  }
  if (legacy === null || standard === null) return legacy ?? standard;
  // One of them may be the client's own, which its proxy has passed on.
  const agree =
    legacy.client === standard.client &&
    legacy.scheme === standard.scheme &&
    legacy.host === standard.host;
  if (!agree) return "forwarding-conflict";
  return { ...legacy, clientPort: legacy.clientPort || standard.clientPort };
}

/** X-Forwarded-*. */
function fromFields(values: Values, policy: ForwardingPolicy): Said | ErrorCode | null {
  const hops = itemsOf(values[FOR]);
  let client: Hop | null = null;
  let index = 0;
  for (let at = hops.length - 1; at >= 0; at--) {
    const hop = policy.hop(hops[at]!);
    // What is no address (`unknown`) ends the way: then the hop before it is the last that is known.
    if (hop === null) break;
    client = hop;
    index = hops.length - 1 - at;
    if (!hop.proxy) break;
  }
  const pick = (field: number): string | null => {
    const items = itemsOf(values[field]);
    return items[Math.max(0, items.length - 1 - index)] ?? null;
  };
  return judge(client, pick(PROTO), pick(HOST), pick(PORT_FIELD), pick(PREFIX_FIELD));
}

function fromForwarded(
  value: string | undefined,
  policy: ForwardingPolicy,
): Said | ErrorCode | null {
  if (value === undefined) return null;
  const elements: ReadonlyMap<string, string>[] = [];
  for (const line of value.split("\n")) {
    const read = readElements(line);
    if (read === null) return "forwarding-invalid";
    elements.push(...read);
  }
  elements.reverse();
  let element = elements[0];
  let client: Hop | null = null;
  for (const next of elements) {
    const hop = policy.hop(next.get("for") ?? "");
    if (hop === null) break;
    client = hop;
    element = next;
    if (!hop.proxy) break;
  }
  if (element === undefined) return null;
  return judge(client, element.get("proto") ?? null, element.get("host") ?? null, null, null);
}

function judge(
  client: Node | null,
  proto: string | null,
  hostText: string | null,
  portText: string | null,
  prefixText: string | null,
): Said | ErrorCode | null {
  const scheme = proto === null ? null : (SCHEMES.get(proto) ?? SCHEMES.get(proto.toLowerCase()));
  const port = portText === null ? 0 : portOf(portText);
  const prefix = prefixText === null ? null : prefixOf(prefixText);
  if (scheme === undefined || port < 0 || prefix === undefined) return "forwarding-invalid";
  if (hostText !== null && !isHost(hostText)) return "forwarding-invalid";
  if (client === null && scheme === null && hostText === null && port === 0 && prefix === null) {
    return null;
  }
  return {
    client: client?.address ?? null,
    clientPort: client?.port ?? 0,
    scheme,
    host: hostText === null ? null : withPort(hostText, port, scheme),
    port,
    prefix,
  };
}

/** The members of a list; empty ones are none (RFC 9110 section 5.6.1.2). */
function itemsOf(list: string | undefined): readonly string[] {
  if (list === undefined || list === "") return NO_ITEMS;
  if (!list.includes(",") && !list.includes("\n")) return [list];
  return list.split(/[,\n]/).flatMap((item) => item.trim() || []);
}

/** The elements of one line, or null where it breaks the grammar. Each line on its own: no quote reaches into the next. */
function readElements(value: string): ReadonlyMap<string, string>[] | null {
  const elements: Map<string, string>[] = [];
  let element = new Map<string, string>();
  PAIR.lastIndex = 0;
  for (;;) {
    const match = PAIR.exec(value);
    if (match === null) return null;
    const [, name, token, quoted, end] = match;
    if (name !== undefined) {
      const key = name.toLowerCase();
      if (element.has(key)) return null;
      element.set(key, token ?? (quoted ?? "").replace(/\\(.)/g, "$1"));
    }
    if (end === ";") continue;
    if (element.size > 0) elements.push(element);
    if (end === "") return elements;
    element = new Map();
  }
}

/** `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`; null when it is none of these. */
function nodeOf(text: string): Node | null {
  if (isAddress(text)) return { address: plainAddress(text), port: 0 };
  const [matched, bracketed, bare, port] = NODE.exec(text) ?? [];
  const address = bracketed ?? bare ?? "";
  if (matched === undefined || !isAddress(address)) return null;
  if (address.includes(":") !== (bracketed !== undefined)) return null;
  const number = Number(port);
  return { address: plainAddress(address), port: number > 0 && number <= PORT_MAX ? number : 0 };
}

/** -1: it is none. */
function portOf(text: string): number {
  const port = PORT.test(text) ? Number(text) : -1;
  return port > PORT_MAX ? -1 : port;
}

function prefixOf(text: string): string | undefined {
  if (!PREFIX.test(text) || DOT_SEGMENT.test(text)) return undefined;
  return text.endsWith("/") ? text.slice(0, -1) : text;
}

function isHost(text: string): boolean {
  const bytes = Buffer.from(text, "latin1");
  return bytes.length > 0 && !text.startsWith(":") && validHost(bytes, 0, bytes.length);
}

/** The port that a client has used belongs to its Host, unless it is the usual one. */
function withPort(host: string, port: number, scheme: "http" | "https" | null): string {
  const named = /:\d*$/.test(host.slice(host.lastIndexOf("]") + 1));
  if (named || port === 0 || port === DEFAULT_PORTS[scheme ?? "http"]) return host;
  return `${host}:${port}`;
}
