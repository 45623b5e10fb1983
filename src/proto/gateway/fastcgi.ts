/**
 * FastCGI (the specification, version 1, of 1996): records of several streams of one request. Responder role only; one request at a
 * time on a connection, as web servers do it; a connection serves several in turn when the web server asks for that (KEEP_CONN).
 *
 *     version u8 = 1 | type u8 | request u16 | length u16 | padding u8 | reserved u8, then content and padding; big-endian
 */
import {
  Gathered,
  GatewayError,
  type GatewayEvent,
  type GatewayReader,
  VARIABLES_BYTES_MAX,
} from "./events.ts";
import { Variables } from "./variables.ts";

const HEADER_BYTES = 8;
const VERSION = 1;
const BEGIN_REQUEST = 1;
const ABORT_REQUEST = 2;
const END_REQUEST = 3;
const PARAMS = 4;
const STDIN = 5;
const STDOUT = 6;
const GET_VALUES = 9;
const GET_VALUES_RESULT = 10;
const UNKNOWN_TYPE = 11;

/** The one question about the server that is answered: whether requests may overlap on a connection. */
const MULTIPLEXES = "FCGI_MPXS_CONNS";
const RESPONDER = 1;
const KEEP_CONN = 1;
const REQUEST_COMPLETE = 0;
const CANT_MPX_CONN = 1;
const UNKNOWN_ROLE = 3;
/** 65,535 rounded down, so that no padding is needed. */
const RECORD_BYTES_MAX = 65_528;

export class FastcgiReader implements GatewayReader {
  /** The web server wants the connection for further requests. */
  keepConnection = false;
  readonly #gathered = new Gathered();
  /** 0: none is under way. */
  #request = 0;
  #params: Buffer[] = [];
  #paramsBytes = 0;
  #headRead = false;

  feed(chunk: Buffer): readonly GatewayEvent[] {
    const gathered = this.#gathered;
    const events: GatewayEvent[] = [];
    gathered.add(chunk);
    while (gathered.length >= HEADER_BYTES) {
      const { bytes } = gathered;
      if (bytes[0] !== VERSION) throw new GatewayError(`a record has the version ${bytes[0]}`);
      const size = HEADER_BYTES + bytes.readUInt16BE(4) + bytes[6]!;
      if (gathered.length < size) break;
      const record = gathered.take(size);
      const content = record.subarray(HEADER_BYTES, HEADER_BYTES + record.readUInt16BE(4));
      const event = this.#record(record[1]!, record.readUInt16BE(2), content);
      if (event !== null) events.push(event);
    }
    return events;
  }

  /** A request is under way: from its first record until `end`. */
  get busy(): boolean {
    return this.#request !== 0;
  }

  /** Not by what may still come of the last request, once that has been answered: it must not look like the next one. */
  get begun(): boolean {
    return this.busy || this.#gathered.bytes[1] === BEGIN_REQUEST;
  }

  /** A part of the response, as records. */
  stdout(data: Buffer): Buffer {
    const pieces: Buffer[] = [];
    for (let at = 0; at < data.length; at += RECORD_BYTES_MAX) {
      const part = data.subarray(at, at + RECORD_BYTES_MAX);
      pieces.push(header(STDOUT, this.#request, part.length), part);
    }
    return Buffer.concat(pieces);
  }

  /** The response is over; the next request may come. */
  end(): Buffer {
    const end = Buffer.concat([
      header(STDOUT, this.#request, 0),
      endRequest(this.#request, REQUEST_COMPLETE),
    ]);
    this.#request = 0;
    return end;
  }

  #record(type: number, request: number, content: Buffer): GatewayEvent | null {
    if (request === 0) return management(type, content);
    if (type === BEGIN_REQUEST) return this.#begin(request, content);
    // Of a request that has been answered, or refused: the web server may not know yet.
    if (request !== this.#request) return null;
    switch (type) {
      case ABORT_REQUEST:
        return { t: "abort" };
      case PARAMS:
        return this.#addParams(content);
      case STDIN:
        if (!this.#headRead) throw new GatewayError("the body comes before the variables");
        return content.length === 0 ? { t: "end" } : { t: "body", data: content };
    }
    throw new GatewayError(`a record of the type ${type} comes from the web server`);
  }

  #begin(request: number, content: Buffer): GatewayEvent | null {
    if (content.length !== 8) throw new GatewayError("a request begins with a malformed record");
    if (this.#request !== 0) return { t: "reply", data: endRequest(request, CANT_MPX_CONN) };
    if (content.readUInt16BE(0) !== RESPONDER) {
      return { t: "reply", data: endRequest(request, UNKNOWN_ROLE) };
    }
    this.keepConnection = (content[2]! & KEEP_CONN) !== 0;
    this.#request = request;
    this.#params = [];
    this.#paramsBytes = 0;
    this.#headRead = false;
    return null;
  }

  #addParams(content: Buffer): GatewayEvent | null {
    if (this.#headRead) throw new GatewayError("the variables go on after their end");
    if (content.length > 0) {
      this.#params.push(content);
      this.#paramsBytes += content.length;
      if (this.#paramsBytes <= VARIABLES_BYTES_MAX) return null;
      throw new GatewayError(`more than ${VARIABLES_BYTES_MAX} bytes of variables are too many`);
    }
    this.#headRead = true;
    const variables = new Variables();
    for (const [name, value] of readPairs(Buffer.concat(this.#params))) variables.add(name, value);
    this.#params = [];
    return { t: "head", variables };
  }
}

/** What is asked about the server, not about a request. */
function management(type: number, content: Buffer): GatewayEvent {
  if (type !== GET_VALUES) {
    const body = Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]);
    return { t: "reply", data: Buffer.concat([header(UNKNOWN_TYPE, 0, body.length), body]) };
  }
  const asked = readPairs(content).some(([name]) => name === MULTIPLEXES);
  const body = asked ? pair(MULTIPLEXES, "0") : Buffer.alloc(0);
  return { t: "reply", data: Buffer.concat([header(GET_VALUES_RESULT, 0, body.length), body]) };
}

function header(type: number, request: number, length: number): Buffer {
  return Buffer.from([
    ...[VERSION, type, request >> 8, request & 0xff],
    ...[length >> 8, length & 0xff, 0, 0],
  ]);
}

function endRequest(request: number, status: number): Buffer {
  return Buffer.concat([
    header(END_REQUEST, request, 8),
    Buffer.from([0, 0, 0, 0, status, 0, 0, 0]),
  ]);
}

/** Both are short. */
function pair(name: string, value: string): Buffer {
  return Buffer.from([name.length, value.length, ...Buffer.from(name + value, "latin1")]);
}

function readPairs(content: Buffer): [string, string][] {
  const pairs: [string, string][] = [];
  let at = 0;
  const need = (count: number): number => {
    if (at + count > content.length) throw new GatewayError("the variables end within one");
    at += count;
    return at - count;
  };
  const length = (): number => {
    const first = content[need(1)]!;
    if (first < 0x80) return first;
    at -= 1;
    return content.readUInt32BE(need(4)) & 0x7fffffff;
  };
  while (at < content.length) {
    const nameLength = length();
    const valueLength = length();
    const start = need(nameLength);
    const middle = need(valueLength);
    pairs.push([content.toString("latin1", start, middle), content.toString("latin1", middle, at)]);
  }
  return pairs;
}
