/**
 * What a connection's frames have in common, and the frames that carry no request: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM and
 * priorities (RFC 9113 section 6, RFC 9218 section 7). Each handler returns an event for the driver, or GO_ON.
 *
 * An error on a stream resets that stream and is counted; only what breaks the connection's common state ends the connection.
 */
import type { ErrorCode } from "../../core/errors.ts";
import { H2Event, type H2EventCode, type H2Options } from "./events.ts";
import {
  appendGoaway,
  appendPing,
  appendReset,
  appendSettingsAck,
  FRAME_BYTES_MIN,
  FrameFlag,
  FrameType,
  H2Code,
  readU31,
  readU32,
  STREAM_MAX,
} from "./frames.ts";
import { FrameReader } from "./frame-reader.ts";
import { FloodGuard } from "./guard.ts";
import { Inflow } from "./inflow.ts";
import { type FloodName, REPLIES_QUEUED_MAX } from "./limits.ts";
import { OutputBuffer } from "./output-buffer.ts";
import { parsePriority } from "./priority.ts";
import { Sender } from "./sender.ts";
import { SETTING_BYTES } from "./settings.ts";
import { Closed, type Stream, StreamTable } from "./streams.ts";

/** Nothing for the driver: read on. */
export const GO_ON = -1;
export type Step = H2EventCode | typeof GO_ON;

const PRIORITY_BYTES = 5;
/** The payload of the PING that tells that our first GOAWAY has arrived. */
const DRAIN_PING = Buffer.from("draining", "latin1");

export abstract class H2Control {
  /** Of the event just returned. */
  stream = 0;
  /** RESET, GOAWAY, ERROR: an error code of HTTP/2 (H2Code). */
  code = 0;
  /** REFUSED, ERROR, RESET; null of a RESET: the client's own. */
  errorCode: ErrorCode | null = null;
  /** RESET, ERROR: some words for the log. */
  detail = "";
  /** The client has acknowledged our SETTINGS. */
  settingsAcked = false;
  /** The client's preface and its first SETTINGS have come. */
  established = false;

  protected readonly options: H2Options;
  protected readonly out = new OutputBuffer();
  protected readonly guard: FloodGuard;
  protected readonly streams: StreamTable;
  protected readonly inflow: Inflow;
  protected readonly sender: Sender;
  protected readonly reader = new FrameReader(FRAME_BYTES_MIN);
  /** ERROR was reported, or is about to be. */
  protected over = false;
  /** Streams above it are ignored: the final GOAWAY said so. */
  protected lastServed = STREAM_MAX;
  /** Priorities of streams that are yet to be opened. */
  protected readonly priorities = new Map<number, number>();
  /** The client has spoken of priorities: streams it says nothing of have the default one. */
  protected prioritizes = false;
  #draining = false;
  #finalGoaway = false;
  #replies = 0;

  constructor(options: H2Options) {
    this.options = options;
    this.guard = new FloodGuard(options.now);
    this.streams = new StreamTable(options.streamWindowBytes);
    this.inflow = new Inflow(this.out, options.connectionWindowBytes);
    const { out, streams, inflow, guard } = this;
    this.sender = new Sender({ out, streams, inflow, guard });
  }

