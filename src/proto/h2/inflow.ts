/**
 * Flow control of request bodies. A stream's window is given back as the app takes its bytes. The connection's window is given back as
 * soon as bytes have left the edge: it bounds what lies here, and a stream that nobody reads does not hold up the others.
 */
import { ReceiveWindow, WINDOW_BYTES_INITIAL } from "./flow.ts";
import { appendWindowUpdate, FRAME_BYTES_MIN } from "./frames.ts";
import type { OutputBuffer } from "./output-buffer.ts";
import { Reading, type Stream } from "./streams.ts";

export class Inflow {
  /** WINDOW_UPDATE frames in the output. */
  updates = 0;
  readonly #out: OutputBuffer;
  readonly #window: ReceiveWindow;
  readonly #size: number;

  constructor(out: OutputBuffer, size: number) {
    this.#out = out;
    this.#size = size;
    this.#window = new ReceiveWindow(size);
  }

  /** Tells the client the connection's window, which SETTINGS can't. */
  announce(): void {
    const more = this.#size - WINDOW_BYTES_INITIAL;
    if (more > 0) appendWindowUpdate(this.#out, 0, more);
  }

  /** A DATA frame with so many bytes, padding included, came on any stream. False: the client sent too much. */
  take(bytes: number): boolean {
    return this.#window.take(bytes);
  }

  /** Bytes of the connection's window that lie nowhere. */
  give(bytes: number): void {
    const increment = this.#window.give(bytes);
    if (increment > 0) this.#update(0, increment);
  }

  /** The client may send a whole frame on the stream. */
  hasRoom(stream: Stream): boolean {
    return stream.window.left >= FRAME_BYTES_MIN && this.#window.left >= FRAME_BYTES_MIN;
  }

  /** Padding: gone as soon as it was read. */
  padding(stream: Stream, bytes: number): void {
    this.give(bytes);
    this.#giveStream(stream, bytes);
  }

  /** Body bytes for the driver. */
  hold(stream: Stream, bytes: number): void {
    stream.unread += bytes;
    stream.held += bytes;
  }

  handedOver(stream: Stream, bytes: number): void {
    const given = Math.min(bytes, stream.held);
    stream.held -= given;
    this.give(given);
  }

  consumed(stream: Stream, bytes: number): void {
    const taken = Math.min(bytes, stream.unread);
    stream.unread -= taken;
    if (stream.held > stream.unread) this.handedOver(stream, stream.held - stream.unread);
    this.#giveStream(stream, taken);
  }

  /** Nobody will say any more what became of the stream's bytes. */
  release(stream: Stream): void {
    if (stream.held > 0) this.give(stream.held);
    stream.held = 0;
    stream.unread = 0;
  }

  #giveStream(stream: Stream, bytes: number): void {
    if (stream.reading !== Reading.OPEN) return;
    const increment = stream.window.give(bytes);
    if (increment > 0) this.#update(stream.id, increment);
  }

  #update(stream: number, increment: number): void {
    this.updates++;
    appendWindowUpdate(this.#out, stream, increment);
  }
}
