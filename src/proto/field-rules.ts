/** Rules on the value of single fields that every version of HTTP keeps to. */
import type { ErrorCode } from "../core/errors.ts";
import { decimal, equalsIgnoreCase, validHost } from "./fields.ts";
import { ascii } from "./grammar.ts";
import { Name, type NameCode } from "./names.ts";

const CONTINUE = ascii("100-continue");

/**
 * What is wrong with the field `name`, whose value is `bytes[from..to)`, or null. `again`: a field of this name came before in the same
 * head.
 */
export function fieldFault(
  name: NameCode,
  again: boolean,
  bytes: Uint8Array,
  from: number,
  to: number,
): ErrorCode | null {
  switch (name) {
    case Name.HOST:
      if (again) return "host-duplicate";
      return validHost(bytes, from, to) ? null : "host-invalid";
    case Name.CONTENT_TYPE:
      return again ? "content-type-duplicate" : null;
    case Name.CONTENT_LENGTH:
      if (again) return "content-length-duplicate";
      return decimal(bytes, from, to) < 0 ? "content-length-invalid" : null;
    case Name.EXPECT:
      return equalsIgnoreCase(bytes, from, to, CONTINUE) ? null : "expectation-unknown";
    default:
      return null;
  }
}
