/**
 * Sec-WebSocket-Extensions (RFC 6455 section 9.1) and the choice of permessage-deflate from a client's offers (RFC 7692 section 7.1).
 * Time is linear in the field's length, which the header limits bound.
 */

/** What was agreed for permessage-deflate. */
export interface DeflateParams {
  /** Our messages each begin with an empty window. */
  readonly serverNoContextTakeover: boolean;
  /** The client's messages each begin with an empty window. */
  readonly clientNoContextTakeover: boolean;
  /** Base-2 logarithm of our window, 8 to 15. */
  readonly serverWindowBits: number;
  /** Of the client's window, 8 to 15. */
  readonly clientWindowBits: number;
  /** The member of Sec-WebSocket-Extensions that answers the offer. */
  readonly answer: string;
}

interface Offer {
  name: string;
  /** Names with values; null where there is no `=`. */
  params: [string, string | null][];
}

/**
 * The windows we ask for: 4 KiB hold the messages that repeat themselves, and what must be kept of a client to decompress its next message
 * is that much and not 32 KiB.
 */
const WINDOW_BITS_WANTED = 12;
const WINDOW_BITS_DEFAULT = 15;

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const BLANKS = /[ \t]*/y;
const WHOLE_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Reads the field's list. */
class OfferParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** null: the field does not follow the grammar. */
  offers(): Offer[] | null {
    const found: Offer[] = [];
    while (this.#at < this.#text.length) {
      // RFC 9110 section 5.6.1.2: empty members of a list are skipped.
      this.#match(BLANKS);
      if (this.#take(",")) continue;
      if (this.#at === this.#text.length) break;
      const offer = this.#offer();
      if (offer === null) return null;
      found.push(offer);
      if (this.#at < this.#text.length && !this.#take(",")) return null;
    }
    return found;
  }

  #offer(): Offer | null {
    const name = this.#match(TOKEN);
    if (name === null) return null;
    const offer: Offer = { name: name[0].toLowerCase(), params: [] };
    this.#match(BLANKS);
    while (this.#take(";")) {
      this.#match(BLANKS);
      const param = this.#match(TOKEN);
      if (param === null) return null;
      this.#match(BLANKS);
      let value: string | null = null;
      if (this.#take("=")) {
        this.#match(BLANKS);
        value = this.#value();
        if (value === null) return null;
        this.#match(BLANKS);
      }
      offer.params.push([param[0].toLowerCase(), value]);
    }
    return offer;
  }

  /** What is quoted must be a token too (RFC 6455 section 9.1). */
  #value(): string | null {
    const quoted = this.#match(QUOTED);
    if (quoted === null) return this.#match(TOKEN)?.[0] ?? null;
    const value = quoted[1]!.replaceAll(/\\(.)/g, "$1");
    return WHOLE_TOKEN.test(value) ? value : null;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at += found[0].length;
    return found;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }
}

/** The offers of a field value; null when it is malformed: then the handshake fails (RFC 6455 section 9.1). */
export function parseOffers(field: string): Offer[] | null {
  return new OfferParser(field).offers();
}

/** The first acceptable offer of permessage-deflate, answered; null when there is none. Other extensions are not known. */
export function chooseDeflate(offers: readonly Offer[]): DeflateParams | null {
  for (const offer of offers) {
    if (offer.name !== "permessage-deflate") continue;
    const agreed = agree(offer.params);
    if (agreed !== null) return agreed;
  }
  return null;
}

/** null: declined, for RFC 7692 section 7.1 wants that for a parameter that is unknown, doubled or out of range. */
function agree(params: readonly [string, string | null][]): DeflateParams | null {
  const named = new Map(params);
  if (named.size < params.length) return null;
  let serverNoContextTakeover = false;
  let clientNoContextTakeover = false;
  let serverWindowBits = WINDOW_BITS_WANTED;
  let clientWindowBits = WINDOW_BITS_DEFAULT;
  for (const [name, value] of named) {
    if (name === "server_no_context_takeover" && value === null) {
      serverNoContextTakeover = true;
    } else if (name === "client_no_context_takeover" && value === null) {
      clientNoContextTakeover = true;
    } else if (name === "server_max_window_bits" && value !== null) {
      serverWindowBits = Math.min(WINDOW_BITS_WANTED, windowBits(value));
    } else if (name === "client_max_window_bits") {
      const most = value === null ? WINDOW_BITS_DEFAULT : windowBits(value);
      clientWindowBits = Math.min(WINDOW_BITS_WANTED, most);
    } else {
      return null;
    }
  }
  if (Number.isNaN(serverWindowBits) || Number.isNaN(clientWindowBits)) return null;
  let answer = "permessage-deflate";
  if (serverNoContextTakeover) answer += "; server_no_context_takeover";
  if (clientNoContextTakeover) answer += "; client_no_context_takeover";
  answer += `; server_max_window_bits=${serverWindowBits}`;
  // Only a client that named it understands it (RFC 7692 section 7.1.2.2).
  if (named.has("client_max_window_bits")) answer += `; client_max_window_bits=${clientWindowBits}`;
  return {
    serverNoContextTakeover,
    clientNoContextTakeover,
    serverWindowBits,
    clientWindowBits,
    answer,
  };
}

/** 8 to 15 without leading zeros, else NaN. */
function windowBits(value: string): number {
  return /^(8|9|1[0-5])$/.test(value) ? Number(value) : Number.NaN;
}
