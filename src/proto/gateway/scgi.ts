/**
 * SCGI (the protocol's page by Neil Schemenauer, 2008): a netstring of variables, then the body as it is; one request a connection.
 *
 *     "70:" "CONTENT_LENGTH" NUL "27" NUL "SCGI" NUL "1" NUL ... ","
 */
import {
  Gathered,
  GatewayError,
  type GatewayEvent,
  type GatewayReader,
  VARIABLES_BYTES_MAX,
} from "./events.ts";
import { Variables } from "./variables.ts";

const COLON = 0x3a;
const COMMA = 0x2c;
const DIGITS_MAX = String(VARIABLES_BYTES_MAX).length;

export class ScgiReader implements GatewayReader {
  readonly #gathered = new Gathered();
  #headRead = false;

  get begun(): boolean {
    return this.#headRead || this.#gathered.length > 0;
  }

  feed(chunk: Buffer): readonly GatewayEvent[] {
    if (this.#headRead) return [{ t: "body", data: chunk }];
    const gathered = this.#gathered;
    gathered.add(chunk);
    const colon = gathered.bytes.subarray(0, DIGITS_MAX + 1).indexOf(COLON);
    const digits = gathered.bytes.toString("latin1", 0, colon === -1 ? DIGITS_MAX + 1 : colon);
    const complete = colon !== -1;
    const plausible = complete ? /^(0|[1-9]\d*)$/ : /^\d*$/;
    if (!plausible.test(digits) || digits.length > DIGITS_MAX) {
      throw new GatewayError("what came does not begin with the length of a netstring");
    }
    if (!complete) return [];
    const size = Number(digits);
    if (size > VARIABLES_BYTES_MAX)
      throw new GatewayError(`${size} bytes of variables are too many`);
    if (gathered.length < colon + 1 + size + 1) return [];
    this.#headRead = true;
    gathered.take(colon + 1);
    const variables = readVariables(gathered.take(size));
    if (gathered.take(1)[0] !== COMMA)
      throw new GatewayError("the netstring has no comma behind it");
    const events: GatewayEvent[] = [{ t: "head", variables }];
    if (gathered.length > 0) events.push({ t: "body", data: gathered.take(gathered.length) });
    return events;
  }
}

function readVariables(packet: Buffer): Variables {
  const words = packet.toString("latin1").split("\0");
  if (words.pop() !== "" || words.length % 2 !== 0) {
    throw new GatewayError("the variables are not pairs that end with NUL");
  }
  const variables = new Variables();
  for (let i = 0; i < words.length; i += 2) variables.add(words[i]!, words[i + 1]!);
  if (variables.get("SCGI") !== "1") throw new GatewayError("the variable SCGI is not 1");
  return variables;
}
