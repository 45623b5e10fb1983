/**
 * Reads one HTTP/1 response at a time out of what a connection brings: its status, its body, and whether the connection may be used
 * again. For a client that checks every answer. Pure.
 */

export type Progress = "more" | "done" | "bad";

const CLOSES = /\r\nconnection: *close\r\n/i;
const KEEPS = /\r\nconnection: *keep-alive\r\n/i;
const LENGTH = /\r\ncontent-length: *(\d+) *\r\n/i;
const CHUNKED = /\r\ntransfer-encoding: *chunked *\r\n/i;
const STATUS = /^HTTP\/1\.([01]) (\d{3})/;
const HEAD_BYTES_MAX = 256 * 1024;
const NO_BODY = new Set([204, 304]);

type State = "head" | "length" | "chunk-size" | "chunk" | "trailer" | "until-close";

export class ResponseReader {
  status = 0;
  /** Valid once the response is done. */
  keepsAlive = false;
  #head = "";
  #state: State = "head";
  #rest: Buffer = Buffer.alloc(0);
  #left = 0;
  #parts: Buffer[] = [];
  #noBody = false;

  /** `toHead`: the request was HEAD, so that no body follows whatever the fields say. */
  begin(toHead: boolean): void {
    this.status = 0;
    this.keepsAlive = false;
    this.#state = "head";
    this.#rest = Buffer.alloc(0);
    this.#parts = [];
    this.#noBody = toHead;
  }

  get body(): Buffer {
    const [only] = this.#parts;
    return this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts);
  }

  /** Status line and fields, for a probe. */
  get head(): string {
    return this.#head;
  }

  feed(bytes: Uint8Array): Progress {
    // The runtime uses its buffer again: what stays is copied where it is kept.
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#rest = this.#rest.length === 0 ? view : Buffer.concat([this.#rest, view]);
    const progress = this.#advance();
    if (progress === "more" && this.#rest.length > 0) this.#rest = Buffer.from(this.#rest);
    return progress;
  }

  /** The connection has ended: whether that completes the response. */
  end(): boolean {
    return this.#state === "until-close";
  }

  #advance(): Progress {
    for (;;) {
      const before = this.#state;
      const progress = this.#step();
      if (progress !== "more") return progress;
      if (this.#state === before) return "more";
    }
  }

  #step(): Progress {
    switch (this.#state) {
      case "head":
        return this.#readHead();
      case "length":
        this.#take();
        return this.#left === 0 ? "done" : "more";
      case "chunk-size":
        return this.#readChunkSize();
      case "chunk":
        this.#take();
        if (this.#left > 0 || this.#rest.length < 2) return "more";
        this.#rest = this.#rest.subarray(2);
        this.#state = "chunk-size";
        return "more";
      case "trailer":
        return this.#readTrailer();
      case "until-close":
        this.#left = Number.MAX_SAFE_INTEGER;
        this.#take();
        return "more";
    }
  }

  #readHead(): Progress {
    const end = this.#rest.indexOf("\r\n\r\n");
    if (end < 0) return this.#rest.length > HEAD_BYTES_MAX ? "bad" : "more";
    const head = this.#rest.toString("latin1", 0, end + 2);
    const line = STATUS.exec(head);
    if (line === null) return "bad";
    this.#head = head;
    this.#rest = this.#rest.subarray(end + 4);
    this.status = Number(line[2]);
    if (this.status < 200) {
      this.#state = "head";
      return this.#rest.length > 0 ? this.#readHead() : "more";
    }
    this.keepsAlive = line[1] === "1" ? !CLOSES.test(head) : KEEPS.test(head);
    if (this.#noBody || NO_BODY.has(this.status)) return "done";
    if (CHUNKED.test(head)) {
      this.#state = "chunk-size";
      return "more";
    }
    const length = LENGTH.exec(head);
    if (length === null) {
      this.keepsAlive = false;
      this.#state = "until-close";
      return "more";
    }
    this.#left = Number(length[1]);
    this.#state = "length";
    return "more";
  }

  #readChunkSize(): Progress {
    const end = this.#rest.indexOf("\r\n");
    if (end < 0) return "more";
    const size = Number.parseInt(this.#rest.toString("latin1", 0, end), 16);
    if (Number.isNaN(size)) return "bad";
    this.#rest = this.#rest.subarray(end + 2);
    this.#left = size;
    this.#state = size === 0 ? "trailer" : "chunk";
    return "more";
  }

  #readTrailer(): Progress {
    for (;;) {
      const end = this.#rest.indexOf("\r\n");
      if (end < 0) return "more";
      this.#rest = this.#rest.subarray(end + 2);
      if (end === 0) return "done";
    }
  }

  /** Moves what belongs to the body. */
  #take(): void {
    if (this.#rest.length === 0 || this.#left === 0) return;
    const part = this.#rest.subarray(0, this.#left);
    this.#left -= part.length;
    this.#rest = this.#rest.subarray(part.length);
    this.#parts.push(Buffer.from(part));
  }
}
