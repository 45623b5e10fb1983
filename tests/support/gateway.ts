/** Requests as web servers write them in uwsgi, SCGI and FastCGI. */

export const PROTOCOLS = ["uwsgi", "scgi", "fastcgi"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Pairs, where a name repeats. */
type Variables = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

function pairsOf(variables: Variables): readonly (readonly [string, string])[] {
  return Array.isArray(variables) ? variables : Object.entries(variables);
}

export function uwsgi(variables: Variables): Buffer {
  const short = (text: string): Buffer => {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(text.length);
    return Buffer.concat([length, Buffer.from(text, "latin1")]);
  };
  const packet = Buffer.concat(pairsOf(variables).flat().map(short));
  return Buffer.concat([Buffer.from([0, packet.length & 0xff, packet.length >> 8, 0]), packet]);
}

export function scgi(variables: Variables): Buffer {
  const text = pairsOf(variables)
    .map(([name, value]) => `${name}\0${value}\0`)
    .join("");
  return Buffer.from(`${text.length}:${text},`, "latin1");
}

/** One record of FastCGI. */
export function record(
  type: number,
  request: number,
  content: Buffer,
  padding: number = 0,
): Buffer {
  const header = Buffer.from([1, type, 0, request, 0, 0, padding, 0]);
  header.writeUInt16BE(content.length, 4);
  return Buffer.concat([header, content, Buffer.alloc(padding)]);
}

/** Name-value pairs; lengths from 128 on take four bytes. */
export function fastcgiPairs(variables: Variables): Buffer {
  const length = (text: string): Buffer => {
    if (text.length < 0x80) return Buffer.from([text.length]);
    const long = Buffer.alloc(4);
    long.writeUInt32BE((text.length | 0x80000000) >>> 0);
    return long;
  };
  return Buffer.concat(
    pairsOf(variables).flatMap(([name, value]) => {
      return [length(name), length(value), Buffer.from(name + value, "latin1")];
    }),
  );
}

/** A whole request, with exactly these variables; over FastCGI the connection ends with it. */
export function gatewayBytes(protocol: Protocol, variables: Variables, body: string = ""): Buffer {
  if (protocol === "uwsgi") return Buffer.concat([uwsgi(variables), Buffer.from(body)]);
  if (protocol === "scgi") return Buffer.concat([scgi(variables), Buffer.from(body)]);
  return Buffer.concat([
    record(1, 1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])),
    record(4, 1, fastcgiPairs(variables)),
    record(4, 1, Buffer.alloc(0)),
    ...(body === "" ? [] : [record(5, 1, Buffer.from(body))]),
    record(5, 1, Buffer.alloc(0)),
  ]);
}