  /**
   * Graceful end. `false`: GOAWAY(2^31-1) and a PING; when that is acknowledged the final GOAWAY follows by itself. `true`: the final
   * GOAWAY now: streams that are opened after it are ignored, those before it go on.
   */
  goaway(last: boolean): void {
    if (this.over || this.#finalGoaway) return;
    if (last) {
      this.#finalGoaway = true;
      this.lastServed = this.streams.lastId;
      appendGoaway(this.out, this.lastServed, H2Code.NO_ERROR, "");
    } else if (!this.#draining) {
      this.#draining = true;
      appendGoaway(this.out, STREAM_MAX, H2Code.NO_ERROR, "");
      appendPing(this.out, 0, DRAIN_PING, 0);
    }
  }

  /** The final GOAWAY is written and no stream is open: the connection may close when its output is out. */
  get drained(): boolean {
    return this.#finalGoaway && this.streams.size === 0;
  }

  /** Ends the connection for a reason of the driver's own (H2Code): GOAWAY is in the output, nothing after it is read. */
  fail(code: number, detail: string): void {
    if (!this.over) this.broken(code, detail);
  }

  // Errors

  /** Connection error (RFC 9113 section 5.4.1). */
  protected broken(code: number, detail: string): typeof H2Event.ERROR {
    this.over = true;
    this.code = code;
    this.detail = detail;
    this.errorCode = code === H2Code.ENHANCE_YOUR_CALM ? "h2-flood" : "h2-broken";
    appendGoaway(this.out, Math.min(this.streams.lastId, this.lastServed), code, detail);
    return H2Event.ERROR;
  }

  /** Stream error (section 5.4.2) on a stream the driver knows. */
  protected streamError(stream: Stream, code: number, detail: string): Step {
    this.stream = stream.id;
    this.sender.reset(stream, code);
    if (!this.guard.allows("aborts")) return this.flooded("aborts");
    this.code = code;
    this.errorCode = "h2-broken";
    this.detail = detail;
    return H2Event.RESET;
  }

  /** Resets a stream that the driver knows nothing of. */
  protected turnAway(id: number, code: number): Step {
    appendReset(this.out, id, code);
    this.streams.amend(id, Closed.BY_US);
    return this.counted("aborts");
  }

  protected flooded(name: FloodName): Step {
    return this.broken(H2Code.ENHANCE_YOUR_CALM, `too many ${name}`);
  }

  /** The client makes us answer and reads no answers. */
  protected unread(): Step {
    return this.broken(H2Code.ENHANCE_YOUR_CALM, "too many answers wait to be read");
  }

  /** Counts one of what must not come too often. */
  protected counted(name: FloodName): Step {
    return this.guard.allows(name) ? GO_ON : this.flooded(name);
  }

  /** Never used, whoever would have to open it. */
  protected isIdle(id: number): boolean {
    return id > this.streams.lastId || id % 2 === 0;
  }

  // Frames

  /** A frame that belongs to no request's content. */
  protected control(): Step {
    switch (this.reader.type) {
      case FrameType.PRIORITY:
        return this.#priority();
      case FrameType.RST_STREAM:
        return this.#reset();
      case FrameType.SETTINGS:
        return this.#settings();
      case FrameType.PUSH_PROMISE:
        return this.broken(H2Code.PROTOCOL_ERROR, "PUSH_PROMISE by a client");
      case FrameType.PING:
        return this.#ping();
      case FrameType.GOAWAY:
        return this.#goaway();
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate();
      case FrameType.PRIORITY_UPDATE:
        return this.#priorityUpdate();
      default:
        return this.counted("strays");
    }
  }

  #settings(): Step {
    const { reader } = this;
    if (reader.stream !== 0) return this.broken(H2Code.PROTOCOL_ERROR, "SETTINGS on a stream");
    if ((reader.flags & FrameFlag.ACK) !== 0) {
      if (reader.length !== 0) {
        return this.broken(H2Code.FRAME_SIZE_ERROR, "a SETTINGS acknowledgement with a payload");
      }
      if (this.settingsAcked) return this.counted("strays");
      this.settingsAcked = true;
      return GO_ON;
    }
    if (reader.length % SETTING_BYTES !== 0) {
      return this.broken(H2Code.FRAME_SIZE_ERROR, "SETTINGS of a wrong length");
    }
    this.established = true;
    const { peer } = this.sender;
    const windowBefore = peer.windowBytes;
    const code = peer.read(reader.bytes, reader.start, reader.end);
    if (code !== H2Code.NO_ERROR) return this.broken(code, "a SETTINGS value out of range");
    if (this.sender.settingsChanged(windowBefore) !== H2Code.NO_ERROR) {
      return this.broken(H2Code.FLOW_CONTROL_ERROR, "SETTINGS make a window too large");
    }
    appendSettingsAck(this.out);
    return this.#replied("settings");
  }

