/**
 * Every refusal that a client can meet, once: a stable code, the status, and what becomes of the connection.
 * `close: true` where framing is in doubt or no further request should come (RFC 9112 section 9.6).
 */

export interface ErrorSpec {
  readonly status: number;
  readonly close: boolean;
  /** One sentence for the log and the body. */
  readonly text: string;
}

export const ERRORS = {
  "request-line-invalid": { status: 400, close: true, text: "The request line is malformed." },
  "request-line-too-long": { status: 414, close: true, text: "The request line is too long." },
  "method-invalid": { status: 400, close: true, text: "The method is not a token." },
  "target-invalid": { status: 400, close: true, text: "The request target is malformed." },
  "target-nul": { status: 400, close: true, text: "The request target decodes to a NUL byte." },
  "version-invalid": { status: 400, close: true, text: "The HTTP version is malformed." },
  "version-unsupported": {
    status: 505,
    close: true,
    text: "Only HTTP/1.0 and HTTP/1.1 are spoken here.",
  },
  "tls-on-plain-port": {
    status: 400,
    close: true,
    text: "A TLS handshake came to a plain HTTP port.",
  },
  "http-on-tls-port": {
    status: 400,
    close: true,
    text: "A plain HTTP request came to an HTTPS port.",
  },
  "client-certificate-missing": {
    status: 400,
    close: true,
    text: "A client certificate is required.",
  },
  "client-certificate-invalid": {
    status: 400,
    close: true,
    text: "The client certificate is not valid here.",
  },
  "h2-preface-unsupported": {
    status: 505,
    close: true,
    text: "HTTP/2 is not spoken on this port.",
  },
  "h2-broken": { status: 400, close: true, text: "The client broke the rules of HTTP/2." },
  "h2-flood": { status: 429, close: true, text: "The client floods its HTTP/2 connection." },
  "gateway-request-invalid": {
    status: 400,
    close: true,
    text: "What the web server in front sent is no request.",
  },
  "line-ending-invalid": { status: 400, close: true, text: "A line does not end with CR LF." },
  "header-name-invalid": { status: 400, close: true, text: "A header name is not a token." },
  "header-value-invalid": {
    status: 400,
    close: true,
    text: "A header value holds a control character.",
  },
  "header-folded": { status: 400, close: true, text: "A header line is folded (obs-fold)." },
  "header-too-large": { status: 431, close: true, text: "The header section is too large." },
  "header-count": { status: 431, close: true, text: "There are too many header lines." },
  "host-missing": { status: 400, close: true, text: "An HTTP/1.1 request needs a Host header." },
  "host-duplicate": { status: 400, close: true, text: "There is more than one Host header." },
  "host-invalid": { status: 400, close: true, text: "The Host header is malformed." },
  "host-mismatch": { status: 400, close: true, text: "Host and :authority differ." },
  "content-type-duplicate": {
    status: 400,
    close: true,
    text: "There is more than one Content-Type header.",
  },
  "content-length-invalid": {
    status: 400,
    close: true,
    text: "Content-Length is not one decimal number.",
  },
  "content-length-duplicate": {
    status: 400,
    close: true,
    text: "There is more than one Content-Length.",
  },
  "content-length-mismatch": {
    status: 400,
    close: true,
    text: "The body is not as long as Content-Length says.",
  },
  "transfer-encoding-unsupported": {
    status: 501,
    close: true,
    text: "Only the transfer coding chunked is known.",
  },
  "transfer-encoding-invalid": {
    status: 400,
    close: true,
    text: "Transfer-Encoding is malformed.",
  },
  "transfer-encoding-with-length": {
    status: 400,
    close: true,
    text: "Transfer-Encoding and Content-Length came together.",
  },
  "transfer-encoding-http10": {
    status: 400,
    close: true,
    text: "Transfer-Encoding came with HTTP/1.0.",
  },
  "expectation-unknown": {
    status: 417,
    close: true,
    text: "Only the expectation 100-continue is known.",
  },
  "pseudo-header-invalid": {
    status: 400,
    close: true,
    text: "The pseudo-header fields are not those of a request.",
  },
  "header-connection-specific": {
    status: 400,
    close: true,
    text: "A header of HTTP/1.1 connections came over HTTP/2.",
  },
  "chunk-invalid": { status: 400, close: true, text: "The chunked body is malformed." },
  "trailer-invalid": { status: 400, close: true, text: "The trailer section is malformed." },
  "trailer-too-large": { status: 431, close: true, text: "The trailer section is too large." },
  "websocket-handshake-invalid": {
    status: 400,
    close: true,
    text: "The WebSocket handshake is malformed.",
  },
  "websocket-version": {
    status: 426,
    close: true,
    text: "Only version 13 of the WebSocket protocol is spoken here.",
  },
  "forwarding-invalid": {
    status: 400,
    close: true,
    text: "A forwarding header of a trusted proxy is malformed.",
  },
  "forwarding-conflict": {
    status: 400,
    close: true,
    text: "Forwarded and X-Forwarded-* of a trusted proxy contradict each other.",
  },
  "proxy-untrusted": {
    status: 400,
    close: true,
    text: "The sender may not speak the PROXY protocol here (proxy-allow-ips).",
  },
  "proxy-header-missing": {
    status: 400,
    close: true,
    text: "The connection does not begin with the PROXY protocol that is set.",
  },
  "proxy-header-invalid": {
    status: 400,
    close: true,
    text: "The header of the PROXY protocol is malformed.",
  },
  "connect-refused": { status: 501, close: true, text: "CONNECT is not served." },
  "body-too-large": {
    status: 413,
    close: true,
    text: "The request body is larger than the limit.",
  },
  "header-timeout": { status: 408, close: true, text: "The request head did not arrive in time." },
  "body-timeout": { status: 408, close: true, text: "The request body did not arrive in time." },
  "body-too-slow": {
    status: 408,
    close: true,
    text: "The request body arrives below the minimum rate.",
  },
  "body-too-far-ahead": {
    status: 503,
    close: true,
    text: "More of the request body waits for the app than can be kept.",
  },
  "queue-full": { status: 503, close: false, text: "Every worker is busy and the queue is full." },
  "queue-timeout": { status: 503, close: false, text: "No worker became free in time." },
  "no-workers": { status: 503, close: false, text: "No worker is running." },
  "interface-changed": {
    status: 503,
    close: true,
    text: "The app was replaced by one of another interface; connect again.",
  },
  "connections-full": { status: 503, close: true, text: "The limit of connections is reached." },
  "worker-lost": { status: 502, close: false, text: "The worker died while it answered." },
  "worker-timeout": { status: 504, close: false, text: "The app did not answer in time." },
  "app-failed": { status: 500, close: false, text: "The app failed." },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;
