/**
 * A self-signed certificate (RFC 5280) with an ECDSA key on P-256, in DER by hand: it needs no program that a fresh machine may lack. For
 * development; nothing here is used while serving.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

export interface SelfSigned {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly key: string;
  readonly notAfter: Date;
}

/** The longest time that no client finds too long (Apple's systems look at it). */
const VALID_DAYS = 825;
const DAY_MS = 86_400_000;
/** Clocks of other machines may be behind. */
const EARLY_MS = DAY_MS;
const SERIAL_BYTES = 16;
const PEM_COLUMNS = 64;

/** Identifiers of X.690 section 8.1.2 and the universal types of X.680. */
const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  UTC_TIME: 0x17,
  SEQUENCE: 0x30,
  SET: 0x31,
  /** GeneralName: dNSName and iPAddress. */
  DNS_NAME: 0x82,
  IP_ADDRESS: 0x87,
  VERSION: 0xa0,
  EXTENSIONS: 0xa3,
} as const;

const Oid = {
  COMMON_NAME: "2.5.4.3",
  SUBJECT_KEY_IDENTIFIER: "2.5.29.14",
  KEY_USAGE: "2.5.29.15",
  SUBJECT_ALT_NAME: "2.5.29.17",
  BASIC_CONSTRAINTS: "2.5.29.19",
  EXTENDED_KEY_USAGE: "2.5.29.37",
  SERVER_AUTH: "1.3.6.1.5.5.7.3.1",
  ECDSA_WITH_SHA256: "1.2.840.10045.4.3.2",
} as const;

/** `names`: host names and IP addresses without brackets, not empty; the first is the subject. */
export function selfSigned(names: readonly string[], now: Date): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const notAfter = new Date(now.getTime() + VALID_DAYS * DAY_MS);
  const algorithm = sequence(oid(Oid.ECDSA_WITH_SHA256));
  const commonName = sequence(oid(Oid.COMMON_NAME), der(Tag.UTF8_STRING, text(names[0] ?? "")));
  const name = sequence(der(Tag.SET, commonName));
  const key = publicKey.export({ type: "spki", format: "der" });
  const notBefore = new Date(now.getTime() - EARLY_MS);
  const body = sequence(
    der(Tag.VERSION, der(Tag.INTEGER, Buffer.from([2]))),
    der(Tag.INTEGER, serialNumber()),
    algorithm,
    name,
    sequence(utcTime(notBefore), utcTime(notAfter)),
    name,
    key,
    der(Tag.EXTENSIONS, sequence(...extensions(names, key))),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, algorithm, bitString(0, signature));
  return {
    certificate: pem("CERTIFICATE", certificate),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    notAfter,
  };
}

function extensions(names: readonly string[], key: Buffer): Buffer[] {
  const identifier = createHash("sha1").update(key).digest();
  const digitalSignature = bitString(7, Buffer.from([0x80]));
  return [
    extension(Oid.BASIC_CONSTRAINTS, true, sequence()),
    extension(Oid.KEY_USAGE, true, digitalSignature),
    extension(Oid.EXTENDED_KEY_USAGE, false, sequence(oid(Oid.SERVER_AUTH))),
    extension(Oid.SUBJECT_KEY_IDENTIFIER, false, der(Tag.OCTET_STRING, identifier)),
    extension(Oid.SUBJECT_ALT_NAME, false, sequence(...names.map((name) => generalName(name)))),
  ];
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [der(Tag.BOOLEAN, Buffer.from([0xff]))] : [];
  return sequence(oid(id), ...flag, der(Tag.OCTET_STRING, value));
}

function generalName(name: string): Buffer {
  return isIP(name) === 0
    ? der(Tag.DNS_NAME, text(name))
    : der(Tag.IP_ADDRESS, Buffer.from(addressBytes(name)));
}

function addressBytes(address: string): number[] {
  if (isIP(address) === 4) return address.split(".").map(Number);
  // The URL parser turns every spelling into hexadecimal groups with at most one gap.
  const [head = "", tail = ""] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [left, right] = [groups(head), groups(tail)];
  const gap = Array<number>(8 - left.length - right.length).fill(0);
  return [...left, ...gap, ...right].flatMap((group) => [group >> 8, group & 0xff]);
}

/** Positive, and of full length. */
function serialNumber(): Buffer {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes;
}

/** YYMMDDHHMMSSZ, right until 2049 (RFC 5280 section 4.1.2.5.1). */
function utcTime(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/\D/g, "").slice(2, 14);
  return der(Tag.UTC_TIME, text(`${digits}Z`));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(Tag.SEQUENCE, ...parts);
}

function bitString(unused: number, bytes: Buffer): Buffer {
  return der(Tag.BIT_STRING, Buffer.from([unused]), bytes);
}

function text(value: string): Buffer {
  return Buffer.from(value);
}

/** X.690 section 8.19: base 128, the first two arcs in one. */
function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return der(Tag.OBJECT_IDENTIFIER, Buffer.from(bytes));
}

/** X.690 section 8.1.3: short lengths are one byte, longer ones tell how many bytes they take. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length: number[] = [];
  for (let left = content.length; left > 0; left >>>= 8) length.unshift(left & 0xff);
  const long = content.length > 0x7f;
  const lead = long ? [0x80 | length.length, ...length] : [content.length];
  return Buffer.concat([Buffer.from([tag, ...lead]), content]);
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(new RegExp(`.{1,${PEM_COLUMNS}}`, "g")) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
