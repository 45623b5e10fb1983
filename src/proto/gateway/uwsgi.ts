/**
 * The uwsgi protocol (uwsgi-docs, "The uwsgi Protocol"): one packet of variables, then the body as it is; one request a connection.
 *
 *     modifier1 u8 = 0 | size u16 little-endian | modifier2 u8 | (length u16, name, length u16, value)*
 */
import { Gathered, GatewayError, type GatewayEvent, type GatewayReader } from "./events.ts";
import { Variables } from "./variables.ts";

const HEADER_BYTES = 4;
/** Modifier of a request for a WSGI app; others mean signals, caches, spoolers, ... */
const REQUEST = 0;

export class UwsgiReader implements GatewayReader {
  readonly #gathered = new Gathered();
  #headRead = false;

  get begun(): boolean {
    return this.#headRead || this.#gathered.length > 0;
  }

  feed(chunk: Buffer): readonly GatewayEvent[] {
    if (this.#headRead) return [{ t: "body", data: chunk }];
    const gathered = this.#gathered;
    gathered.add(chunk);
    if (gathered.bytes[0] !== REQUEST && gathered.length > 0) {
      throw new GatewayError(`the packet has the modifier ${gathered.bytes[0]}, not 0 (a request)`);
    }
    if (gathered.length < HEADER_BYTES) return [];
    const size = gathered.bytes.readUInt16LE(1);
    if (gathered.length < HEADER_BYTES + size) return [];
    this.#headRead = true;
    gathered.take(HEADER_BYTES);
    const events: GatewayEvent[] = [{ t: "head", variables: readVariables(gathered.take(size)) }];
    if (gathered.length > 0) events.push({ t: "body", data: gathered.take(gathered.length) });
    return events;
  }
}

function readVariables(packet: Buffer): Variables {
  const variables = new Variables();
  let at = 0;
  const text = (): string => {
    const start = at + 2;
    const end = start <= packet.length ? start + packet.readUInt16LE(at) : Infinity;
    if (end > packet.length) throw new GatewayError("the packet ends within a variable");
    at = end;
    return packet.toString("latin1", start, end);
  };
  while (at < packet.length) variables.add(text(), text());
  return variables;
}
