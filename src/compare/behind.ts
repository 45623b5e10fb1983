/** NGINX or HAProxy in front of a server of the comparison, as it would be deployed: kept connections to it, everything passed on. */
import { nginx } from "./nginx.ts";
import { certificatePath, isSecure, KEEP_ALIVE } from "./servers/spec.ts";
import type { Launch, Listen } from "./servers/spec.ts";
import type { Setup } from "./types.ts";

export type FrontName = "nginx" | "haproxy";

/** Idle connections to the server that one worker of NGINX keeps. */
const IDLE_MAX = 1024;

export interface Front {
  readonly name: FrontName;
  /** The program. */
  readonly path: string;
  /** Port of the server behind, which speaks HTTP/1.1 without TLS: the front has that. */
  readonly upstream: number;
}

export function behind(front: Front, setup: Setup, listen: Listen): Launch {
  return front.name === "nginx"
    ? nginxBefore(front, setup, listen)
    : haproxyBefore(front, setup, listen);
}

function nginxBefore({ path, upstream }: Front, setup: Setup, listen: Listen): Launch {
  return nginx(path, setup, listen, {
    http: [
      "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }",
      `upstream app { server 127.0.0.1:${upstream}; keepalive ${IDLE_MAX}; }`,
    ],
    server: [
      "client_max_body_size 0;",
      "location / {",
      "proxy_pass http://app;",
      "proxy_http_version 1.1;",
      "proxy_set_header Host $http_host;",
      "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
      "proxy_set_header X-Forwarded-Proto $scheme;",
      "proxy_set_header Upgrade $http_upgrade;",
      "proxy_set_header Connection $connection_upgrade;",
      "}",
    ],
  });
}

function haproxyBefore({ path, upstream }: Front, setup: Setup, listen: Listen): Launch {
  const alpn = setup.protocol === "h2" ? "h2,http/1.1" : "http/1.1";
  const secure = isSecure(setup) ? ` ssl crt ${certificatePath(listen)} alpn ${alpn}` : "";
  const text = [
    "global",
    `  nbthread ${setup.workers}`,
    "defaults",
    "  mode http",
    "  timeout connect 10s",
    "  timeout client 300s",
    "  timeout server 300s",
    `  timeout http-keep-alive ${KEEP_ALIVE}s`,
    "  option http-keep-alive",
    "  http-reuse always",
    "frontend front",
    `  bind 127.0.0.1:${listen.port}${secure}`,
    "  option forwardfor",
    "  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
    "  default_backend app",
    "backend app",
    `  server app 127.0.0.1:${upstream}`,
    "",
  ].join("\n");
  const file = "haproxy.cfg";
  const argv = [path, "-db", "-f", `${listen.directory}/${file}`];
  return { argv, cwd: listen.directory, files: { [file]: text } };
}
