/** What becomes of a header block. */
export const DecodeCode = {
  OK: 0,
  /** Stream error PROTOCOL_ERROR (RFC 9113 section 8.1.1): `errorCode` says why. */
  MALFORMED: 1,
  /** The request is answered with `errorCode`. */
  REFUSED: 2,
  /** Connection error `connectionError`: the dynamic table is lost. */
  COMPRESSION: 3,
} as const;
export type DecodeCode = (typeof DecodeCode)[keyof typeof DecodeCode];
