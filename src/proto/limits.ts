/** Bounds of a request head that every version of HTTP keeps to. */
export interface HeadLimits {
  /** Bytes of the request line, CR LF not counted; HTTP/2: of the line that the pseudo-header fields would make. */
  readonly requestLineBytesMax: number;
  /** Bytes of all header lines with their line endings; trailers count too. HTTP/2: each field as the line it would make. */
  readonly headerBytesMax: number;
  /** Bytes of one header line, CR LF not counted. */
  readonly headerFieldBytesMax: number;
  /** Header lines; trailers count too. */
  readonly headerCountMax: number;
  /** What becomes of a header whose name has an underscore, which CGI cannot tell from a hyphen. */
  readonly underscoreHeaders: "drop" | "refuse";
}
