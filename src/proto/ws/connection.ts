/**
 * A WebSocket connection's client side (RFC 6455 section 5), sans-IO: bytes in by `feed`, and `next` until it says NEED_DATA. Events are
 * numbers, their data fields of the connection.
 *
 * Payloads are unmasked where they lie, so what is fed must be the connection's to keep and to write to; what PART and MESSAGE give out is
 * the receiver's. After CLOSE and ERROR nothing is parsed.
 */
import {
  CloseCode,
  CONTROL_BYTES_MAX,
  FIN,
  FRAME_HEADER_BYTES_MAX,
  isWireCloseCode,
  LENGTH_16,
  LENGTH_64,
  LENGTH_BITS,
  MASKED,
  type MessageKind,
  Opcode,
  OPCODE_BITS,
  rotate,
  RSV1,
  RSV_OTHERS,
  unmask,
} from "./frame.ts";
import { type MessageOptions, MessageReader, Taken, type TakenCode } from "./message.ts";
import { scanUtf8, UTF8_WHOLE } from "./utf8.ts";

export const WsEvent = {
  NEED_DATA: 0,
  /** A part of a message that goes on: `data[start..end)`. */
  PART: 1,
  /** The last part, mostly the only one, maybe empty; `kind`. */
  MESSAGE: 2,
  /** `data[start..end)`: at most 125 bytes. */
  PING: 3,
  PONG: 4,
  /** The client's Close frame: `code` (NONE without one) and `reason`. */
  CLOSE: 5,
  /** The client broke the protocol: `code` and `reason` are for our Close frame. */
  ERROR: 6,
} as const;
export type WsEventCode = (typeof WsEvent)[keyof typeof WsEvent];

const EMPTY = Buffer.alloc(0);

const FAULTS: Partial<Record<TakenCode, readonly [number, string]>> = {
  [Taken.NOT_UTF8]: [CloseCode.INVALID_DATA, "text is not UTF-8"],
  [Taken.NOT_DEFLATE]: [CloseCode.INVALID_DATA, "compressed data are malformed"],
  [Taken.TOO_BIG]: [CloseCode.TOO_BIG, "message is too big"],
};

export class WsConnection {
  data: Buffer = EMPTY;
  start = 0;
  end = 0;
  code = 0;
  reason = "";
  readonly #message: MessageReader;
  readonly #deflate: boolean;
  #bytes: Buffer = EMPTY;
  #pos = 0;
  #end = 0;
  /** Chunks fed while the one before was not used up. */
  #next: Buffer[] | null = null;
  /** The first bytes of a header, or of a control frame's payload, that did not come in one chunk. */
  #carry: Buffer | null = null;
  #carried = 0;
  /** A frame's header has been read, its payload not. */
  #inFrame = false;
  #opcode = 0;
  #fin = false;
  /** Masking key for the next byte of the payload. */
  #key = 0;
  /** Payload bytes still to come. */
  #left = 0;
  #over = false;

  constructor(options: MessageOptions) {
    this.#message = new MessageReader(options);
    this.#deflate = options.deflate !== null;
  }

  /** Of the message that the last PART or MESSAGE belongs to. */
  get kind(): MessageKind {
    return this.#message.kind;
  }

  /** All that was fed has been given out or taken in: none of it is held any more. */
  get empty(): boolean {
    return this.#pos >= this.#end && this.#next === null && !this.#message.pending;
  }

  /** How many bytes of the message's frame are to come, if what is fed next will be given out where it lies; else 0. */
  get directBytes(): number {
    const data = this.#inFrame && this.#opcode < Opcode.CLOSE;
    return data && this.empty && this.#message.direct ? this.#left : 0;
  }

