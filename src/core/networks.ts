/**
 * IP addresses as text, and lists of networks they may be in (CIDR, RFC 4632 and RFC 4291 section 2.3). An IPv4 address that came to an
 * IPv6 socket (`::ffff:192.0.2.1`) is the IPv4 address. Leading zeros are refused: some readers take them for octal. Pure.
 */

const IPV4_BITS = 32;
const IPV6_BITS = 128;
const IPV4_PART = /^(?:0|[1-9]\d{0,2})$/;
const IPV6_GROUP = /^[0-9a-fA-F]{1,4}$/;
const IPV6_GROUPS = 8;
/** `::ffff:0:0/96` (RFC 4291 section 2.5.5.2). */
const MAPPED_PREFIX = "::ffff:";

/** What a list may hold beside addresses: anybody who comes by a unix socket, and anybody at all. */
const UNIX = "unix";
const ANYBODY = "*";
/** For a list that nobody is in. */
const NOBODY = "none";

/** 16-bit groups: two of IPv4, eight of IPv6. */
type Groups = readonly number[];

interface Network {
  readonly groups: Groups;
  readonly bits: number;
}

/** The address without what only an IPv6 socket adds to it; the text as it is when it is no address. */
export function plainAddress(text: string): string {
  const mapped = text.toLowerCase().startsWith(MAPPED_PREFIX) && text.includes(".");
  return mapped ? text.slice(MAPPED_PREFIX.length) : text;
}

export function isAddress(text: string): boolean {
  return groupsOf(text) !== null;
}

/** What is wrong with an entry of a list, as the rest of a sentence; null when nothing is. */
export function networkComplaint(text: string): string | null {
  if (text === UNIX || text === ANYBODY || text === NOBODY) return null;
  const slash = text.indexOf("/");
  const groups = groupsOf(slash < 0 ? text : text.slice(0, slash));
  if (groups === null) return "is no IP address";
  if (slash < 0) return null;
  const bits = lengthOf(text.slice(slash + 1), groups);
  if (bits < 0) return `has no length between 0 and ${groups.length * 16} after the slash`;
  return isClear(groups, bits) ? null : "has bits set behind its length";
}

/** Who is in a list of addresses, networks, `unix` and `*`. Entries that are none of these are nobody. */
export class Networks {
  /** Everybody is in it. */
  readonly everybody: boolean;
  /** Whoever comes by a unix socket is in it. */
  readonly unix: boolean;
  readonly #networks: readonly Network[];

  constructor(entries: readonly string[]) {
    this.everybody = entries.includes(ANYBODY);
    this.unix = this.everybody || entries.includes(UNIX);
    this.#networks = entries.flatMap((entry) => {
      const network = networkOf(entry);
      return network === null ? [] : [network];
    });
  }

  /** Is the address named, on its own or by its network? `*` names none. */
  names(address: string): boolean {
    const groups = groupsOf(address);
    return groups !== null && this.#networks.some((network) => isInside(groups, network));
  }

  /** `unix`: it has come by a unix socket; then its address says nothing. */
  includes(address: string, unix: boolean): boolean {
    return this.everybody || (unix ? this.unix : this.names(address));
  }
}

function networkOf(entry: string): Network | null {
  if (networkComplaint(entry) !== null) return null;
  const [address = "", length] = entry.split("/", 2);
  const groups = groupsOf(address);
  if (groups === null) return null;
  return { groups, bits: length === undefined ? groups.length * 16 : lengthOf(length, groups) };
}

/** Bits of a prefix, or -1. */
function lengthOf(text: string, groups: Groups): number {
  const bits = /^\d{1,3}$/.test(text) ? Number(text) : -1;
  return bits <= (groups.length === IPV6_GROUPS ? IPV6_BITS : IPV4_BITS) ? bits : -1;
}

/** Is nothing set behind the first `bits`? */
function isClear(groups: Groups, bits: number): boolean {
  return groups.every((group, i) => (group & maskOf(bits - 16 * i)) === group);
}

function isInside(groups: Groups, network: Network): boolean {
  if (groups.length !== network.groups.length) return false;
  return groups.every((group, i) => {
    const mask = maskOf(network.bits - 16 * i);
    return (group & mask) === (network.groups[i]! & mask);
  });
}

/** The first `bits` of a group. */
function maskOf(bits: number): number {
  if (bits >= 16) return 0xffff;
  return bits <= 0 ? 0 : (0xffff << (16 - bits)) & 0xffff;
}

function groupsOf(text: string): Groups | null {
  const plain = plainAddress(text);
  if (!plain.includes(":")) return ipv4Groups(plain);
  const groups = ipv6Groups(plain);
  const mapped =
    groups !== null && groups[5] === 0xffff && groups.every((g, i) => i > 4 || g === 0);
  return mapped ? groups.slice(6) : groups;
}

function ipv4Groups(text: string): Groups | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const [a = 0, b = 0, c = 0, d = 0] = parts.map((part) => {
    return IPV4_PART.test(part) && Number(part) < 256 ? Number(part) : -1;
  });
  return Math.min(a, b, c, d) < 0 ? null : [a * 256 + b, c * 256 + d];
}

function ipv6Groups(text: string): Groups | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const first = groupList(halves[0] ?? "", halves.length === 1);
  const second = halves.length === 1 ? [] : groupList(halves[1] ?? "", true);
  if (first === null || second === null) return null;
  const left = IPV6_GROUPS - first.length - second.length;
  if (halves.length === 1 ? left !== 0 : left < 1) return null;
  return [...first, ...Array<number>(left).fill(0), ...second];
}

/** `last`: the address ends here, and may end as one of IPv4. */
function groupList(text: string, last: boolean): number[] | null {
  if (text === "") return [];
  const words = text.split(":");
  const groups: number[] = [];
  for (const [i, word] of words.entries()) {
    if (IPV6_GROUP.test(word)) groups.push(Number.parseInt(word, 16));
    else {
      const quad = last && i === words.length - 1 ? ipv4Groups(word) : null;
      if (quad === null) return null;
      groups.push(...quad);
    }
  }
  return groups;
}

/** An address of 4 or 16 bytes as text (RFC 5952). */
export function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: IPV6_GROUPS }, (_, i) => {
    return (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16);
  });
  const text = groups.join(":");
  if (text.startsWith("0:0:0:0:0:ffff:")) return bytes.subarray(12).join(".");
  // The longest run of zeros, the first of several.
  let longest = "";
  for (const [run] of `:${text}:`.matchAll(/(?<=:)0(?::0)+(?=:)/g)) {
    if (run.length > longest.length) longest = run;
  }
  if (longest === "") return text;
  const at = `:${text}:`.indexOf(`:${longest}:`);
  return `${text.slice(0, Math.max(0, at - 1))}::${text.slice(at + longest.length + 1)}`;
}
