/** Which fields may come after a body, the same for every version of HTTP. */
import { isForwardingName } from "./names.ts";

/**
 * Fields that must not come after the body (RFC 9110 section 6.5.1): framing, routing, authentication, request
 * modifiers, content description, and what proxies are trusted for. They are left out.
 */
const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set(
  (
    "transfer-encoding content-length host trailer te connection keep-alive proxy-connection upgrade proxy expect " +
    "max-forwards range if-match if-none-match if-modified-since if-unmodified-since if-range cache-control pragma " +
    "authorization proxy-authorization proxy-authenticate www-authenticate cookie set-cookie origin referer " +
    "content-encoding content-type content-range content-location content-disposition content-language age date " +
    "expires location retry-after vary warning forwarded via accept accept-charset accept-encoding accept-language " +
    "user-agent early-data upgrade-insecure-requests alt-used http2-settings priority"
  ).split(" "),
);
/** Beginnings of names that proxies and browsers vouch for. */
const FORBIDDEN_TRAILER_STARTS = ["x-real-", "sec-", "access-control-"] as const;

/** Is a trailer field of this name (lower case) left out? */
export function forbiddenTrailer(name: string): boolean {
  return (
    FORBIDDEN_TRAILERS.has(name) ||
    isForwardingName(name) ||
    FORBIDDEN_TRAILER_STARTS.some((start) => name.startsWith(start))
  );
}
