/**
 * From a header block (RFC 9113 section 8.3, RFC 7541) to the head block that a worker wants, in one pass and without strings, under the
 * policy of HTTP/1.1. What HTTP/2 forbids makes a request malformed, an error of its stream; what every version refuses is answered.
 *
 * Once a client's fields are in the dynamic table, its blocks repeat. An equal block means an equal head (BlockMemo); and when only the
 * pseudo-header fields differ, mostly the path, the fields stay where they are in the head's block.
 *
 * A refused block is read to its end for the table's sake, within a bound.
 */
import { allocate, copyBytes, startsWithAt } from "../../core/bytes.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { Name } from "../names.ts";
import { replaceLine } from "../target.ts";
import { BlockMemo } from "./block-memo.ts";
import { DecodeCode } from "./decode-code.ts";
import { FieldCode, HpackDecoder } from "./hpack-decoder.ts";
import { isPseudo } from "./hpack-names.ts";
import { RequestFields } from "./request-fields.ts";
import { H2Head, type H2RequestHead } from "./request-head.ts";
import { type PseudoOptions, RequestPseudo } from "./request-pseudo.ts";
import { RequestTrailers } from "./request-trailers.ts";

export { DecodeCode } from "./decode-code.ts";
export type { H2RequestHead } from "./request-head.ts";

export interface RequestDecoderOptions extends PseudoOptions {
  /** Bytes of a request body; 0 is no bound. */
  readonly bodyBytesMax: number;
}

const COMPRESSION_ERROR = 9;
const ENHANCE_YOUR_CALM = 11;

/** A block may come to so many times the limit of a header section, or so many bytes more than it: beyond, the connection ends. */
const DECODED_FACTOR = 4;
const DECODED_SLACK_BYTES = 64 * 1024;
/** A block larger than this and twice its content is replaced by one that fits. */
const LOOSE_BYTES = 4096;

export class RequestDecoder {
  /** Valid after OK until the next decodeRequest; after REFUSED `method` and `target()` are what is known of them. */
  readonly head: H2RequestHead;
  errorCode: ErrorCode | null = null;
  /** After COMPRESSION: COMPRESSION_ERROR (9) or ENHANCE_YOUR_CALM (11). */
  connectionError = 0;

  readonly #bodyBytesMax: number;
  readonly #hpack: HpackDecoder;
  readonly #pseudo: RequestPseudo;
  readonly #fields: RequestFields;
  readonly #trailers: RequestTrailers;
  readonly #memo = new BlockMemo();
  /** END_STREAM of the head shown. */
  #endStream = false;
  /** Length of the host field at the beginning of the block's fields that `:authority` made. */
  #authorityLength = 0;
  #authorityVersion = 0;

