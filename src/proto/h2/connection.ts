/**
 * The server's side of an HTTP/2 connection (RFC 9113, 9218, 8441), sans-IO: bytes in by `feed`, events out by `next`, answers in by the
 * send methods, bytes out by `pull`.
 *
 * Strategy: control.ts and requests.ts turn frames into events, sender.ts turns answers into frames. A stream that both sides have ended,
 * or one has reset, is forgotten at once: its events never surface, and what is sent on it is ignored. When END_STREAM is written
 * before the request is complete, RST_STREAM(NO_ERROR) follows by itself (section 8.1).
 */
import { GO_ON } from "./control.ts";
import { H2Event, type H2EventCode, type H2Options } from "./events.ts";
import { appendSettings, Setting } from "./frames.ts";
import { Read } from "./frame-reader.ts";
import type { FloodName } from "./limits.ts";
import { H2Requests } from "./requests.ts";

export { H2Event, type H2EventCode, type H2Options } from "./events.ts";

export class H2Connection extends H2Requests {
  constructor(options: H2Options) {
    super(options);
    appendSettings(this.out, [
      ...[Setting.MAX_CONCURRENT_STREAMS, options.streamsMax],
      ...[Setting.INITIAL_WINDOW_SIZE, options.streamWindowBytes],
      ...[Setting.MAX_HEADER_LIST_SIZE, options.headerBytesMax + options.requestLineBytesMax],
      ...[Setting.ENABLE_CONNECT_PROTOCOL, options.connectProtocol ? 1 : 0],
      ...[Setting.NO_RFC7540_PRIORITIES, 1],
    ]);
    this.inflow.announce();
  }

  // Input

  /** Takes a chunk of the client's bytes. Nothing of it is kept after `next` has said NEED_DATA. */
  feed(chunk: Uint8Array): void {
    if (!this.over) this.reader.feed(chunk);
  }

  /** The next event; its data are fields, valid until the next call. */
  next(): H2EventCode {
    const { reader } = this;
    for (;;) {
      if (this.over) return H2Event.ERROR;
      let step = this.rest();
      if (step !== GO_ON) return step;
      switch (reader.next()) {
        case Read.NEED_DATA:
          return H2Event.NEED_DATA;
        case Read.FRAME:
          step = this.frame();
          break;
        case Read.DATA:
          step = this.beginData();
          break;
        default:
          step = this.broken(reader.code, reader.detail);
      }
      if (step !== GO_ON) return step;
    }
  }

  /** A frame or a header block has begun to arrive and is not complete (for a timeout). */
  headPending(): boolean {
    return this.reader.pending || this.blockPending;
  }

  // Answers; all are ignored for streams that are forgotten

  /** A final response's head: `buf[start..end)` is an HTTP/1.1 head (status line, field lines, empty line) without hop-by-hop fields. */
  sendHead(
    stream: number,
    status: number,
    buf: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): void {
    const found = this.streams.get(stream);
    if (found !== null) this.sender.head(found, status, buf, start, end, endStream);
  }

  /** An interim response; `buf[start..end)` holds field lines only. */
  sendInformational(stream: number, status: number, buf: Buffer, start: number, end: number): void {
    const found = this.streams.get(stream);
    if (found !== null) this.sender.informational(found, status, buf, start, end);
  }

  /**
   * Response body bytes. True: all of them (and END_STREAM) are in the output, and `onSent` is not called for them. False: something
   * waits, and `onSent` tells of every byte of this call, perhaps of some before it returns. `buf` is kept until then; if it is
   * `borrowed`, lent for the call only, what has to wait is copied.
   */
  sendData(
    stream: number,
    buf: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    borrowed = false,
  ): boolean {
    const found = this.streams.get(stream);
    return found === null || this.sender.data(found, buf, start, end, endStream, borrowed);
  }

  /** Ends the stream after what is queued. True: it is in the output; false: `onSent(stream, bytes, true)` will tell. */
  sendTrailers(stream: number, pairs: Uint8Array): boolean {
    const found = this.streams.get(stream);
    return found === null || this.sender.trailers(found, pairs);
  }

  /** RST_STREAM with `code` (H2Code): what is queued for the stream is dropped, nothing more of it is reported. */
  reset(stream: number, code: number): void {
    const found = this.streams.get(stream);
    if (found !== null) this.sender.reset(found, code);
  }

  /**
   * The stream carries another protocol from here on (RFC 8441): what the client sends has no limit of a body, and each side ends its
   * own direction; after ours, the client's END still comes.
   */
  tunnel(stream: number): void {
    const found = this.streams.get(stream);
    if (found !== null) found.tunnel = true;
  }

  /** Body bytes have left the edge for a worker: they no longer count in the connection's window. Implied by `consumed`. */
  handedOver(stream: number, bytes: number): void {
    const found = this.streams.get(stream);
    if (found !== null) this.inflow.handedOver(found, bytes);
  }

  /** The app has taken body bytes: the client may send as many more on the stream. */
  consumed(stream: number, bytes: number): void {
    const found = this.streams.get(stream);
    if (found !== null) this.inflow.consumed(found, bytes);
  }

  /** The windows let the client send a whole frame more of the stream's body: if none comes, that is the client's doing. */
  hasRoom(stream: number): boolean {
    const found = this.streams.get(stream);
    return found !== null && this.inflow.hasRoom(found);
  }

  // Output

  /**
   * Moves what may be written now into one buffer of about `max` bytes (more if HEADERS and small DATA have filled it further): what
   * was put into the output at once, then queued DATA by RFC 9218. Null when there is nothing. The caller keeps the buffer until it
   * says `written`.
   */
  pull(max: number): Buffer | null {
    if (!this.over) this.sender.fill(max);
    if (this.out.length === 0) return null;
    this.taken();
    return this.out.take();
  }

  /** All that was pulled so far is written, and nobody looks at those buffers any more: they serve again. */
  written(): void {
    this.out.reuse();
  }

  /** Bytes that `pull` would give at once, without DATA that is queued. */
  get outputBytes(): number {
    return this.out.length;
  }

  get hasOutput(): boolean {
    return this.out.length > 0 || (!this.over && this.sender.ready);
  }

  /** Response body bytes of a stream that wait in its queue. */
  pending(stream: number): number {
    return this.streams.get(stream)?.queued ?? 0;
  }

  /** Response body bytes that wait in all queues; bounded by what the driver lets workers send. */
  get queuedBytes(): number {
    return this.sender.queued;
  }

  /**
   * Told of DATA bytes of a stream that were moved to the output after waiting; `ended`: END_STREAM (or trailers) went with them.
   * It may send on, but not pull.
   */
  set onSent(told: (stream: number, bytes: number, ended: boolean) => void) {
    this.sender.onSent = told;
  }

  /**
   * A stream that has had DATA to send for `ms` milliseconds and could send nothing because the client keeps its window (or the
   * connection's, for everyone) shut; 0 when there is none. To be asked regularly: progress is seen between two calls.
   */
  stalled(now: number, ms: number): number {
    return this.sender.stalled(now, ms);
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** The highest stream number that the client has used; 0 none. */
  get lastStream(): number {
    return this.streams.lastId;
  }

  /** How often the client did what is bounded by limits.ts FLOODS. */
  get counts(): Readonly<Record<FloodName, number>> {
    return this.guard.counts;
  }
}
