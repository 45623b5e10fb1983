/**
 * The head that a reader shows (RequestHead of ../events.ts): the facts about a request once all its lines are read, and
 * lookups for logs in what the memo keeps of it.
 */
import type { ErrorCode } from "../../core/errors.ts";
import type { RequestHead } from "../events.ts";
import type { Forwarded } from "../forwarded.ts";
import { Fact, type HeadParser } from "./head.ts";
import type { HeadMemo } from "./memo.ts";

const EMPTY = new Uint8Array(0);

export class Head implements RequestHead {
  method = "";
  version = 11;
  block: Uint8Array = EMPTY;
  splitAt = 0;
  blockEnd = 0;
  contentLength = 0;
  keepAlive = false;
  expectContinue = false;
  trailersOk = false;
  upgrade = false;
  dropped = 0;
  forwarded: Forwarded | null = null;

  readonly #memo: HeadMemo;
  readonly #parser: HeadParser;

  constructor(memo: HeadMemo, parser: HeadParser) {
    this.#memo = memo;
    this.#parser = parser;
  }

  target(): string {
    return this.#memo.lineText(this.#parser.line.targetFrom, this.#parser.line.targetTo);
  }

  field(name: string): string | null {
    return this.#memo.field(name);
  }

  /**
   * All lines are read: applies the rules that concern several of them and takes the facts over from the parser. Null,
   * or what is wrong. `bodyMax` 0 is no bound.
   */
  conclude(bodyMax: number): ErrorCode | null {
    const parser = this.#parser;
    const facts = parser.facts;
    const version = parser.line.version;
    if (version !== 10 && (facts & Fact.HOST) === 0) return "host-missing";
    let length = parser.contentLength;
    if ((facts & Fact.TRANSFER_ENCODING) !== 0) {
      const refused = transferFault(facts, version);
      if (refused !== null) return refused;
      length = -1;
    }
    if (bodyMax > 0 && length > bodyMax) return "body-too-large";
    this.version = version;
    this.contentLength = length;
    this.keepAlive =
      (facts & Fact.CLOSE) === 0 && (version !== 10 || (facts & Fact.KEEP_ALIVE) !== 0);
    // RFC 9110 section 10.1.1: the expectation of an HTTP/1.0 client is ignored.
    this.expectContinue = (facts & Fact.EXPECT) !== 0 && version !== 10 && length !== 0;
    this.trailersOk = (facts & Fact.TRAILERS_OK) !== 0;
    const upgrade = Fact.UPGRADE | Fact.UPGRADE_NAMED;
    this.upgrade = (facts & upgrade) === upgrade && version !== 10;
    this.dropped = parser.dropped;
    this.forwarded = parser.forwarded;
    return null;
  }
}

/** What is wrong with the Transfer-Encoding of a request, or null: RFC 9112 sections 6.1 and 6.3, read strictly. */
function transferFault(facts: number, version: number): ErrorCode | null {
  if (version === 10) return "transfer-encoding-http10";
  if ((facts & Fact.CONTENT_LENGTH) !== 0) return "transfer-encoding-with-length";
  const wrong = (facts & Fact.CODING_WRONG) !== 0 || (facts & Fact.CODING_CHUNKED) === 0;
  if (wrong) return "transfer-encoding-invalid";
  return (facts & Fact.CODING_OTHER) !== 0 ? "transfer-encoding-unsupported" : null;
}