  constructor(options: RequestDecoderOptions) {
    const { form, headerBytesMax } = options;
    this.#bodyBytesMax = options.bodyBytesMax;
    const slack = Math.max((DECODED_FACTOR - 1) * headerBytesMax, DECODED_SLACK_BYTES);
    this.#hpack = new HpackDecoder(form, headerBytesMax + slack);
    this.#pseudo = new RequestPseudo(options);
    this.#fields = new RequestFields(options);
    this.#trailers = new RequestTrailers(options);
    this.head = new H2Head(form, this.#pseudo.line);
  }

  /** After decodeTrailers: pairs `name NUL value` joined by NUL, or null. */
  get trailers(): Uint8Array | null {
    return this.#trailers.pairs;
  }

  /** Our SETTINGS_HEADER_TABLE_SIZE, once the peer has acknowledged it (4096 before). */
  setTableSizeMax(bytes: number): void {
    this.#hpack.setTableSizeMax(bytes);
    this.#memo.forget();
  }

  /** `bytes[from..to)` is a whole header block. */
  decodeRequest(bytes: Uint8Array, from: number, to: number, endStream: boolean): DecodeCode {
    const hpack = this.#hpack;
    this.errorCode = null;
    if (this.#memo.isBlock(bytes, from, to, hpack.changes)) {
      return endStream === this.#endStream ? DecodeCode.OK : this.#conclude(endStream);
    }
    const unchanged = hpack.changes;
    if (!hpack.begin(bytes, from, to)) return this.#broken();
    const pseudo = this.#pseudo;
    pseudo.begin();
    let sectionAt: number;
    let before: number;
    let code: FieldCode;
    for (;;) {
      sectionAt = hpack.at;
      before = hpack.changes;
      if (this.#memo.isSection(bytes, sectionAt, to, before) && this.#sameAuthority()) {
        return this.#reuseFields(bytes, from, sectionAt, before === unchanged, endStream);
      }
      code = hpack.next();
      if (code !== FieldCode.FIELD || !isPseudo(hpack.kind)) break;
      const refused = pseudo.read(hpack);
      if (refused !== DecodeCode.OK) return this.#drain(refused, pseudo.error);
    }
    if (code === FieldCode.FAULT) return this.#broken();
    this.#memo.forget();
    const refused = pseudo.check() || pseudo.checkAuthority();
    if (refused !== DecodeCode.OK) return this.#drain(refused, pseudo.error);
    const fields = this.#fields;
    const read = fields.read(pseudo, hpack, code);
    if (read !== DecodeCode.OK) return this.#drain(read, fields.error);
    this.#settle();
    if (hpack.changes === before) this.#memo.keepSection(bytes, sectionAt, to, before);
    if (hpack.changes === unchanged) this.#memo.keepPseudo(bytes, from, sectionAt);
    return this.#conclude(endStream);
  }

  /** `bytes[from..to)` is the header block behind a request's body. */
  decodeTrailers(bytes: Uint8Array, from: number, to: number): DecodeCode {
    this.errorCode = null;
    this.#trailers.pairs = null;
    if (!this.#hpack.begin(bytes, from, to)) return this.#broken();
    const code = this.#trailers.read(this.#hpack);
    return code === DecodeCode.OK ? code : this.#drain(code, this.#trailers.error);
  }

  /** Reads a block nobody wants, for the dynamic table's sake: OK or COMPRESSION. */
  skip(bytes: Uint8Array, from: number, to: number): DecodeCode {
    this.errorCode = null;
    if (!this.#hpack.begin(bytes, from, to)) return this.#broken();
    return this.#drain(DecodeCode.OK, null);
  }

  /** Does the block's first field come from the same `:authority`? */
  #sameAuthority(): boolean {
    const { authority, authorityEnd, authorityVersion } = this.#pseudo;
    if (authorityEnd !== this.#authorityLength) return false;
    if (authorityVersion === this.#authorityVersion) return true;
    return startsWithAt(this.head.block, this.head.splitAt, authority, authorityEnd);
  }

  /** The fields from `sectionAt` on are those in the head's block: only the line before them is written. */
  #reuseFields(
    bytes: Uint8Array,
    from: number,
    sectionAt: number,
    unchanged: boolean,
    endStream: boolean,
  ): DecodeCode {
    const pseudo = this.#pseudo;
    const refused = pseudo.check();
    if (refused !== DecodeCode.OK) return this.#refuse(refused, pseudo.error);
    replaceLine(this.head, pseudo.line, pseudo.line.bytes, 0);
    this.#memo.forgetPseudo();
    if (unchanged) this.#memo.keepPseudo(bytes, from, sectionAt);
    return this.#conclude(endStream);
  }

  /** Leaves what was written in a block of the head's that is not much larger. */
  #settle(): void {
    const head = this.head;
    const { out, o } = this.#fields;
    const loose = head.block.length > LOOSE_BYTES && head.block.length > 2 * o;
    if (loose || head.block.length < o) head.block = allocate(o);
    copyBytes(out, 0, o, head.block, 0);
    head.splitAt = this.#pseudo.line.size;
    head.blockEnd = o;
    head.method = this.#pseudo.line.method;
    this.#authorityLength = this.#pseudo.authorityEnd;
    this.#authorityVersion = this.#pseudo.authorityVersion;
  }

  /** The rules that concern several fields, and what the head says beside its block. */
  #conclude(endStream: boolean): DecodeCode {
    const head = this.head;
    const { facts, contentLength } = this.#fields;
    this.#endStream = endStream;
    const hasLength = (facts & (1 << Name.CONTENT_LENGTH)) !== 0;
    if (this.#authorityLength === 0 && (facts & (1 << Name.HOST)) === 0) {
      return this.#refuse(DecodeCode.REFUSED, "host-missing");
    }
    if (endStream && contentLength > 0) {
      return this.#refuse(DecodeCode.MALFORMED, "content-length-mismatch");
    }
    if (this.#bodyBytesMax > 0 && contentLength > this.#bodyBytesMax) {
      return this.#refuse(DecodeCode.REFUSED, "body-too-large");
    }
    head.contentLength = endStream ? 0 : hasLength ? contentLength : -1;
    head.expectContinue = (facts & (1 << Name.EXPECT)) !== 0 && head.contentLength !== 0;
    head.dropped = this.#fields.dropped;
    head.forwarded = this.#fields.forwarded;
    head.priority = this.#fields.priority;
    head.protocol = this.#pseudo.protocol;
    head.upgrade = head.protocol !== null;
    return DecodeCode.OK;
  }

  /** Reads what is left of a refused block. */
  #drain(code: DecodeCode, error: ErrorCode | null): DecodeCode {
    if (code === DecodeCode.COMPRESSION) return this.#broken();
    let left: FieldCode;
    do left = this.#hpack.next();
    while (left === FieldCode.FIELD);
    if (left === FieldCode.FAULT) return this.#broken();
    return code === DecodeCode.OK ? code : this.#refuse(code, error);
  }

  #refuse(code: DecodeCode, error: ErrorCode | null): DecodeCode {
    this.#memo.forget();
    this.head.method = this.#pseudo.line.method;
    this.errorCode = error;
    return code;
  }

  #broken(): DecodeCode {
    this.#memo.forget();
    this.connectionError = this.#hpack.tooLarge ? ENHANCE_YOUR_CALM : COMPRESSION_ERROR;
    this.errorCode = this.#hpack.tooLarge ? "header-too-large" : null;
    return DecodeCode.COMPRESSION;
  }
}
