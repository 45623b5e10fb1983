/** Headers of the PROXY protocol: what they name, and what is none. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type ProxyRead,
  type ProxyVersions,
  readProxyHeader,
} from "../../../src/proto/proxy-protocol.ts";
import { proxyV2, V2_SIGNATURE } from "../../support/proxy-header.ts";

const PARAMETERS = { seed: 20261121, numRuns: 500 };
const MORE: ProxyRead = { kind: "more" };

/** The verdict on the bytes, which must come as soon as they are there and not before, however they are split. */
function read(text: string | Uint8Array, versions: ProxyVersions = "auto"): ProxyRead {
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : Buffer.from(text);
  const whole = readProxyHeader(bytes, versions);
  if (whole.kind === "header") {
    for (let size = 0; size < whole.length; size++) {
      expect(readProxyHeader(bytes.subarray(0, size), versions)).toEqual(MORE);
    }
    expect(readProxyHeader(bytes.subarray(0, whole.length), versions)).toEqual(whole);
  }
  return whole;
}

const INVALID: ProxyRead = { kind: "refused", code: "proxy-header-invalid" };
const MISSING: ProxyRead = { kind: "refused", code: "proxy-header-missing" };

describe("version 1", () => {
  test("names both ends, and nothing behind it counts", () => {
    expect(read("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\nGET / HTTP/1.1\r\n")).toEqual({
      kind: "header",
      length: 44,
      ends: {
        sourceAddress: "192.0.2.1",
        sourcePort: 4711,
        targetAddress: "198.51.100.2",
        targetPort: 443,
      },
    });
    expect(read("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n")).toMatchObject({
      ends: { sourceAddress: "2001:db8::1", targetAddress: "::1", targetPort: 65_535 },
    });
  });

  test("UNKNOWN names nobody", () => {
    expect(read("PROXY UNKNOWN\r\n")).toEqual({ kind: "header", length: 15, ends: null });
    const longest = `PROXY UNKNOWN ${"f".repeat(91)}\r\n`;
    expect(longest).toHaveLength(107);
    expect(read(longest)).toEqual({ kind: "header", length: 107, ends: null });
  });

  test.each([
    "PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 \r\n",
    "PROXY  TCP4 192.0.2.1 198.51.100.2 4711 443\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\n",
    "PROXY TCP4 192.0.2.1 198.51.100.2 04711 443\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.2 4711 65536\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
    "PROXY TCP4 192.0.2.256 198.51.100.2 4711 443\r\n",
    "PROXY TCP4 ::1 ::1 4711 443\r\n",
    "PROXY TCP6 192.0.2.1 198.51.100.2 4711 443\r\n",
    "PROXY UDP4 192.0.2.1 198.51.100.2 4711 443\r\n",
    "PROXY UNKNOWNX\r\n",
    "PROXY \r\n",
    "PROXY TCP4 192.0.2.1\r 198.51.100.2 4711 443\r\n",
    `PROXY UNKNOWN ${"f".repeat(92)}\r\n`,
    `PROXY ${"x".repeat(101)}`,
  ])("refused: %j", (text) => {
    expect(read(text)).toEqual(INVALID);
  });

  test("is anchored: only the first byte of a connection begins it", () => {
    const line = "PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n";
    for (const text of [` ${line}`, `\r\n${line}`, `GET / HTTP/1.1\r\n${line}`, `proxy ${line}`]) {
      expect(read(text)).toEqual(MISSING);
    }
    expect(read(line, "v2")).toEqual(MISSING);
  });
});

describe("version 2", () => {
  const source = [192, 0, 2, 1];
  const target = [198, 51, 100, 2];
  const ports = [0x12, 0x67, 0x01, 0xbb];
  const ends = {
    sourceAddress: "192.0.2.1",
    sourcePort: 4711,
    targetAddress: "198.51.100.2",
    targetPort: 443,
  };

  test("names both ends; further fields are skipped", () => {
    const bytes = proxyV2({ payload: [...source, ...target, ...ports] });
    expect(read(Buffer.concat([bytes, Buffer.from("GET")]))).toEqual({
      kind: "header",
      length: 28,
      ends,
    });
    const more = proxyV2({ payload: [...source, ...target, ...ports, 4, 0, 2, 7, 7, 0xee] });
    expect(read(more)).toEqual({ kind: "header", length: 34, ends });
    const six = [...Array<number>(15).fill(0), 1];
    expect(read(proxyV2({ way: 0x21, payload: [...six, ...six, ...ports] }))).toMatchObject({
      ends: { sourceAddress: "::1", targetAddress: "::1", sourcePort: 4711 },
    });
  });

  test("LOCAL, UNSPEC, unix sockets and datagrams name nobody", () => {
    const payload = [...source, ...target, ...ports];
    const nobody = { kind: "header", ends: null };
    expect(read(proxyV2({ command: 0x20, payload }))).toMatchObject(nobody);
    expect(read(proxyV2({ command: 0x20, way: 0, payload: [] }))).toMatchObject(nobody);
    expect(read(proxyV2({ way: 0, payload: [1, 2, 3] }))).toMatchObject(nobody);
    expect(read(proxyV2({ way: 0x31, payload: Array(216).fill(47) }))).toMatchObject(nobody);
    expect(read(proxyV2({ way: 0x12, payload }))).toMatchObject(nobody);
  });

  test("refused", () => {
    const payload = [...source, ...target, ...ports];
    expect(read(proxyV2({ command: 0x11, payload }))).toEqual(INVALID);
    expect(read(proxyV2({ command: 0x22, payload }))).toEqual(INVALID);
    expect(read(proxyV2({ way: 0x41, payload }))).toEqual(INVALID);
    expect(read(proxyV2({ way: 0x13, payload }))).toEqual(INVALID);
    expect(read(proxyV2({ payload: payload.slice(1) }))).toEqual(INVALID);
    expect(read(proxyV2({ way: 0x21, payload }))).toEqual(INVALID);
    expect(read(proxyV2({ payload }), "v1")).toEqual(MISSING);
    expect(read(Buffer.concat([V2_SIGNATURE.subarray(0, 11), Buffer.from("X")]))).toEqual(MISSING);
  });
});

test("any bytes are read without a failure, and never past what is there", () => {
  const start = fc.constantFrom("", "PROXY ", "PROXY TCP4 ", V2_SIGNATURE.toString("latin1"));
  const versions = fc.constantFrom<ProxyVersions>("v1", "v2", "auto");
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 150 }), versions, (text, rest, version) => {
      const bytes = Buffer.concat([Buffer.from(text, "latin1"), rest]);
      const verdict = read(bytes, version);
      if (verdict.kind === "header") expect(verdict.length).toBeLessThanOrEqual(bytes.length);
      if (verdict.kind === "more" && version === "v1") expect(bytes.length).toBeLessThan(107);
    }),
    PARAMETERS,
  );
});
