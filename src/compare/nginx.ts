/** What every NGINX of a comparison has in common: in the foreground, from a directory of its own, without rights and without a log. */
import { certificatePath, CONNECTIONS, isSecure, KEEP_ALIVE, keyPath } from "./servers/spec.ts";
import type { Launch, Listen } from "./servers/spec.ts";
import type { Setup } from "./types.ts";

const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
const FILE = "nginx.conf";

/** More than any load generator asks of one connection: it is not to be closed in the middle of a measurement. */
const REQUESTS = 1_000_000_000;

/** `http`: lines of the http block, besides the server block; `server`: lines of that. */
export function nginx(
  path: string,
  setup: Setup,
  listen: Listen,
  parts: { readonly http?: readonly string[]; readonly server: readonly string[] },
): Launch {
  const { directory, port } = listen;
  const secure = isSecure(setup);
  const text = [
    // As root it would leave root for a user who cannot go into the directory.
    ...(process.getuid?.() === 0 ? ["user root;"] : []),
    "daemon off;",
    `worker_processes ${setup.workers};`,
    "error_log stderr;",
    `pid ${directory}/nginx.pid;`,
    `events { worker_connections ${CONNECTIONS}; }`,
    "http {",
    "access_log off;",
    "sendfile on;",
    "tcp_nopush on;",
    "server_tokens off;",
    `keepalive_timeout ${KEEP_ALIVE};`,
    `keepalive_requests ${REQUESTS};`,
    ...TEMPORARY.map((kind) => `${kind}_temp_path ${directory}/${kind};`),
    ...(parts.http ?? []),
    "server {",
    `listen 127.0.0.1:${port}${secure ? " ssl" : ""}${setup.protocol === "h2" ? " http2" : ""};`,
    ...(secure
      ? [`ssl_certificate ${certificatePath(listen)};`, `ssl_certificate_key ${keyPath(listen)};`]
      : []),
    ...parts.server,
    "}",
    "}",
    "",
  ].join("\n");
  const argv = [path, "-e", "stderr", "-p", directory, "-c", `${directory}/${FILE}`];
  return { argv, cwd: directory, files: { [FILE]: text } };
}