  #ping(): Step {
    const { reader } = this;
    if (reader.stream !== 0) return this.broken(H2Code.PROTOCOL_ERROR, "PING on a stream");
    if (reader.length !== 8) return this.broken(H2Code.FRAME_SIZE_ERROR, "PING of a wrong length");
    if ((reader.flags & FrameFlag.ACK) === 0) {
      appendPing(this.out, FrameFlag.ACK, reader.bytes, reader.start);
      return this.#replied("pings");
    }
    // The client knows that we leave: streams that it opens from now on are ignored.
    if (this.#draining && DRAIN_PING.compare(reader.bytes, reader.start, reader.end) === 0) {
      this.goaway(true);
    }
    return this.counted("strays");
  }

  #goaway(): Step {
    const { reader } = this;
    if (reader.stream !== 0) return this.broken(H2Code.PROTOCOL_ERROR, "GOAWAY on a stream");
    if (reader.length < 8) return this.broken(H2Code.FRAME_SIZE_ERROR, "GOAWAY is too short");
    if (!this.guard.allows("strays")) return this.flooded("strays");
    this.code = readU32(reader.bytes, reader.start + 4);
    return H2Event.GOAWAY;
  }

  #windowUpdate(): Step {
    const { reader } = this;
    const id = reader.stream;
    if (reader.length !== 4) {
      return this.broken(H2Code.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length");
    }
    if (!this.guard.allows("windowUpdates")) return this.flooded("windowUpdates");
    if (this.sender.dribbling) return this.flooded("dribbles");
    const bytes = readU31(reader.bytes, reader.start);
    if (id === 0) {
      if (bytes === 0) return this.broken(H2Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
      if (this.sender.growConnection(bytes)) return GO_ON;
      return this.broken(H2Code.FLOW_CONTROL_ERROR, "WINDOW_UPDATE makes a window too large");
    }
    if (this.isIdle(id))
      return this.broken(H2Code.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
    const stream = this.streams.get(id);
    if (stream === null) return GO_ON;
    if (bytes === 0) {
      return this.streamError(stream, H2Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
    }
    if (this.sender.grow(stream, bytes)) return GO_ON;
    return this.streamError(
      stream,
      H2Code.FLOW_CONTROL_ERROR,
      "WINDOW_UPDATE makes a window too large",
    );
  }

  #reset(): Step {
    const { reader } = this;
    const id = reader.stream;
    if (reader.length !== 4) {
      return this.broken(H2Code.FRAME_SIZE_ERROR, "RST_STREAM of a wrong length");
    }
    if (id === 0 || this.isIdle(id)) {
      return this.broken(H2Code.PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    }
    const stream = this.streams.get(id);
    if (stream === null) return this.counted("strays");
    this.sender.forget(stream, Closed.BY_CLIENT);
    if (!this.guard.allows("aborts")) return this.flooded("aborts");
    this.stream = id;
    this.code = readU32(reader.bytes, reader.start);
    this.errorCode = null;
    this.detail = "the client reset the stream";
    return H2Event.RESET;
  }

  /** RFC 7540's priorities are read and ignored (RFC 9113 section 5.3.2). */
  #priority(): Step {
    const { reader } = this;
    const id = reader.stream;
    if (id === 0) return this.broken(H2Code.PROTOCOL_ERROR, "PRIORITY without a stream");
    if (!this.guard.allows("priorities")) return this.flooded("priorities");
    const sized = reader.length === PRIORITY_BYTES;
    if (sized && readU31(reader.bytes, reader.start) !== id) return GO_ON;
    const code = sized ? H2Code.PROTOCOL_ERROR : H2Code.FRAME_SIZE_ERROR;
    const stream = this.streams.get(id);
    if (stream === null) return this.broken(code, "PRIORITY is malformed");
    return this.streamError(stream, code, "PRIORITY is malformed");
  }

  #priorityUpdate(): Step {
    const { reader } = this;
    if (reader.stream !== 0) {
      return this.broken(H2Code.PROTOCOL_ERROR, "PRIORITY_UPDATE on a stream");
    }
    if (reader.length < 4) {
      return this.broken(H2Code.FRAME_SIZE_ERROR, "PRIORITY_UPDATE is too short");
    }
    const id = readU31(reader.bytes, reader.start);
    if (id % 2 === 0) return this.broken(H2Code.PROTOCOL_ERROR, "PRIORITY_UPDATE of no request");
    if (!this.guard.allows("priorities")) return this.flooded("priorities");
    const value = Buffer.from(reader.bytes.subarray(reader.start + 4, reader.end));
    const priority = parsePriority(value.toString("latin1"));
    this.prioritizes = true;
    const stream = this.streams.get(id);
    if (stream !== null) this.sender.scheduler.setPriority(stream, priority);
    else if (id > this.streams.lastId) this.#keepPriority(id, priority);
    return GO_ON;
  }

  /** Remembers a priority for a stream that may come; the client may have as many waiting as streams open. */
  #keepPriority(id: number, priority: number): void {
    if (this.priorities.size >= this.options.streamsMax) {
      for (const old of this.priorities.keys()) {
        if (old <= this.streams.lastId) this.priorities.delete(old);
      }
      if (this.priorities.size >= this.options.streamsMax) return;
    }
    this.priorities.set(id, priority);
  }

  /** An answer to a frame is in the output: of those that wait there are not too many. */
  #replied(name: FloodName): Step {
    this.#replies++;
    return this.#replies > REPLIES_QUEUED_MAX ? this.unread() : this.counted(name);
  }

  /** The output was taken. */
  protected taken(): void {
    this.#replies = 0;
    this.inflow.updates = 0;
  }
}
