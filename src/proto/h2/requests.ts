/**
 * Requests from frames: HEADERS with their CONTINUATIONs, and DATA (RFC 9113 sections 6.1, 6.2, 6.10 and 8.1). A header block is always
 * decoded, whatever becomes of its stream: HPACK's table belongs to the connection.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { copyBytes } from "../../core/bytes.ts";
import { GO_ON, H2Control, type Step } from "./control.ts";
import { H2Event, type H2Options } from "./events.ts";
import { FrameFlag, FrameType, H2Code, readU31 } from "./frames.ts";
import { HEADER_BLOCK_BYTES_MIN, HEADER_BLOCK_FRAMES_MAX, REPLIES_QUEUED_MAX } from "./limits.ts";
import { PRIORITY_DEFAULT, PRIORITY_FAIR } from "./priority.ts";
import { DecodeCode, type H2RequestHead, RequestDecoder } from "./request-decoder.ts";
import { Closed, Reading, type Stream, Writing } from "./streams.ts";

const EMPTY: Uint8Array = new Uint8Array(0);

function ignored(): void {}

export abstract class H2Requests extends H2Control {
  /** HEAD, REFUSED: valid until the next of them. */
  readonly head: H2RequestHead;
  /** HEAD, REFUSED: no body comes. After HEAD, END is the next event of its stream. */
  ends = false;
  /** BODY: `data[dataStart..dataEnd)`. */
  data: Uint8Array = EMPTY;
  dataStart = 0;
  dataEnd = 0;
  /** END: pairs `name NUL value NUL ...`, or null. */
  trailers: Uint8Array | null = null;
  /** Told of each request that was malformed and therefore reset before the driver heard of it, for the log. */
  onMalformed: (stream: number, errorCode: ErrorCode) => void = ignored;

  readonly #decoder: RequestDecoder;
  readonly #blockBytesMax: number;
  /** The stream of a header block that goes on in CONTINUATION; 0 none. */
  #blockStream = 0;
  #blockEnds = false;
  #block: Uint8Array = EMPTY;
  #blockLength = 0;
  #blockFrames = 0;
  /** The last HEADERS frame made its stream depend on itself. */
  #selfDependent = false;
  /** The DATA frame being read is for this stream; 0: for none, its bytes are thrown away. */
  #dataStream = 0;
  #inData = false;
  /** The stream whose END is to be reported next; 0 none. */
  #endOf = 0;

  constructor(options: H2Options) {
    super(options);
    this.#decoder = new RequestDecoder(options);
    this.head = this.#decoder.head;
    this.#blockBytesMax = Math.max(HEADER_BLOCK_BYTES_MIN, 2 * options.headerBytesMax);
  }

  /** A header block has begun and is not complete. */
  protected get blockPending(): boolean {
    return this.#blockStream !== 0;
  }

  /** What is still to be said of the frame read last: an event, or GO_ON for the next frame. */
  protected rest(): Step {
    if (this.#endOf !== 0) {
      const id = this.#endOf;
      this.#endOf = 0;
      if (this.streams.get(id) !== null) {
        this.stream = id;
        return H2Event.END;
      }
    }
    while (this.#inData) {
      const step = this.#readData();
      if (step !== GO_ON) return step;
    }
    return GO_ON;
  }

  /** A frame whose payload is complete. */
  protected frame(): Step {
    const { reader } = this;
    const { type } = reader;
    if (!this.established && (type !== FrameType.SETTINGS || (reader.flags & FrameFlag.ACK) !== 0))
      return this.broken(H2Code.PROTOCOL_ERROR, "the first frame is not SETTINGS");
    if (type === FrameType.CONTINUATION) return this.#continuation();
    if (this.#blockStream !== 0) return this.#interrupted();
    return type === FrameType.HEADERS ? this.#headers() : this.control();
  }

  // DATA

  /** The header of a DATA frame is there. */
  protected beginData(): Step {
    const { reader } = this;
    const id = reader.stream;
    if (!this.established) {
      return this.broken(H2Code.PROTOCOL_ERROR, "the first frame is not SETTINGS");
    }
    if (this.#blockStream !== 0) return this.#interrupted();
    if (id === 0 || this.isIdle(id)) {
      return this.broken(H2Code.PROTOCOL_ERROR, "DATA on an idle stream");
    }
    if (!this.inflow.take(reader.length)) {
      return this.broken(H2Code.FLOW_CONTROL_ERROR, "DATA beyond the connection's window");
    }
    if (this.inflow.updates > REPLIES_QUEUED_MAX) return this.unread();
    this.#inData = true;
    this.#dataStream = 0;
    const stream = this.streams.get(id);
    if (stream === null) {
      this.inflow.give(reader.padding);
      return this.#dataOnClosed(id);
    }
    return this.#dataOn(stream);
  }

  #dataOnClosed(id: number): Step {
    switch (this.streams.howClosed(id)) {
      case Closed.ENDED:
        return this.broken(H2Code.STREAM_CLOSED, "DATA after END_STREAM");
      case Closed.BY_CLIENT:
        return this.turnAway(id, H2Code.STREAM_CLOSED);
      default:
        // It was on its way when we reset the stream.
        return this.counted("strays");
    }
  }

  #dataOn(stream: Stream): Step {
    const { reader } = this;
    const ends = (reader.flags & FrameFlag.END_STREAM) !== 0;
    const bytes = reader.dataLeft;
    if (stream.reading === Reading.ENDED) {
      this.inflow.give(reader.padding);
      return this.streamError(stream, H2Code.STREAM_CLOSED, "DATA after END_STREAM");
    }
    const allowed = stream.window.take(reader.length);
    const left = stream.bodyLeft;
    const wrong = left >= 0 && (bytes > left || (ends && bytes < left));
    if (left >= 0) stream.bodyLeft = left - bytes;
    this.inflow.padding(stream, reader.padding);
    if (!allowed) {
      return this.streamError(stream, H2Code.FLOW_CONTROL_ERROR, "DATA beyond the stream's window");
    }
    if (wrong) {
      return this.streamError(stream, H2Code.PROTOCOL_ERROR, "DATA differs from Content-Length");
    }
    this.#dataStream = stream.id;
    if (ends) stream.reading = stream.reading === Reading.OPEN ? Reading.ENDING : Reading.ENDED;
    else if (bytes === 0) return this.counted("emptyData");
    return GO_ON;
  }

  #readData(): Step {
    const { reader } = this;
    const there = reader.readData();
    if (!there && reader.dataLeft > 0) return H2Event.NEED_DATA;
    const stream = this.#dataStream === 0 ? null : this.streams.get(this.#dataStream);
    const wanted = stream !== null && stream.reading <= Reading.ENDING;
    if (!there) {
      this.#inData = false;
      if (!wanted || stream.reading !== Reading.ENDING) return GO_ON;
      this.#requestEnded(stream);
      this.trailers = null;
      return H2Event.END;
    }
    const bytes = reader.end - reader.start;
    if (!wanted) {
      this.inflow.give(bytes);
      return GO_ON;
    }
    return this.#body(stream, bytes);
  }

  #body(stream: Stream, bytes: number): Step {
    const { reader } = this;
    const max = this.options.bodyBytesMax;
    stream.received += bytes;
    this.stream = stream.id;
    if (max > 0 && stream.received > max && !stream.tunnel) {
      this.inflow.give(bytes);
      stream.reading = stream.reading === Reading.ENDING ? Reading.ENDED : Reading.DROPPED;
      this.errorCode = "body-too-large";
      return H2Event.REFUSED;
    }
    this.inflow.hold(stream, bytes);
    this.data = reader.bytes;
    this.dataStart = reader.start;
    this.dataEnd = reader.end;
    return H2Event.BODY;
  }

  #requestEnded(stream: Stream): void {
    stream.reading = Reading.ENDED;
    this.stream = stream.id;
    if (stream.writing === Writing.ENDED) this.sender.forget(stream, Closed.ENDED);
  }

  // Header blocks

  #interrupted(): Step {
    return this.broken(H2Code.PROTOCOL_ERROR, "a frame inside a header block");
  }

  #headers(): Step {
    const { reader } = this;
    const { bytes, flags, stream: id } = reader;
    if (id % 2 === 0) return this.broken(H2Code.PROTOCOL_ERROR, "HEADERS on an even stream");
    const padded = (flags & FrameFlag.PADDED) !== 0;
    const prioritized = (flags & FrameFlag.PRIORITY) !== 0;
    const fixed = (padded ? 1 : 0) + (prioritized ? 5 : 0);
    if (fixed > reader.length) {
      return this.broken(H2Code.FRAME_SIZE_ERROR, "HEADERS is too short");
    }
    const padding = padded ? bytes[reader.start]! : 0;
    const from = reader.start + fixed;
    const to = reader.end - padding;
    if (to < from) return this.broken(H2Code.PROTOCOL_ERROR, "a frame has more padding than bytes");
    this.#selfDependent = prioritized && readU31(bytes, from - 5) === id;
    this.#blockEnds = (flags & FrameFlag.END_STREAM) !== 0;
    if ((flags & FrameFlag.END_HEADERS) !== 0) return this.#blockDone(id, bytes, from, to);
    this.#blockStream = id;
    this.#blockLength = 0;
    this.#blockFrames = 0;
    return this.#addToBlock(bytes, from, to);
  }

  #continuation(): Step {
    const { reader } = this;
    const id = this.#blockStream;
    if (id === 0 || reader.stream !== id) {
      return this.broken(H2Code.PROTOCOL_ERROR, "CONTINUATION of nothing");
    }
    const step = this.#addToBlock(reader.bytes, reader.start, reader.end);
    if (step !== GO_ON || (reader.flags & FrameFlag.END_HEADERS) === 0) return step;
    const block = this.#block;
    this.#blockStream = 0;
    this.#block = EMPTY;
    return this.#blockDone(id, block, 0, this.#blockLength);
  }

  #addToBlock(bytes: Uint8Array, from: number, to: number): Step {
    const length = this.#blockLength + to - from;
    this.#blockFrames++;
    if (length > this.#blockBytesMax || this.#blockFrames > HEADER_BLOCK_FRAMES_MAX) {
      return this.broken(H2Code.ENHANCE_YOUR_CALM, "a header block is too large");
    }
    if (length > this.#block.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#block.length));
      copyBytes(this.#block, 0, this.#blockLength, grown, 0);
      this.#block = grown;
    }
    copyBytes(bytes, from, to, this.#block, this.#blockLength);
    this.#blockLength = length;
    return GO_ON;
  }

  /** `bytes[from..to)` is a whole header block. */
  #blockDone(id: number, bytes: Uint8Array, from: number, to: number): Step {
    const stream = this.streams.get(id);
    if (stream !== null) return this.#trailers(stream, bytes, from, to);
    if (id > this.streams.lastId) return this.#request(id, bytes, from, to);
    const how = this.streams.howClosed(id);
    if (how === Closed.UNKNOWN) {
      return this.broken(H2Code.PROTOCOL_ERROR, "the number of a new stream is not higher");
    }
    if (how === Closed.ENDED) {
      return this.broken(H2Code.STREAM_CLOSED, "HEADERS after END_STREAM");
    }
    if (!this.#skips(bytes, from, to)) return this.#tableLost();
    return how === Closed.BY_US ? this.counted("strays") : this.turnAway(id, H2Code.STREAM_CLOSED);
  }

  #request(id: number, bytes: Uint8Array, from: number, to: number): Step {
    const { streams } = this;
    streams.lastId = id;
    const ignores = id > this.lastServed;
    if (ignores || streams.size >= this.options.streamsMax || this.#selfDependent) {
      if (!this.#skips(bytes, from, to)) return this.#tableLost();
      this.priorities.delete(id);
      if (!ignores) {
        const code = this.#selfDependent ? H2Code.PROTOCOL_ERROR : H2Code.REFUSED_STREAM;
        return this.turnAway(id, code);
      }
      streams.remember(id, Closed.BY_US);
      return this.counted("strays");
    }
    const decoder = this.#decoder;
    const ends = this.#blockEnds;
    const decoded = decoder.decodeRequest(bytes, from, to, ends);
    if (decoded === DecodeCode.COMPRESSION) return this.#tableLost();
    if (decoded === DecodeCode.MALFORMED) {
      this.onMalformed(id, decoder.errorCode ?? "h2-broken");
      return this.turnAway(id, H2Code.PROTOCOL_ERROR);
    }
    const stream = streams.open(id, this.sender.peer.windowBytes);
    this.stream = id;
    this.ends = ends;
    if (decoded === DecodeCode.REFUSED) {
      stream.reading = ends ? Reading.ENDED : Reading.DROPPED;
      this.errorCode = decoder.errorCode;
      return H2Event.REFUSED;
    }
    stream.priority = this.#priorityOf(id);
    if (ends) {
      stream.reading = Reading.ENDED;
      this.trailers = null;
      this.#endOf = id;
    } else stream.bodyLeft = decoder.head.contentLength;
    return H2Event.HEAD;
  }

  #priorityOf(id: number): number {
    const said = this.head.priority;
    if (said >= 0) this.prioritizes = true;
    const updated = this.priorities.size === 0 ? undefined : this.priorities.get(id);
    if (updated !== undefined) {
      this.priorities.delete(id);
      return updated;
    }
    if (said >= 0) return said;
    return this.prioritizes ? PRIORITY_DEFAULT : PRIORITY_FAIR;
  }

  /** A second header block on a stream: its trailers (RFC 9113 section 8.1). */
  #trailers(stream: Stream, bytes: Uint8Array, from: number, to: number): Step {
    if (stream.reading !== Reading.OPEN) {
      if (!this.#skips(bytes, from, to)) return this.#tableLost();
      if (stream.reading !== Reading.DROPPED) {
        return this.streamError(stream, H2Code.STREAM_CLOSED, "HEADERS after END_STREAM");
      }
      if (this.#blockEnds) stream.reading = Reading.ENDED;
      return this.counted("strays");
    }
    const decoder = this.#decoder;
    const decoded = decoder.decodeTrailers(bytes, from, to);
    if (decoded === DecodeCode.COMPRESSION) return this.#tableLost();
    if (!this.#blockEnds || this.#selfDependent) {
      return this.streamError(stream, H2Code.PROTOCOL_ERROR, "trailers that do not end the stream");
    }
    if (decoded === DecodeCode.MALFORMED) {
      return this.streamError(stream, H2Code.PROTOCOL_ERROR, "malformed trailers");
    }
    if (stream.bodyLeft > 0) {
      return this.streamError(stream, H2Code.PROTOCOL_ERROR, "DATA differs from Content-Length");
    }
    this.#requestEnded(stream);
    if (decoded === DecodeCode.REFUSED) {
      this.errorCode = decoder.errorCode;
      return H2Event.REFUSED;
    }
    this.trailers = decoder.trailers;
    return H2Event.END;
  }

  #skips(bytes: Uint8Array, from: number, to: number): boolean {
    return this.#decoder.skip(bytes, from, to) === DecodeCode.OK;
  }

  #tableLost(): Step {
    return this.broken(this.#decoder.connectionError, "a header block cannot be decoded");
  }
}
