/** Runs RequestDecoder over header blocks and writes down what it said, so that two runs can be compared. */
import { expect } from "bun:test";
import type { HeadForm } from "../../src/proto/events.ts";
import {
  DecodeCode,
  RequestDecoder,
  type RequestDecoderOptions,
} from "../../src/proto/h2/request-decoder.ts";
import { DEFAULTS } from "./h1-reader.ts";
import { BlockMaker, type Field } from "./header-block.ts";

export type DecoderChanges = Partial<RequestDecoderOptions>;

export interface DecodedHead {
  code: DecodeCode;
  error: string | null;
  method: string;
  target: string;
  prefix: string[];
  fields: [string, string][];
  contentLength: number;
  expectContinue: boolean;
  dropped: number;
  protocol: string | null;
}

export function newDecoder(form: HeadForm, changes: DecoderChanges = {}): RequestDecoder {
  return new RequestDecoder({ ...DEFAULTS, connectProtocol: true, ...changes, form });
}

/** Decodes the block, which lies inside of other bytes. */
export function decode(decoder: RequestDecoder, block: Uint8Array, endStream = true): DecodedHead {
  const bytes = Buffer.concat([Buffer.from([0xff, 0x40]), block, Buffer.from([0x82])]);
  const code = decoder.decodeRequest(bytes, 2, bytes.length - 1, endStream);
  bytes.fill(0xaa);
  return shown(decoder, code);
}

function shown(decoder: RequestDecoder, code: DecodeCode): DecodedHead {
  const { head } = decoder;
  expect(decoder.errorCode === null).toBe(
    code === DecodeCode.OK || (code === DecodeCode.COMPRESSION && decoder.connectionError === 9),
  );
  const ok = code === DecodeCode.OK;
  const { method, contentLength, expectContinue, dropped, protocol } = head;
  if (ok) {
    expect(head.version).toBe(20);
    expect(head.keepAlive && head.trailersOk).toBe(true);
  }
  return {
    ...{ code, error: decoder.errorCode, method, target: head.target() },
    ...(ok ? readBlock(head.block, head.splitAt, head.blockEnd) : { prefix: [], fields: [] }),
    ...{ contentLength, expectContinue, dropped, protocol },
  };
}

/** The strings of a block, whose joints must be as the contract says. */
function readBlock(
  block: Uint8Array,
  splitAt: number,
  blockEnd: number,
): Pick<DecodedHead, "prefix" | "fields"> {
  const bytes = Buffer.from(block.subarray(0, blockEnd)).toString("latin1");
  expect(bytes[splitAt - 1]).toBe("\0");
  const rest = bytes.slice(splitAt);
  expect(rest[0] ?? "\0").toBe("\0");
  const strings = rest.split("\0").slice(1);
  expect(strings.length % 2).toBe(0);
  const fields: [string, string][] = [];
  for (let i = 0; i < strings.length; i += 2) fields.push([strings[i]!, strings[i + 1]!]);
  return { prefix: bytes.slice(0, splitAt - 1).split("\0"), fields };
}

export const GET: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "h"],
  [":path", "/"],
];

/** The head of one request of a new connection. */
export function headOf(
  fields: readonly Field[],
  changes: DecoderChanges = {},
  endStream = true,
): DecodedHead {
  const form = changes.form ?? "asgi";
  const decoder = newDecoder(form, changes);
  return decode(decoder, new BlockMaker().block(fields), endStream);
}

/** The error of a request, which must be the same for both forms: `malformed name`, `refused name` or `ok`. */
export function verdict(
  fields: readonly Field[],
  changes: DecoderChanges = {},
  endStream = true,
): string {
  const [one, other] = (["cgi", "asgi"] as const).map((form) =>
    headOf(fields, { ...changes, form }, endStream),
  );
  expect([one!.code, one!.error]).toEqual([other!.code, other!.error]);
  if (one!.code === DecodeCode.OK) return "ok";
  return `${one!.code === DecodeCode.MALFORMED ? "malformed" : "refused"} ${one!.error}`;
}
