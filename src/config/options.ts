/**
 * Every option, once. Flags, variables, file keys, help, docs/settings.md, the type of `Config` and
 * the checks of single values are made from these rows (config.ts, values.ts); checks across
 * options are in rules.ts.
 *
 * The public name of a row is its key without the unit, in kebab case: `keepAliveMs` is
 * `--keep-alive`, KEELBACK_KEEP_ALIVE, and `keep-alive` in a file.
 */
import { networkComplaint } from "../core/networks.ts";
import type { OptionSpec } from "./spec.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SECOND = 1000;
const DAY = 86_400 * SECOND;

/** Beyond this many workers memory is what counts, and the person should say so. */
const WORKERS_AUTO_MAX = 8;
/** One edge carries what about four cores of Python can answer. */
const CORES_PER_EDGE = 4;
const EDGES_AUTO_MAX = 4;

const NETWORKS_ALLOWED = "IP addresses, networks (10.0.0.0/8), unix, * or none";
/** Those that src/proto/forwarded.ts can read. */
const FORWARDED_HEADERS: readonly string[] = [
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "forwarded",
  "none",
];

export const OPTIONS = {
  app: {
    type: "string",
    default: null,
    positional: true,
    section: "App",
    common: true,
    meta: "APP",
    reload: "live",
    summary: "the app: module:attribute, module, or module:factory()",
    why:
      "A module alone is searched for app, application and create_app. Without any APP the " +
      "project is recognised: manage.py, then main.py, app.py, wsgi.py, asgi.py; the choice " +
      "is printed.",
    counterparts: { gunicorn: "APP_MODULE", uvicorn: "APP", granian: "APP", uwsgi: "--module" },
  },
  interface: {
    type: "choice",
    choices: ["auto", "wsgi", "asgi"],
    default: "auto",
    translate: { asgi3: "asgi", asgi2: "asgi" },
    section: "App",
    reload: "live",
    summary: "what the app speaks",
    why:
      "`auto` looks at the callable and says what it found. ASGI 2 double callables are " +
      "recognised under `asgi`.",
    counterparts: { gunicorn: "-k", uvicorn: "--interface", granian: "--interface" },
  },
  factory: {
    type: "boolean",
    default: false,
    section: "App",
    reload: "live",
    summary: "APP is a function that returns the app",
    why: "The same as writing `module:factory()`.",
    counterparts: { gunicorn: "module:factory()", uvicorn: "--factory", granian: "--factory" },
  },
  rootPath: {
    type: "string",
    default: "",
    meta: "PATH",
    section: "App",
    reload: "live",
    summary: "path under which a proxy mounts the app (SCRIPT_NAME, root_path)",
    why: "Empty: the app is at the root. Begins with / and does not end with one.",
    counterparts: {
      gunicorn: "SCRIPT_NAME",
      uvicorn: "--root-path",
      granian: "--url-path-prefix",
      uwsgi: "--mount",
    },
  },
  lifespan: {
    type: "choice",
    choices: ["auto", "on", "off"],
    default: "auto",
    section: "App",
    reload: "live",
    summary: "run the ASGI lifespan protocol",
    why: "`auto`: an app that does not know it is served without; `on`: that is an error at start.",
    counterparts: {
      gunicorn: "--asgi-lifespan",
      uvicorn: "--lifespan",
      granian: "--interface asginl (off)",
    },
  },
  loop: {
    type: "choice",
    choices: ["auto", "asyncio", "uvloop"],
    default: "auto",
    section: "App",
    reload: "live",
    summary: "event loop of asyncio workers",
    why:
      "`auto` takes uvloop when the app's environment has it: it is faster, and nothing " +
      "breaks without it.",
    counterparts: { gunicorn: "--asgi-loop", uvicorn: "--loop", granian: "--loop" },
  },
  python: {
    type: "string",
    default: null,
    meta: "PATH",
    common: true,
    section: "Python",
    reload: "live",
    summary: "interpreter, or virtual environment, that runs the app",
    why: "Without it: $VIRTUAL_ENV, then ./.venv, then python3 on PATH. CPython 3.9 or newer.",
    counterparts: { uwsgi: "--virtualenv" },
  },
  chdir: {
    type: "path",
    default: ".",
    meta: "DIR",
    section: "Python",
    reload: "live",
    summary: "directory of the app",
    why:
      "The app's working directory, first on its import path. The configuration file is " +
      "looked for in the directory where the command is started.",
    counterparts: { gunicorn: "--chdir", granian: "--working-dir", uwsgi: "--chdir" },
  },
  pythonpath: {
    type: "paths",
    base: "app",
    default: [],
    aliases: ["--app-dir"],
    meta: "DIR",
    section: "Python",
    reload: "live",
    summary: "further directory to import from (repeatable)",
    why: "Goes before the environment's own directories. Relative ones start at chdir.",
    counterparts: { gunicorn: "--pythonpath", uvicorn: "--app-dir", uwsgi: "--pythonpath" },
  },
  env: {
    type: "map",
    default: {},
    short: "-e",
    meta: "NAME=VALUE",
    section: "Python",
    reload: "live",
    summary: "environment variable of the app (repeatable)",
    why: "Set before the app is imported; goes before the inherited environment.",
    counterparts: { gunicorn: "-e, --env", granian: "--env-files", uwsgi: "--env" },
  },
  bind: {
    type: "bind",
    default: ["127.0.0.1:8000"],
    short: "-b",
    prefixed: { "--uds": "unix:", "--fd": "fd://" },
    platform: { variable: "PORT", prefix: "0.0.0.0:" },
    meta: "ADDRESS",
    common: true,
    section: "Network",
    reload: "restart",
    summary: "HOST:PORT, :PORT, [V6]:PORT, unix:PATH, unix:@NAME or fd://N (repeatable)",
    why:
      "Only this machine by default, as nobody should be served by accident. `:PORT` is every " +
      "IPv4 address, a number alone is that port on 127.0.0.1, port 0 takes a free one. " +
      "`unix:@NAME` is an abstract socket (Linux), `fd://N` a listening socket that is passed " +
      "in, `fd://NAME` those that systemd passes under this name. Without a bind, all sockets " +
      "that systemd passes are served. The platform's PORT means 0.0.0.0:PORT, as with gunicorn.",
    counterparts: {
      gunicorn: "-b, --bind",
      uvicorn: "--host, --port, --uds, --fd",
      granian: "--host, --port, --uds",
      uwsgi: "--http-socket",
    },
  },
  host: {
    type: "string",
    default: null,
    into: "bind",
    meta: "HOST",
    section: "Network",
    reload: "restart",
    summary: "host part of bind",
    why:
      "For people who are used to two flags. Either bind or host and port, not both in one " +
      "place.",
    counterparts: { uvicorn: "--host", granian: "--host" },
  },
  port: {
    type: "integer",
    default: 8000,
    min: 0,
    max: 65_535,
    into: "bind",
    meta: "PORT",
    section: "Network",
    reload: "restart",
    summary: "port part of bind",
    why: "See host.",
    counterparts: { uvicorn: "--port", granian: "--port" },
  },
  protocol: {
    type: "choice",
    choices: ["http", "uwsgi", "scgi", "fastcgi"],
    default: "http",
    section: "Network",
    reload: "restart",
    summary: "what is spoken on addresses that do not say it",
    why:
      "For nginx's uwsgi_pass, scgi_pass and fastcgi_pass, and Apache's counterparts. One " +
      "address says it by itself: `--bind uwsgi://unix:/run/app.sock`. Whoever can connect " +
      "there is believed what it says of clients: bind a unix socket or loopback. Such " +
      "addresses are plain, and have no WebSockets.",
    counterparts: {
      gunicorn: "--protocol",
      uwsgi: "--socket, --fastcgi-socket, --scgi-socket",
    },
  },
  backlog: {
    type: "integer",
    default: 2048,
    min: 1,
    max: 65_535,
    unit: "connections",
    section: "Network",
    reload: "restart",
    summary: "connections the kernel holds until they are accepted",
    why: "What the kernel allows (net.core.somaxconn) bounds it. For sockets passed in as well.",
    counterparts: {
      gunicorn: "--backlog",
      uvicorn: "--backlog",
      granian: "--backlog",
      uwsgi: "--listen",
    },
  },
  unixMode: {
    type: "string",
    default: "0666",
    aliases: ["--chmod-socket", "--uds-permissions"],
    meta: "MODE",
    section: "Network",
    reload: "restart",
    summary: "who may connect to unix:PATH: the file's mode, in octal",
    why:
      "0666 is as open as a port of this machine is; 0660 with unix-owner lets a proxy's group " +
      "in and nobody else. The mode is there before the first client can connect, whatever the " +
      "umask.",
    counterparts: {
      gunicorn: "--umask",
      granian: "--uds-permissions",
      hypercorn: "--umask",
      uwsgi: "--chmod-socket",
    },
  },
  unixOwner: {
    type: "string",
    default: null,
    aliases: ["--chown-socket"],
    meta: "USER[:GROUP]",
    section: "Network",
    reload: "restart",
    summary: "whose the file of unix:PATH is: USER, USER:GROUP or :GROUP",
    why:
      "Names or numbers. Another user needs a start as root; a group is possible for everybody " +
      "who is in it.",
    counterparts: {
      gunicorn: "--user, --group",
      hypercorn: "--user, --group",
      uwsgi: "--chown-socket",
    },
  },
  reusePort: {
    type: "boolean",
    default: false,
    section: "Network",
    reload: "restart",
    summary: "let other servers of this user listen on the same port (SO_REUSEPORT)",
    why:
      "The kernel spreads connections over the servers, and those that wait in a server's queue " +
      "are lost when it ends: for two servers side by side, not needed for reloads or several " +
      "edges. All of them must say it. HTTP/3's port is not shared.",
    counterparts: { gunicorn: "--reuse-port", uwsgi: "--reuse-port" },
  },
  ipv6Only: {
    type: "boolean",
    default: false,
    section: "Network",
    reload: "restart",
    summary: "IPv6 addresses take IPv6 clients only",
    why:
      "Without it `[::]` takes IPv4 clients too, unless an IPv4 address of the same port is " +
      "bound beside it.",
    counterparts: {},
  },
  deferAcceptMs: {
    type: "duration",
    default: 0,
    min: SECOND,
    max: 300 * SECOND,
    zero: "off",
    section: "Network",
    reload: "restart",
    summary: "leave connections with the kernel until the client has sent something",
    why:
      "At most for so long (TCP_DEFER_ACCEPT, Linux; it rounds up). Saves work where many " +
      "connect and say nothing; clients that wait this way are not known to the server and get " +
      "a reset when it stops.",
    counterparts: {},
  },
  fastOpen: {
    type: "integer",
    default: 0,
    min: 1,
    max: 65_535,
    zero: "off",
    unit: "connections",
    section: "Network",
    reload: "restart",
    summary: "connections that may begin with data in the first packet (TCP_FASTOPEN)",
    why:
      "Saves a round trip for clients that have been here before. Linux, with bit 2 of " +
      "net.ipv4.tcp_fastopen. A first packet may arrive twice, and the request in it with it " +
      "(RFC 7413 section 2.1): over TLS that is harmless.",
    counterparts: { uwsgi: "--tcp-fast-open" },
  },
  tcpKeepAliveMs: {
    type: "duration",
    default: 60 * SECOND,
    min: SECOND,
    max: 32_400 * SECOND,
    zero: "off",
    section: "Network",
    reload: "restart",
    summary: "silence after which the kernel asks whether a client is still there",
    why:
      "A client that has lost its network says no goodbye; after as long again without an answer " +
      "its connection is closed, and the app is told. Whole seconds.",
    counterparts: { uwsgi: "--so-keepalive" },
  },
  edges: {
    type: "integer",
    default: 1,
    min: 1,
    max: 64,
    auto: {
      value: (cores: number): number =>
        Math.min(EDGES_AUTO_MAX, Math.max(1, Math.floor(cores / CORES_PER_EDGE))),
      text: "one for every four cores, at most 4",
    },
    section: "Network",
    reload: "restart",
    summary: "processes that hold the client connections, or auto",
    why:
      "One edge keeps several workers of a fast app busy; each further one costs about 40 MB " +
      "and has a queue of its own.",
    counterparts: { granian: "--runtime-threads", uwsgi: "--http-processes" },
  },
  control: {
    type: "path",
    default: null,
    meta: "PATH",
    section: "Process",
    reload: "restart",
    summary: "further name of the control socket, for keelback ctl",
    why:
      "Without it the socket is in the server's private directory, where keelback ctl finds " +
      "it. The name is a symbolic link, which a successor takes over.",
    counterparts: { gunicorn: "--control-socket", uwsgi: "--master-fifo" },
  },
  healthPath: {
    type: "string",
    default: "",
    meta: "PATH",
    section: "Network",
    reload: "live",
    summary: "path that the edge answers with 200 as long as it lives (/healthz)",
    why:
      "Empty: none. No worker hears of the request, so that a busy app is not taken for a dead " +
      "one, and the access log leaves it out. GET and HEAD only: others go to the app.",
    counterparts: {},
  },
  readyPath: {
    type: "string",
    default: "",
    meta: "PATH",
    section: "Network",
    reload: "live",
    summary: "path that the edge answers with 200 while a worker serves, else 503 (/readyz)",
    why:
      "Empty: none. 503 also from the moment the server is told to stop: see shutdown-delay. " +
      "Otherwise as health-path.",
    counterparts: {},
  },
  certfile: {
    type: "paths",
    base: "current",
    default: [],
    aliases: ["--ssl-certfile", "--ssl-certificate"],
    meta: "FILE",
    common: true,
    section: "TLS",
    reload: "live",
    summary: "certificate with its chain (PEM): serve HTTPS (repeatable)",
    why:
      "The server's own certificate first, then the intermediate ones; the key may be in the " +
      "same file. With several, the client's SNI name chooses by the names in the " +
      "certificates, and the first is for everybody else. Read again on reload and when a " +
      "file changes. Unix sockets stay plain: a proxy on this machine speaks on them. " +
      "`keelback cert` makes one for development.",
    counterparts: {
      gunicorn: "--certfile",
      uvicorn: "--ssl-certfile",
      granian: "--ssl-certificate",
      hypercorn: "--certfile",
      uwsgi: "--https",
    },
  },
  keyfile: {
    type: "paths",
    base: "current",
    default: [],
    aliases: ["--ssl-keyfile"],
    meta: "FILE",
    common: true,
    section: "TLS",
    reload: "live",
    summary: "private key of a certificate (PEM, repeatable)",
    why:
      "Without it the key is looked for in the certificate's file. Which key belongs to which " +
      "certificate is seen from the keys themselves.",
    counterparts: {
      gunicorn: "--keyfile",
      uvicorn: "--ssl-keyfile",
      granian: "--ssl-keyfile",
      hypercorn: "--keyfile",
      uwsgi: "--https",
    },
  },
  keyfilePassword: {
    type: "string",
    default: null,
    secret: true,
    aliases: ["--ssl-keyfile-password"],
    meta: "TEXT",
    section: "TLS",
    reload: "live",
    summary: "password of encrypted private keys",
    why:
      "Better given as a variable: everybody on the machine can read command lines. One " +
      "password for all keys.",
    counterparts: {
      uvicorn: "--ssl-keyfile-password",
      granian: "--ssl-keyfile-password",
      hypercorn: "--keyfile-password",
    },
  },
  certReqs: {
    type: "choice",
    choices: ["none", "optional", "required"],
    default: "none",
    translate: {
      "0": "none",
      "1": "optional",
      "2": "required",
      CERT_NONE: "none",
      CERT_OPTIONAL: "optional",
      CERT_REQUIRED: "required",
    },
    aliases: ["--ssl-cert-reqs"],
    section: "TLS",
    reload: "live",
    summary: "whether clients must show a certificate",
    why:
      "`optional`: a client may show one. One that is shown and not valid is refused in both " +
      "cases, with 400. What a client has shown is in the environ (SSL_CLIENT_VERIFY, " +
      "SSL_CLIENT_S_DN, ...) and in the tls extension of the scope.",
    counterparts: {
      gunicorn: "--cert-reqs",
      uvicorn: "--ssl-cert-reqs",
      granian: "--ssl-client-verify",
      hypercorn: "--verify-mode",
      uwsgi: "--https",
    },
  },
  caCerts: {
    type: "path",
    default: null,
    aliases: ["--ssl-ca-certs", "--ssl-ca"],
    meta: "FILE",
    section: "TLS",
    reload: "live",
    summary: "authorities that client certificates must come from (PEM)",
    why: "Only these: the public ones that browsers trust say nothing about your clients.",
    counterparts: {
      gunicorn: "--ca-certs",
      uvicorn: "--ssl-ca-certs",
      granian: "--ssl-ca",
      hypercorn: "--ca-certs",
      uwsgi: "--https",
    },
  },
  ciphers: {
    type: "string",
    default: null,
    aliases: ["--ssl-ciphers"],
    meta: "LIST",
    section: "TLS",
    reload: "live",
    summary: "cipher suites of TLS 1.2, in OpenSSL's notation",
    why:
      "Without it: ECDHE with AES-GCM or ChaCha20-Poly1305, which HTTP/2 asks for and every " +
      "client of the last ten years has. The suites of TLS 1.3 are always on.",
    counterparts: {
      gunicorn: "--ciphers",
      uvicorn: "--ssl-ciphers",
      hypercorn: "--ciphers",
      uwsgi: "--https",
    },
  },
  tlsMin: {
    type: "choice",
    choices: ["1.2", "1.3"],
    default: "1.2",
    translate: { "tls1.2": "1.2", "tls1.3": "1.3" },
    aliases: ["--ssl-protocol-min"],
    section: "TLS",
    reload: "live",
    summary: "oldest version of TLS",
    why: "RFC 8996 forbids 1.0 and 1.1. Some libraries in use still end at 1.2.",
    counterparts: { granian: "--ssl-protocol-min", uvicorn: "--ssl-version" },
  },
  http2: {
    type: "boolean",
    default: true,
    section: "TLS",
    reload: "live",
    summary: "serve HTTP/2: over TLS by ALPN, on plain ports to clients that begin with it",
    why:
      "Browsers get many requests at once over one connection. Clients that speak HTTP/1.1 " +
      "are served on the same ports. New connections only.",
    counterparts: { granian: "--http", gunicorn: "--http-protocols", uvicorn: "--http2" },
  },
  http2Streams: {
    type: "integer",
    default: 128,
    min: 1,
    max: 10_000,
    section: "Limits",
    reload: "live",
    summary: "requests that an HTTP/2 connection may have under way",
    why: "RFC 9113 advises not less than 100. Each may hold a response window of memory.",
    counterparts: {
      granian: "--http2-max-concurrent-streams",
      gunicorn: "--http2-max-concurrent-streams",
      hypercorn: "h2_max_concurrent_streams",
    },
  },
  http3: {
    type: "boolean",
    default: false,
    section: "TLS",
    reload: "restart",
    summary: "serve HTTP/3 too, at the UDP ports beside the TCP ones of bind",
    why:
      "Clients that come by TCP are told of it (Alt-Svc) and use it the next time; a firewall " +
      "must let UDP through. The first edge alone serves it. The runtime calls its QUIC " +
      "experimental, and it has limits: no client can be made to wait with its upload, so what " +
      "the app does not take at once waits in temporary files (TMPDIR, 4 GiB at most); heads " +
      "beyond 64 KiB end the connection; clients that name no host see the certificate of the " +
      "start until a restart; no WebSockets, no client certificates, no early data (0-RTT).",
    counterparts: { hypercorn: "--quic-bind" },
  },
  redirectHttp: {
    type: "string",
    default: null,
    meta: "PORT",
    section: "TLS",
    reload: "restart",
    summary: "plain HTTP on PORT or ADDRESS:PORT, which sends clients to HTTPS",
    why:
      "Answers 308 with the same host and path, and nothing else. A port alone is on the " +
      "first address of bind. Also a socket that is passed in: fd://NAME or fd://N.",
    counterparts: { hypercorn: "--insecure-bind", uwsgi: "--http-to-https" },
  },
  hstsMs: {
    type: "duration",
    default: 0,
    min: SECOND,
    max: 2 * 366 * DAY,
    zero: "no such header",
    bare: "31536000",
    meta: "TIME",
    section: "TLS",
    reload: "live",
    summary: "send Strict-Transport-Security: browsers then use HTTPS only",
    why:
      "Off by default: browsers remember it, and a site that gives up HTTPS is then lost for " +
      "that time. The flag alone means a year. An app's own header stays.",
    counterparts: { hypercorn: "HTTPToHTTPSRedirectMiddleware", uwsgi: "--add-header" },
  },
  workers: {
    type: "integer",
    default: "auto",
    min: 1,
    max: 1024,
    auto: {
      value: (cores: number): number => Math.min(WORKERS_AUTO_MAX, Math.max(1, cores)),
      text: "one for each core, at most 8",
    },
    short: "-w",
    platform: { variable: "WEB_CONCURRENCY" },
    common: true,
    section: "Workers",
    reload: "live",
    summary: "worker processes, or auto",
    why:
      "`auto` is one for each core that this process may use (its CPU quota counts), at most " +
      "8: each further worker costs the app's memory once more. WEB_CONCURRENCY, which " +
      "platforms set, counts below the file.",
    counterparts: {
      gunicorn: "-w, --workers",
      uvicorn: "--workers",
      granian: "--workers",
      uwsgi: "--processes",
    },
  },
  worker: {
    type: "choice",
    choices: ["auto", "threads", "sync", "asyncio"],
    default: "auto",
    aliases: ["--worker-class"],
    short: "-k",
    translate: {
      gthread: "threads",
      asgi: "asyncio",
      "uvicorn.workers.UvicornWorker": "asyncio",
      "uvicorn.workers.UvicornH11Worker": "asyncio",
      "uvicorn_worker.UvicornWorker": "asyncio",
      "uvicorn_worker.UvicornH11Worker": "asyncio",
    },
    common: true,
    section: "Workers",
    reload: "live",
    summary: "how a worker runs requests",
    why:
      "`auto`: threads for WSGI, asyncio for ASGI. Threads appear only when the app blocks, " +
      "so a fast app pays nothing for them; `sync` is one request at a time.",
    counterparts: {
      gunicorn: "-k, --worker-class",
      uwsgi: "--async, --gevent",
    },
  },
  threads: {
    type: "integer",
    default: 16,
    min: 1,
    max: 1024,
    unit: "threads",
    common: true,
    section: "Workers",
    reload: "live",
    summary: "most threads of a worker of kind threads",
    why:
      "An upper bound, not a pool: a thread is made when the running ones block. 16 keeps " +
      "database connections countable (workers x threads).",
    counterparts: { gunicorn: "--threads", granian: "--blocking-threads", uwsgi: "--threads" },
  },
  concurrency: {
    type: "integer",
    default: 1000,
    min: 1,
    max: 100_000,
    unit: "requests",
    section: "Workers",
    reload: "live",
    summary: "requests one asyncio worker may hold at once",
    why:
      "Long polls and event streams need many; beyond this the queue is the better place to " +
      "wait.",
    counterparts: {
      gunicorn: "--worker-connections",
      uvicorn: "--limit-concurrency",
      granian: "--backpressure",
    },
  },
  minWorkers: {
    type: "integer",
    default: 0,
    min: 1,
    max: 1024,
    zero: "a fixed number",
    unit: "workers",
    section: "Workers",
    reload: "live",
    summary: "fewest workers, when their number follows the load",
    why:
      "With min-workers and max-workers it does: more at once when requests wait for a worker, " +
      "one fewer when that would do for worker-idle. `workers` is the number at the start.",
    counterparts: { uwsgi: "--cheaper" },
  },
  maxWorkers: {
    type: "integer",
    default: 0,
    min: 1,
    max: 1024,
    zero: "a fixed number",
    unit: "workers",
    section: "Workers",
    reload: "live",
    summary: "most workers, when their number follows the load",
    why: "See min-workers. The memory of the machine is the bound that nobody else looks after.",
    counterparts: { uwsgi: "--workers, with --cheaper" },
  },
  workerIdleMs: {
    type: "duration",
    default: 30 * SECOND,
    min: 100,
    max: 86_400 * SECOND,
    section: "Workers",
    reload: "live",
    summary: "how long there must have been too many workers before one stops",
    why:
      "Long, as a worker too many costs memory and one too few costs waiting. Counts with " +
      "min-workers and max-workers only; begins anew when a request waits.",
    counterparts: { uwsgi: "--cheaper-overload" },
  },
  maxRequests: {
    type: "integer",
    default: 0,
    min: 1,
    max: 1_000_000_000,
    zero: "no limit",
    unit: "requests",
    aliases: ["--limit-max-requests"],
    section: "Workers",
    reload: "live",
    summary: "requests after which a worker is replaced",
    why:
      "Against apps that leak. WebSockets count. Its successor is ready before it leaves, so " +
      "that it may serve a few more; at most a quarter of the workers (at least one) leave at " +
      "the same time, none in its first second. Of several edges each counts its share.",
    counterparts: {
      gunicorn: "--max-requests",
      uvicorn: "--limit-max-requests",
      hypercorn: "--max-requests",
      uwsgi: "--max-requests",
    },
  },
  maxRequestsJitter: {
    type: "integer",
    default: 0,
    min: 1,
    max: 1_000_000_000,
    zero: "none",
    unit: "requests",
    aliases: ["--limit-max-requests-jitter"],
    section: "Workers",
    reload: "live",
    summary: "at most so many more requests, at random for each worker",
    why: "Spreads the replacements of workers that share the load evenly.",
    counterparts: {
      gunicorn: "--max-requests-jitter",
      uvicorn: "--limit-max-requests-jitter",
      hypercorn: "--max-requests-jitter",
      uwsgi: "--max-requests-delta",
    },
  },
  maxWorkerLifetimeMs: {
    type: "duration",
    default: 0,
    min: SECOND,
    max: 365 * 86_400 * SECOND,
    zero: "no limit",
    aliases: ["--workers-lifetime"],
    section: "Workers",
    reload: "live",
    summary: "time after which a worker is replaced",
    why: "Counts from when it is ready; its successor is ready before it leaves.",
    counterparts: { granian: "--workers-lifetime", uwsgi: "--max-worker-lifetime" },
  },
  maxWorkerLifetimeJitterMs: {
    type: "duration",
    default: 0,
    min: 1,
    max: 365 * 86_400 * SECOND,
    zero: "none",
    section: "Workers",
    reload: "live",
    summary: "at most so much longer, at random for each worker",
    why: "Workers that started together need not leave together.",
    counterparts: { uwsgi: "--max-worker-lifetime-delta" },
  },
  maxWorkerMemoryBytes: {
    type: "bytes",
    default: 0,
    min: 1024 ** 2,
    max: 1024 ** 5,
    zero: "no limit",
    section: "Workers",
    reload: "live",
    summary: "memory beyond which a worker is replaced after its requests",
    why:
      "Looked at each second, with the processes that a worker has started. Memory that several " +
      "share, as after a preload, counts for each with its share (PSS). A worker that is too " +
      "large when it is ready is replaced ever more slowly. Linux only.",
    counterparts: { granian: "--workers-max-rss", uwsgi: "--reload-on-rss" },
  },
  maxWorkerMemoryBytesHard: {
    type: "bytes",
    default: 0,
    min: 1024 ** 2,
    max: 1024 ** 5,
    zero: "no limit",
    section: "Workers",
    reload: "live",
    summary: "memory beyond which a worker is killed",
    why:
      "For the one that grows faster than its requests end: better one worker than whatever " +
      "the kernel chooses when the machine is out of memory. Linux only.",
    counterparts: { uwsgi: "--evil-reload-on-rss" },
  },
  reloadOverlap: {
    type: "string",
    default: null,
    meta: "N|PERCENT",
    section: "Workers",
    reload: "live",
    summary: "new workers that a reload may start beside the old ones: 2, or 25%",
    why:
      "Without it all new workers start beside the old ones, and the old code stops at once; " +
      "for that time the app's memory is needed twice. With it the workers are replaced a few " +
      "at a time, once the first few are ready; both versions serve meanwhile.",
    counterparts: { uwsgi: "--touch-chain-reload" },
  },
  preload: {
    type: "boolean",
    default: false,
    section: "Workers",
    reload: "live",
    summary: "import the app once, then fork the workers",
    why:
      "Saves memory and start-up time; off because an app that opens connections or threads " +
      "at import does not survive a fork.",
    counterparts: { gunicorn: "--preload", uwsgi: "--lazy-apps (the opposite)" },
  },
  warmup: {
    type: "list",
    default: [],
    meta: "PATH",
    section: "Workers",
    reload: "live",
    summary: "request that a worker answers before its first client's (repeatable)",
    why:
      "What an app does only once is done before the worker counts as ready. An exception or a " +
      "status of 500 and above means that the worker cannot start: a reload keeps the old ones. " +
      "The Host is localhost; nothing of it is in the access log.",
    counterparts: { gunicorn: "post_worker_init", uwsgi: "hook-post-app" },
  },
  onPreload: {
    type: "string",
    default: null,
    meta: "MODULE:FUNCTION",
    section: "Workers",
    reload: "live",
    summary: "called in the zygote when preload has imported the app",
    why:
      "For what all workers may share: caches, models, compiled templates. What does not " +
      "survive a fork (connections, threads) belongs into on-worker-start. Without preload it " +
      "is not called.",
    counterparts: { gunicorn: "when_ready" },
  },
  onWorkerStart: {
    type: "string",
    default: null,
    meta: "MODULE:FUNCTION",
    section: "Workers",
    reload: "live",
    summary: "called in each worker after the fork",
    why:
      "Before the app is imported, after it with preload. Gets a WorkerInfo (number, name, " +
      "generation) if it takes an argument. When it raises, the worker does not start. Apps can " +
      "say the same themselves: `from keelback.hooks import postfork`.",
    counterparts: { gunicorn: "post_fork", granian: "on_startup", uwsgi: "@postfork" },
  },
  onWorkerReady: {
    type: "string",
    default: null,
    meta: "MODULE:FUNCTION",
    section: "Workers",
    reload: "live",
    summary: "called in each worker when it is about to serve",
    why: "After the app's startup and the warm-up requests. When it raises, that is logged.",
    counterparts: { gunicorn: "post_worker_init" },
  },
  onWorkerStop: {
    type: "string",
    default: null,
    meta: "MODULE:FUNCTION",
    section: "Workers",
    reload: "live",
    summary: "called in each worker that ends in peace, after its last request",
    why: "A worker that is killed calls nothing. When it raises, that is logged.",
    counterparts: { gunicorn: "worker_exit", granian: "on_shutdown", uwsgi: "atexit" },
  },
  cpuAffinity: {
    type: "boolean",
    default: false,
    section: "Workers",
    reload: "live",
    summary: "bind each worker to one core",
    why:
      "Spreads the workers over the cores that the server may use; who takes a worker's place " +
      "has its core. Off, as the kernel mostly knows better; it helps where caches count. Linux only.",
    counterparts: { uwsgi: "--cpu-affinity" },
  },
  nice: {
    type: "integer",
    default: 0,
    min: 0,
    max: 19,
    section: "Workers",
    reload: "live",
    summary: "lower the workers' priority by so much",
    why:
      "Under full load the edge then still accepts, times out and refuses promptly. As nice(1); " +
      "only root could raise priorities, and nobody should.",
    counterparts: { uwsgi: "--worker-nice" },
  },
  user: {
    type: "string",
    default: null,
    short: "-u",
    aliases: ["--uid"],
    meta: "USER",
    section: "Process",
    reload: "restart",
    summary: "run as this user (name or number) once the sockets are bound",
    why:
      "Every process of the server, the first one too, and with the user's supplementary groups. " +
      "What it opens later it opens as that user: certificates, keys and logs must be readable " +
      "or writable for it. HOME, USER and LOGNAME follow.",
    counterparts: { gunicorn: "-u, --user", hypercorn: "--user", uwsgi: "--uid" },
  },
  group: {
    type: "string",
    default: null,
    short: "-g",
    aliases: ["--gid"],
    meta: "GROUP",
    section: "Process",
    reload: "restart",
    summary: "run as this group (name or number)",
    why: "Without it: the primary group of the user.",
    counterparts: { gunicorn: "-g, --group", hypercorn: "--group", uwsgi: "--gid" },
  },
  noNewPrivileges: {
    type: "boolean",
    default: false,
    section: "Process",
    reload: "restart",
    summary: "no program started from here gets more rights (sudo, setuid)",
    why:
      "On when user or group is given, unless it is switched off. Linux only: prctl(2), " +
      "PR_SET_NO_NEW_PRIVS.",
    counterparts: { uwsgi: "--no-new-privs" },
  },
  chroot: {
    type: "path",
    default: null,
    meta: "DIR",
    section: "Process",
    reload: "restart",
    summary: "make DIR the root directory of the whole server, before anything is opened",
    why:
      "Needs root, so name a user too. All other paths are then paths inside DIR, which must hold " +
      "/proc, a /tmp that the user may write to, Keelback itself where it is outside, the " +
      "interpreter and the app. A container or systemd's RootDirectory= do it with less work.",
    counterparts: { uwsgi: "--chroot" },
  },
  umask: {
    type: "string",
    default: null,
    short: "-m",
    meta: "MODE",
    section: "Process",
    reload: "restart",
    summary: "permissions that new files do not get, octal",
    why:
      "Without it: that of whoever starts the server. Its own rights a server cannot do without: " +
      "at most 077. The mode of unix sockets is unix-mode alone.",
    counterparts: { gunicorn: "-m, --umask", hypercorn: "--umask", uwsgi: "--umask" },
  },
  pid: {
    type: "path",
    default: null,
    short: "-p",
    aliases: ["--pid-file", "--pidfile"],
    meta: "FILE",
    section: "Process",
    reload: "restart",
    summary: "write the process number of the server to FILE, and remove it at the end",
    why:
      "Locked while the server lives: one that was left behind is replaced, one of a running " +
      "server stops the start. Symbolic links are not followed.",
    counterparts: {
      gunicorn: "-p, --pid",
      granian: "--pid-file",
      hypercorn: "--pid",
      uwsgi: "--pidfile",
    },
  },
  daemon: {
    type: "boolean",
    default: false,
    short: "-D",
    section: "Process",
    reload: "restart",
    summary: "go to the background when the app is ready",
    why:
      "The command ends with 0 then, or with 1 and what went wrong. Needs log-file. Not for " +
      "systemd or containers, which want the server in the foreground.",
    counterparts: { gunicorn: "-D, --daemon", hypercorn: "--daemon", uwsgi: "--daemonize" },
  },
  reload: {
    type: "boolean",
    default: false,
    common: true,
    section: "Development",
    reload: "restart",
    summary: "restart workers when a source file changes",
    why:
      "For development. The old code serves on while the new code fails, and the traceback is " +
      "printed.",
    counterparts: {
      gunicorn: "--reload",
      uvicorn: "--reload",
      granian: "--reload",
      uwsgi: "--py-autoreload",
    },
  },
  reloadDir: {
    type: "paths",
    base: "app",
    default: [],
    meta: "DIR",
    section: "Development",
    reload: "restart",
    summary: "directory to watch (repeatable)",
    why: "Without it: the app's directory (chdir).",
    counterparts: {
      gunicorn: "--reload-extra-file",
      uvicorn: "--reload-dir",
      granian: "--reload-paths",
    },
  },
  reloadExclude: {
    type: "list",
    default: [],
    meta: "GLOB",
    section: "Development",
    reload: "restart",
    summary: "pattern of paths not to watch (repeatable)",
    why:
      "Matched against the path below the watched directory, and against the file's name. " +
      "Hidden directories, virtual environments, __pycache__ and node_modules are never " +
      "watched.",
    counterparts: { uvicorn: "--reload-exclude", granian: "--reload-ignore-patterns" },
  },
  keepAliveMs: {
    type: "duration",
    default: 75 * SECOND,
    min: 100,
    max: DAY,
    zero: "close after each response",
    aliases: ["--timeout-keep-alive"],
    common: true,
    section: "Timeouts",
    reload: "restart",
    summary: "how long an idle connection stays open",
    why:
      "Longer than the 60 s of the usual load balancers: the side that closes first must be " +
      "theirs, else requests get lost between. An idle connection costs no worker.",
    counterparts: {
      gunicorn: "--keep-alive",
      uvicorn: "--timeout-keep-alive",
      granian: "--http1-keep-alive",
      uwsgi: "--http-keepalive",
    },
  },
  headerTimeoutMs: {
    type: "duration",
    default: 30 * SECOND,
    min: 100,
    max: DAY,
    zero: "no limit",
    section: "Timeouts",
    reload: "restart",
    summary: "time for a whole request head to arrive",
    why:
      "Counts from the first byte (on a new connection from its start), so that a byte now " +
      "and then does not extend it.",
    counterparts: { granian: "--http1-header-read-timeout", uwsgi: "--http-headers-timeout" },
  },
  bodyIdleTimeoutMs: {
    type: "duration",
    default: 60 * SECOND,
    min: 100,
    max: DAY,
    zero: "no limit",
    section: "Timeouts",
    reload: "restart",
    summary: "longest pause within a request body",
    why:
      "A phone that changes networks recovers within a minute. Time in which the app does not " +
      "read does not count.",
    counterparts: { uwsgi: "--socket-timeout" },
  },
  bodyRateBytesMin: {
    type: "bytes",
    default: 240,
    min: 1,
    max: GIB,
    zero: "no minimum",
    unit: "bytes a second",
    section: "Timeouts",
    reload: "restart",
    summary: "slowest request body that is accepted",
    why:
      "A body that trickles can hold a request for ever without any idle timeout. Judged " +
      "after the first seconds; slower than any modem still in use.",
    counterparts: {},
  },
  sendTimeoutMs: {
    type: "duration",
    default: 60 * SECOND,
    min: 100,
    max: DAY,
    zero: "no limit",
    section: "Timeouts",
    reload: "restart",
    summary: "longest pause of a client in taking its response",
    why: "Counts only while bytes wait for the client; every byte taken starts it anew.",
    counterparts: { uwsgi: "--so-send-timeout" },
  },
  timeoutMs: {
    type: "duration",
    default: 30 * SECOND,
    min: 100,
    max: DAY,
    zero: "no limit",
    short: "-t",
    common: true,
    section: "Timeouts",
    reload: "live",
    summary: "time for the app to begin its response",
    why:
      "What takes longer is answered with 504, and the app's thread or task is interrupted. A " +
      "response that has begun may take as long as it likes.",
    counterparts: { gunicorn: "-t, --timeout", uwsgi: "--harakiri" },
  },
  interruptMs: {
    type: "duration",
    default: 5 * SECOND,
    min: 100,
    max: DAY,
    zero: "kill the worker at once",
    section: "Timeouts",
    reload: "live",
    summary: "grace after an interrupt before the worker is killed",
    why: "Long enough for a rollback, short enough that the worker's other capacity is back soon.",
    counterparts: { uwsgi: "--harakiri-graceful-timeout" },
  },
  gracefulTimeoutMs: {
    type: "duration",
    default: 30 * SECOND,
    min: 100,
    max: DAY,
    zero: "cut what runs",
    aliases: ["--timeout-graceful-shutdown"],
    common: true,
    section: "Timeouts",
    reload: "live",
    summary: "time for running requests to finish at stop and reload",
    why:
      "The same as the default grace period of container platforms. What still runs then is " +
      "cut and cancelled; the app's shutdown and hooks have 4 s more.",
    counterparts: {
      gunicorn: "--graceful-timeout",
      uvicorn: "--timeout-graceful-shutdown",
      granian: "--workers-kill-timeout",
      uwsgi: "--worker-reload-mercy",
    },
  },
  shutdownDelayMs: {
    type: "duration",
    default: 0,
    min: 100,
    max: DAY,
    zero: "none",
    section: "Timeouts",
    reload: "live",
    summary: "time to serve on after SIGTERM, while ready-path says 503",
    why:
      "For load balancers, which send new connections until they have noticed: what their " +
      "probes take to fail, and a little more. SIGINT (Ctrl-C) does not wait.",
    counterparts: {},
  },
  bootTimeoutMs: {
    type: "duration",
    default: 120 * SECOND,
    min: 100,
    max: DAY,
    zero: "no limit",
    section: "Timeouts",
    reload: "live",
    summary: "time for a worker to import the app and become ready",
    why:
      "Apps that load models need long; a worker that hangs at import has to be noticed all " +
      "the same.",
    counterparts: { gunicorn: "-t, --timeout", uvicorn: "--timeout-worker-healthcheck" },
  },
  edgeTimeoutMs: {
    type: "duration",
    default: 10 * SECOND,
    min: 100,
    max: DAY,
    zero: "never",
    section: "Timeouts",
    reload: "live",
    summary: "time after which an edge that does not answer is replaced",
    why:
      "All clients depend on it, and its event loop never takes a hundredth of that for one " +
      "thing. Time in which the machine slept does not count. 0 is for those who hold an edge " +
      "in a debugger.",
    counterparts: {},
  },
  queueTimeoutMs: {
    type: "duration",
    default: 30 * SECOND,
    min: 100,
    max: DAY,
    zero: "no limit",
    section: "Timeouts",
    reload: "restart",
    summary: "time that a request may wait for a worker",
    why: "Then it is answered with 503: most clients and proxies have given up by that time.",
    counterparts: {},
  },
  requestLineBytesMax: {
    type: "bytes",
    default: 8 * KIB,
    min: 256,
    max: MIB,
    aliases: ["--limit-request-line"],
    section: "Limits",
    reload: "restart",
    summary: "longest request line",
    why: "RFC 9112 section 3 asks for at least 8000. Above it: 414.",
    counterparts: {
      gunicorn: "--limit-request-line",
      uvicorn: "--h11-max-incomplete-event-size",
      granian: "--http1-buffer-size",
      uwsgi: "--buffer-size",
    },
  },
  headerBytesMax: {
    type: "bytes",
    default: 64 * KIB,
    min: 1 * KIB,
    max: MIB,
    section: "Limits",
    reload: "restart",
    summary: "largest header section",
    why: "Room for large cookies and tokens together. Above it: 431. Trailers have the same bound.",
    counterparts: {
      uvicorn: "--h11-max-incomplete-event-size",
      granian: "--http1-buffer-size",
      uwsgi: "--buffer-size",
    },
  },
  headerFieldBytesMax: {
    type: "bytes",
    default: 16 * KIB,
    min: 256,
    max: MIB,
    aliases: ["--limit-request-field_size", "--limit-request-field-size"],
    section: "Limits",
    reload: "restart",
    summary: "longest header line",
    why: "Single sign-on tokens reach 12 KiB. Above it: 431.",
    counterparts: { gunicorn: "--limit-request-field_size", uwsgi: "--buffer-size" },
  },
  headerCountMax: {
    type: "integer",
    default: 100,
    min: 1,
    max: 10_000,
    unit: "lines",
    aliases: ["--limit-request-fields"],
    section: "Limits",
    reload: "restart",
    summary: "most header lines",
    why: "A browser behind two proxies sends about 30. Above it: 431.",
    counterparts: { gunicorn: "--limit-request-fields" },
  },
  bodyBytesMax: {
    type: "bytes",
    default: GIB,
    min: 1,
    max: 1024 * 1024 * GIB,
    zero: "no limit",
    common: true,
    section: "Limits",
    reload: "restart",
    summary: "largest request body",
    why:
      "Bodies are streamed, so this guards the app's disk and not memory here. Above it: 413, " +
      "before the app is called when the length is announced.",
    counterparts: { uwsgi: "--limit-post" },
  },
  connections: {
    type: "integer",
    default: 20_000,
    min: 1,
    max: 1_000_000,
    unit: "connections",
    section: "Limits",
    reload: "restart",
    summary: "most open client connections of each edge",
    why:
      "A bound on memory: a busy connection takes some KB. The limit of open files of the " +
      "process bounds it too; idle connections are closed first when it is reached.",
    counterparts: {
      gunicorn: "--worker-connections",
      uvicorn: "--limit-concurrency",
      granian: "--backpressure",
    },
  },
  queue: {
    type: "integer",
    default: 10_000,
    min: 1,
    max: 1_000_000,
    unit: "requests",
    common: true,
    section: "Limits",
    reload: "restart",
    summary: "requests of each edge that may wait for a worker",
    why: "Above it: 503 with Retry-After. It costs about 2 KB a request; what bounds how late an answer may be is queue-timeout.",
    counterparts: {
      gunicorn: "--backlog",
      uvicorn: "--limit-concurrency",
      granian: "--backpressure",
      uwsgi: "--listen",
    },
  },
  responseBufferBytes: {
    type: "bytes",
    default: MIB,
    // The window a response has on the wire before the edge gives any credit (docs/protocol.md).
    min: MIB,
    max: GIB,
    section: "Limits",
    reload: "restart",
    summary: "response bytes held for a slow client",
    why:
      "A response up to this size frees its worker at once, however slow the client is. " +
      "Beyond it the app waits.",
    counterparts: {},
  },
  wsMaxSizeBytes: {
    type: "bytes",
    default: 16 * MIB,
    min: 1,
    max: GIB,
    zero: "no limit",
    section: "WebSocket",
    reload: "live",
    summary: "largest WebSocket message that is accepted",
    why:
      "Counted after decompression, and before anything larger is made. The connection of a " +
      "client that sends more is closed with code 1009.",
    counterparts: {
      uvicorn: "--ws-max-size",
      granian: "16 MiB",
      hypercorn: "websocket_max_message_size",
    },
  },
  wsPerMessageDeflate: {
    type: "boolean",
    default: true,
    section: "WebSocket",
    reload: "live",
    summary: "compress WebSocket messages for clients that offer it",
    why:
      "With a window of 4 KiB that lives on between messages, and memory that is shared by all " +
      "connections. Messages below 64 bytes are never compressed.",
    counterparts: { uvicorn: "--ws-per-message-deflate" },
  },
  wsPingIntervalMs: {
    type: "duration",
    default: 20 * SECOND,
    min: 100,
    max: DAY,
    zero: "no pings",
    section: "WebSocket",
    reload: "live",
    summary: "silence after which a WebSocket client is pinged",
    why:
      "Below the 60 s after which load balancers drop idle connections; it also finds clients " +
      "that are gone without a word.",
    counterparts: { uvicorn: "--ws-ping-interval", hypercorn: "--websocket-ping-interval" },
  },
  wsPingTimeoutMs: {
    type: "duration",
    default: 20 * SECOND,
    min: 100,
    max: DAY,
    zero: "no answer is needed",
    section: "WebSocket",
    reload: "live",
    summary: "how long a WebSocket client may stay silent after a ping",
    why:
      "Anything that it sends counts as an answer. Time in which the app does not read, or the " +
      "client only takes what is sent, does not count.",
    counterparts: { uvicorn: "--ws-ping-timeout" },
  },
  wsCloseTimeoutMs: {
    type: "duration",
    default: 10 * SECOND,
    min: 100,
    max: DAY,
    section: "WebSocket",
    reload: "live",
    summary: "how long a WebSocket client may take to answer a close",
    why: "Then the connection is closed without its answer.",
    counterparts: { uvicorn: "10 s" },
  },
  accessLog: {
    type: "logfile",
    default: null,
    aliases: ["--access-logfile"],
    bare: "-",
    negatable: true,
    meta: "FILE",
    common: true,
    section: "Logs",
    reload: "restart",
    summary: "write an access log to FILE, or to stdout (-)",
    why:
      "Off by default: it costs time, and most people have one in front. The flag alone means " +
      "stdout; a file name without a slash that does not end in .log is written " +
      "--access-log=NAME.",
    counterparts: {
      gunicorn: "--access-logfile",
      uvicorn: "--access-log",
      granian: "--access-log",
      uwsgi: "--logto",
    },
  },
  accessLogFormat: {
    type: "string",
    default: "combined",
    aliases: ["--access-logformat"],
    meta: "FORMAT",
    section: "Logs",
    reload: "restart",
    summary: "combined, json, or a format of atoms such as %(h)s",
    why:
      "The atoms are gunicorn's. Values are escaped in every format, so that a client cannot " +
      "forge a line.",
    counterparts: {
      gunicorn: "--access-logformat",
      granian: "--access-log-fmt",
      uwsgi: "--log-format",
    },
  },
  logFile: {
    type: "logfile",
    default: null,
    aliases: ["--error-logfile"],
    meta: "FILE",
    section: "Logs",
    reload: "restart",
    summary: "write the server's own log to FILE instead of stderr",
    why:
      "The app's output is in it too. SIGUSR1 opens it again, as the access log, for log " +
      "rotation. - is stderr.",
    counterparts: { gunicorn: "--error-logfile", uwsgi: "--logto" },
  },
  logLevel: {
    type: "choice",
    choices: ["debug", "info", "warning", "error"],
    default: "info",
    translate: { warn: "warning", critical: "error", trace: "debug" },
    common: true,
    section: "Logs",
    reload: "restart",
    summary: "least important messages that are shown",
    why:
      "Start, stop, reload and every problem are visible at `info`; single refused requests " +
      "too.",
    counterparts: { gunicorn: "--log-level", uvicorn: "--log-level", granian: "--log-level" },
  },
  logFormat: {
    type: "choice",
    choices: ["text", "json"],
    default: "text",
    section: "Logs",
    reload: "restart",
    summary: "form of the server's own log",
    why: "`json`: one object a line, the app's output included.",
    counterparts: {
      gunicorn: "--log-config-json",
      uvicorn: "--log-config",
      granian: "--log-config",
      uwsgi: "--log-encoder",
    },
  },
  serverHeader: {
    type: "string",
    default: "keelback",
    negatable: true,
    meta: "TEXT",
    section: "Headers",
    reload: "live",
    summary: "value of the Server header",
    why:
      "No version in it: nobody needs it but scanners. Empty: no such header. An app's own " +
      "Server header stays.",
    counterparts: { uvicorn: "--server-header" },
  },
  dateHeader: {
    type: "boolean",
    default: true,
    section: "Headers",
    reload: "live",
    summary: "send a Date header",
    why: "RFC 9110 section 6.6.1 asks an origin server for it.",
    counterparts: { uvicorn: "--date-header" },
  },
  forwardedAllowIps: {
    type: "list",
    commas: true,
    check: networkComplaint,
    allowed: NETWORKS_ALLOWED,
    default: ["127.0.0.1", "::1", "unix"],
    platform: { variable: "FORWARDED_ALLOW_IPS" },
    meta: "ADDRESSES",
    section: "Headers",
    reload: "live",
    summary: "proxies whose X-Forwarded-* headers are believed (repeatable)",
    why:
      "Addresses, networks (10.0.0.0/8), `unix` for all who come by a unix socket, `*` for " +
      "everybody, `none`. From anybody else all headers of this kind are taken out before the " +
      "app sees them. Read from the right, the first address that is not in the list is the " +
      "client. `*` names no address: then the right-most one is the client. Counts for new " +
      "connections.",
    counterparts: {
      gunicorn: "--forwarded-allow-ips",
      uvicorn: "--proxy-headers, --forwarded-allow-ips",
      hypercorn: "ProxyFixMiddleware",
    },
  },
  forwardedHeaders: {
    type: "list",
    commas: true,
    check: (name) => (FORWARDED_HEADERS.includes(name) ? null : "is no such header"),
    allowed: FORWARDED_HEADERS.join(", "),
    default: ["x-forwarded-for", "x-forwarded-proto"],
    meta: "NAMES",
    section: "Headers",
    reload: "live",
    summary: "which headers of trusted proxies are used (repeatable)",
    why:
      "Those that your proxy sets, and no others: proxies pass on what they do not know, so a " +
      "client could write the rest itself. The two are what nearly every proxy sets. With " +
      "x-forwarded-host, -port and -prefix the app sees these as Host, SERVER_PORT and " +
      "SCRIPT_NAME (root_path). forwarded is RFC 7239. Headers that are not used reach the app " +
      "as they are.",
    counterparts: { gunicorn: "secure_scheme_headers", hypercorn: "ProxyFixMiddleware(mode)" },
  },
  proxyProtocol: {
    type: "choice",
    choices: ["off", "v1", "v2", "auto"],
    default: "off",
    translate: { true: "auto", false: "off", "1": "auto", "0": "off" },
    bare: "auto",
    section: "Network",
    reload: "restart",
    summary: "connections begin with a PROXY header; the flag alone is auto",
    why:
      "For load balancers that pass bytes on (HAProxy, AWS NLB). `auto` takes both versions. " +
      "Every connection of a bind for HTTP must begin with it, and come from proxy-allow-ips; " +
      "others are closed. It goes before TLS. The address it names is the client's, and the one that " +
      "forwarded-allow-ips is asked about.",
    counterparts: { gunicorn: "--proxy-protocol", uwsgi: "--enable-proxy-protocol" },
  },
  proxyAllowIps: {
    type: "list",
    commas: true,
    check: networkComplaint,
    allowed: NETWORKS_ALLOWED,
    default: ["127.0.0.1", "::1", "unix"],
    aliases: ["--proxy-allow-from"],
    meta: "ADDRESSES",
    section: "Network",
    reload: "live",
    summary: "who may begin a connection with the PROXY protocol (repeatable)",
    why: "Addresses, networks, `unix`, `*` and `none` as in forwarded-allow-ips.",
    counterparts: { gunicorn: "--proxy-allow-from" },
  },
  underscoreHeaders: {
    type: "choice",
    choices: ["drop", "refuse"],
    default: "drop",
    aliases: ["--header-map"],
    section: "Headers",
    reload: "restart",
    summary: "what happens to header names with an underscore",
    why:
      "In CGI names X_Forwarded_For and X-Forwarded-For are the same: a client could " +
      "impersonate a proxy. `drop` leaves the line out and counts it, `refuse` answers 400.",
    counterparts: { gunicorn: "--header-map" },
  },
  config: {
    type: "string",
    default: null,
    scope: "command",
    variable: true,
    short: "-c",
    meta: "FILE",
    common: true,
    section: "Command",
    reload: "restart",
    summary: "configuration file (TOML)",
    why:
      "Without it: keelback.toml in the current directory, else the table [tool.keelback] of " +
      "pyproject.toml.",
    counterparts: { gunicorn: "-c, --config", uwsgi: "--ini" },
  },
  checkConfig: {
    type: "boolean",
    default: false,
    scope: "command",
    common: true,
    section: "Command",
    reload: "restart",
    summary: "check the settings and the app, then exit",
    why: "Exit code 0 when a start would work.",
    counterparts: { gunicorn: "--check-config" },
  },
  printConfig: {
    type: "boolean",
    default: false,
    scope: "command",
    common: true,
    section: "Command",
    reload: "restart",
    summary: "print every setting and where it came from, then exit",
    why: "The same values a start would use.",
    counterparts: { gunicorn: "--print-config", uwsgi: "--show-config" },
  },
  json: {
    type: "boolean",
    default: false,
    scope: "command",
    section: "Command",
    reload: "restart",
    summary: "with --print-config: as JSON",
    why: "For programs.",
    counterparts: {},
  },
  version: {
    type: "boolean",
    default: false,
    scope: "command",
    short: "-V",
    aliases: ["-v"],
    common: true,
    section: "Command",
    reload: "restart",
    summary: "print the version",
    why: "-v is gunicorn's.",
    counterparts: {
      gunicorn: "-v, --version",
      uvicorn: "--version",
      granian: "--version",
      uwsgi: "--version",
    },
  },
  help: {
    type: "string",
    default: null,
    scope: "command",
    short: "-h",
    bare: "",
    meta: "WORD",
    common: true,
    section: "Command",
    reload: "restart",
    summary: "this help; --help all: every option; --help NAME: one of them",
    why: "NAME is an option, with or without its dashes.",
    counterparts: { gunicorn: "-h, --help", uvicorn: "--help", granian: "--help", uwsgi: "--help" },
  },
} as const satisfies Record<string, OptionSpec>;

export type OptionKey = keyof typeof OPTIONS;
