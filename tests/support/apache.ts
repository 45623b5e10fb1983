/**
 * What Apache 2.4.71 sends for `POST /shop/caf%C3%A9/a%20b//d?x=1&y=%20` with the body `body`, as recorded behind each of its modules:
 * `ProxyPass /shop/ unix:...|uwsgi://app/` and so on, on Debian, which sets `ServerSignature On`. Repeated headers it joins by itself. It
 * is not started in tests because it must be told its port.
 */
type Pairs = readonly (readonly [string, string])[];

const CLIENTS: Pairs = [
  ["HTTP_HOST", "127.0.0.1:18980"],
  ["HTTP_USER_AGENT", "curl/7.88.1"],
  ["HTTP_ACCEPT", "*/*"],
  ["HTTP_X_PROBE", "1, 2"],
];
const CONTENT: Pairs = [
  ["CONTENT_LENGTH", "4"],
  ["CONTENT_TYPE", "text/x"],
];
const SERVERS: Pairs = [
  ["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  [
    "SERVER_SIGNATURE",
    "<address>Apache/2.4.71 (Debian) Server at 127.0.0.1 Port 18980</address>\n",
  ],
  ["SERVER_SOFTWARE", "Apache/2.4.71 (Debian)"],
  ["SERVER_NAME", "127.0.0.1"],
  ["SERVER_ADDR", "127.0.0.1"],
  ["SERVER_PORT", "18980"],
  ["REMOTE_ADDR", "127.0.0.1"],
  ["DOCUMENT_ROOT", "/var/www/html"],
  ["REQUEST_SCHEME", "http"],
  ["CONTEXT_PREFIX", ""],
  ["CONTEXT_DOCUMENT_ROOT", "/var/www/html"],
  ["SERVER_ADMIN", "[no address given]"],
];
const REQUEST: Pairs = [
  ["SERVER_PROTOCOL", "HTTP/1.1"],
  ["REQUEST_METHOD", "POST"],
  ["QUERY_STRING", "x=1&y=%20"],
  ["REQUEST_URI", "/shop/caf%C3%A9/a%20b//d?x=1&y=%20"],
];
/** Decoded, and without the empty segment. */
const PATH = "/caf\u00c3\u00a9/a b/d";

export const APACHE: Readonly<Record<"uwsgi" | "scgi" | "fastcgi", Pairs>> = {
  uwsgi: [
    ["PATH_INFO", PATH],
    ...CLIENTS,
    ...CONTENT,
    ...SERVERS,
    ["SCRIPT_FILENAME", `proxy:uwsgi://app${PATH}`],
    ["REMOTE_PORT", "43330"],
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ...REQUEST,
    ["SCRIPT_NAME", "/shop"],
  ],
  scgi: [
    ["CONTENT_LENGTH", "4"],
    ["SCGI", "1"],
    ...CLIENTS,
    ["CONTENT_TYPE", "text/x"],
    ...SERVERS,
    ["SCRIPT_FILENAME", "proxy:scgi://app/caf%C3%A9/a%20b/d"],
    ["REMOTE_PORT", "43336"],
    ...REQUEST,
    ["SCRIPT_NAME", `/shop${PATH}`],
  ],
  fastcgi: [
    ...CLIENTS,
    ...CONTENT,
    ...SERVERS,
    ["SCRIPT_FILENAME", "proxy:fcgi://app/caf%C3%A9/a%20b/d"],
    ["REMOTE_PORT", "43342"],
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ...REQUEST,
    ["SCRIPT_NAME", `/shop${PATH}`],
  ],
};