  feed(chunk: Buffer): void {
    if (this.#over || chunk.length === 0) return;
    if (this.#pos < this.#end || this.#next !== null) {
      this.#next ??= [];
      this.#next.push(chunk);
      return;
    }
    this.#bytes = chunk;
    this.#pos = 0;
    this.#end = chunk.length;
  }

  next(): WsEventCode {
    while (!this.#over) {
      const event = this.#step();
      if (event !== null) return event;
    }
    return WsEvent.NEED_DATA;
  }

  /** Nothing more is wanted; gives back what is shared. */
  dispose(): void {
    this.#over = true;
    this.#message.dispose();
    this.data = EMPTY;
    this.#bytes = EMPTY;
    this.#pos = 0;
    this.#end = 0;
    this.#next = null;
    this.#carry = null;
  }

  /** null: go on. */
  #step(): WsEventCode | null {
    const message = this.#message;
    if (message.pending) return this.#taken(message.more());
    if (this.#inFrame && (this.#left === 0 || this.#fill())) {
      return this.#opcode >= Opcode.CLOSE ? this.#readControl() : this.#readData();
    }
    if (!this.#inFrame && this.#fill()) return this.#readHeader();
    // An idle connection must not hold what it has read.
    this.#bytes = EMPTY;
    this.data = EMPTY;
    return WsEvent.NEED_DATA;
  }

  /** Is there a byte to read? */
  #fill(): boolean {
    if (this.#pos < this.#end) return true;
    const chunk = this.#next?.shift();
    if (chunk === undefined) {
      this.#next = null;
      return false;
    }
    this.#bytes = chunk;
    this.#pos = 0;
    this.#end = chunk.length;
    return true;
  }

  #readHeader(): WsEventCode | null {
    const carry = this.#carry;
    if (carry === null) {
      const length = headerBytes(this.#bytes, this.#pos, this.#end - this.#pos);
      if (this.#end - this.#pos >= length) {
        const at = this.#pos;
        this.#pos = at + length;
        return this.#begin(this.#bytes, at, length);
      }
      this.#carry = Buffer.allocUnsafe(FRAME_HEADER_BYTES_MAX);
      this.#carried = 0;
      return null;
    }
    const wanted = headerBytes(carry, 0, this.#carried);
    this.#carryOn(carry, wanted);
    if (this.#carried < headerBytes(carry, 0, this.#carried)) return null;
    this.#carry = null;
    return this.#begin(carry, 0, this.#carried);
  }

  /** Moves bytes from the chunk until `wanted` are carried, or the chunk is used up. */
  #carryOn(carry: Buffer, wanted: number): void {
    const bytes = this.#bytes;
    while (this.#carried < wanted && this.#pos < this.#end) {
      carry[this.#carried++] = bytes[this.#pos++]!;
    }
  }

  /** A frame's header is there. */
  #begin(bytes: Buffer, at: number, length: number): WsEventCode | null {
    const first = bytes[at]!;
    const opcode = first & OPCODE_BITS;
    this.#opcode = opcode;
    this.#fin = (first & FIN) !== 0;
    const compressed = (first & RSV1) !== 0;
    if ((first & RSV_OTHERS) !== 0) return this.#fail("reserved bits are set");
    if (compressed && (!this.#deflate || (opcode !== Opcode.TEXT && opcode !== Opcode.BINARY))) {
      return this.#fail("reserved bits are set");
    }
    if ((bytes[at + 1]! & MASKED) === 0) return this.#fail("a frame is not masked");
    this.#key = bytes.readInt32LE(at + length - 4);
    const left = payloadBytes(bytes, at);
    if (left < 0) return this.#fail("a length is malformed");
    this.#left = left;
    if (opcode > Opcode.BINARY) return this.#beginControl(opcode);
    if ((opcode === Opcode.CONTINUATION) !== this.#message.open) {
      return this.#fail(
        opcode === Opcode.CONTINUATION ? "nothing to continue" : "a message is not complete",
      );
    }
    if (opcode !== Opcode.CONTINUATION) this.#message.begin(opcode as MessageKind, compressed);
    if (this.#message.exceeds(left)) return this.#fault(Taken.TOO_BIG);
    this.#inFrame = true;
    return null;
  }

  #beginControl(opcode: number): WsEventCode | null {
    if (opcode < Opcode.CLOSE || opcode > Opcode.PONG) return this.#fail("an opcode is unknown");
    if (!this.#fin) return this.#fail("a control frame is fragmented");
    if (this.#left > CONTROL_BYTES_MAX) return this.#fail("a control frame is too long");
    this.#inFrame = true;
    return null;
  }

  #readData(): WsEventCode | null {
    const from = this.#pos;
    const to = from + Math.min(this.#left, this.#end - from);
    const ascii = unmask(this.#bytes, from, to, this.#key);
    this.#key = rotate(this.#key, to - from);
    this.#pos = to;
    this.#left -= to - from;
    this.#inFrame = this.#left > 0;
    const last = this.#fin && this.#left === 0;
    return this.#taken(this.#message.take(this.#bytes, from, to, ascii, last));
  }

  #taken(code: TakenCode): WsEventCode | null {
    if (code === Taken.NOTHING) return null;
    if (code !== Taken.PART && code !== Taken.MESSAGE) return this.#fault(code);
    const message = this.#message;
    this.data = message.data;
    this.start = message.start;
    this.end = message.end;
    message.data = EMPTY;
    return code === Taken.MESSAGE ? WsEvent.MESSAGE : WsEvent.PART;
  }

  #readControl(): WsEventCode | null {
    const whole = this.#carry === null && this.#end - this.#pos >= this.#left;
    if (whole) {
      this.data = this.#bytes;
      this.start = this.#pos;
      this.end = this.#pos + this.#left;
      this.#pos = this.end;
    } else {
      if (this.#carry === null) {
        this.#carry = Buffer.allocUnsafe(this.#left);
        this.#carried = 0;
      }
      this.#carryOn(this.#carry, this.#left);
      if (this.#carried < this.#left) return null;
      this.data = this.#carry;
      this.start = 0;
      this.end = this.#left;
      this.#carry = null;
    }
    this.#inFrame = false;
    this.#left = 0;
    unmask(this.data, this.start, this.end, this.#key);
    if (this.#opcode === Opcode.PING) return WsEvent.PING;
    return this.#opcode === Opcode.PONG ? WsEvent.PONG : this.#close();
  }

  /** RFC 6455 section 5.5.1. */
  #close(): WsEventCode {
    const { data, start, end } = this;
    this.code = CloseCode.NONE;
    this.reason = "";
    if (end - start === 1) return this.#fail("a Close frame holds half a code");
    if (end > start) {
      this.code = data.readUInt16BE(start);
      if (!isWireCloseCode(this.code)) return this.#fail("a close code is invalid");
      if (scanUtf8(UTF8_WHOLE, data, start + 2, end) !== UTF8_WHOLE) {
        return this.#fault(Taken.NOT_UTF8);
      }
      this.reason = data.toString("utf8", start + 2, end);
    }
    this.dispose();
    return WsEvent.CLOSE;
  }

  #fault(code: TakenCode): WsEventCode {
    const [closeCode, reason] = FAULTS[code]!;
    this.code = closeCode;
    this.reason = reason;
    this.dispose();
    return WsEvent.ERROR;
  }

  #fail(reason: string): WsEventCode {
    this.code = CloseCode.PROTOCOL_ERROR;
    this.reason = reason;
    this.dispose();
    return WsEvent.ERROR;
  }
}

/** Bytes of the header whose first bytes are at `at`: as far as can be told from `known` of them. */
function headerBytes(bytes: Buffer, at: number, known: number): number {
  if (known < 2) return 2;
  const second = bytes[at + 1]!;
  const length = second & LENGTH_BITS;
  const masked = (second & MASKED) === 0 ? 0 : 4;
  return 2 + masked + (length === LENGTH_16 ? 2 : length === LENGTH_64 ? 8 : 0);
}

/** The payload's length; -1 when it is not written in the shortest way (RFC 6455 section 5.2), or its highest bit is set. */
function payloadBytes(bytes: Buffer, at: number): number {
  const length = bytes[at + 1]! & LENGTH_BITS;
  if (length < LENGTH_16) return length;
  if (length === LENGTH_16) {
    const short = bytes.readUInt16BE(at + 2);
    return short < LENGTH_16 ? -1 : short;
  }
  const high = bytes.readUInt32BE(at + 2);
  const long = high * 0x1_0000_0000 + bytes.readUInt32BE(at + 6);
  return high > 0x7fff_ffff || long < 0x10000 ? -1 : long;
}
