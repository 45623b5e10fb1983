/** Socket addresses between text and the kernel's structs. Pure. */
import { AF_INET, AF_INET6, AF_UNIX, readFamily, writeFamily } from "./libc.ts";

/** Bytes of sun_path, its final NUL included (unix(7)). */
export const UNIX_PATH_BYTES_MAX: number = process.platform === "darwin" ? 103 : 107;

/** A numeric address, as a lookup gives it. */
export interface IpAddress {
  readonly host: string;
  readonly port: number;
  /** The interface number of a link-local address, else 0. */
  readonly scope: number;
}

export function encodeIp({ host, port, scope }: IpAddress): Uint8Array {
  return host.includes(":") ? encodeV6(host, port, scope) : encodeV4(host, port);
}

function encodeV4(host: string, port: number): Uint8Array {
  const address = new Uint8Array(16);
  writeFamily(address, AF_INET);
  new DataView(address.buffer).setUint16(2, port);
  address.set(host.split(".").map(Number), 4);
  return address;
}

function encodeV6(host: string, port: number, scope: number): Uint8Array {
  const address = new Uint8Array(28);
  writeFamily(address, AF_INET6);
  const view = new DataView(address.buffer);
  view.setUint16(2, port);
  groupsOf(host).forEach((group, at) => view.setUint16(8 + 2 * at, group));
  view.setUint32(24, scope, true);
  return address;
}

/** The eight groups of an IPv6 address that is known to be valid. */
function groupsOf(host: string): number[] {
  // The URL parser turns every spelling (a dotted tail too) into hexadecimal groups.
  const plain = host.replace(/%.*$/, "");
  const text = new URL(`http://[${plain}]/`).hostname.slice(1, -1);
  const [head = "", tail] = text.split("::");
  const parse = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const left = parse(head);
  if (tail === undefined) return left;
  const right = parse(tail);
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

/** The path must fit: see UNIX_PATH_BYTES_MAX. */
export function encodeUnix(path: string): Uint8Array {
  const bytes = Buffer.from(path);
  const address = new Uint8Array(2 + bytes.length + 1);
  writeFamily(address, AF_UNIX);
  address.set(bytes, 2);
  return address;
}

/** An abstract socket: its name begins with a NUL and ends where the address does (unix(7)). */
export function encodeAbstract(name: string): Uint8Array {
  const bytes = Buffer.from(name);
  const address = new Uint8Array(3 + bytes.length);
  writeFamily(address, AF_UNIX);
  address.set(bytes, 3);
  return address;
}

export interface LocalAddress {
  readonly kind: "tcp" | "unix";
  /** `127.0.0.1:8000`, `[::1]:8000`, a path, `@name` of an abstract socket; empty: a unix socket without an address. */
  readonly text: string;
  readonly port: number;
}

/** Null: of a family that is not served. */
export function decodeAddress(address: Uint8Array): LocalAddress | null {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  const family = readFamily(address);
  if (family === AF_INET) {
    const port = view.getUint16(2);
    return { kind: "tcp", text: `${address.subarray(4, 8).join(".")}:${port}`, port };
  }
  if (family === AF_INET6) {
    const groups = Array.from({ length: 8 }, (_, at) => view.getUint16(8 + 2 * at).toString(16));
    const host = new URL(`http://[${groups.join(":")}]/`).hostname;
    const port = view.getUint16(2);
    return { kind: "tcp", text: `${host}:${port}`, port };
  }
  if (family !== AF_UNIX) return null;
  const path = address.subarray(2);
  const end = path.indexOf(0);
  // A name of another program's choice may hold anything: it must not write to the terminal.
  if (end === 0) {
    const text = Buffer.from(path)
      .toString()
      .replace(/\p{Cc}/gu, "@");
    return { kind: "unix", text, port: 0 };
  }
  const text = Buffer.from(end === -1 ? path : path.subarray(0, end)).toString();
  return { kind: "unix", text, port: 0 };
}
