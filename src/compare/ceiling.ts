/**
 * The ceiling: NGINX serving what the app answered as static files. No Python runs; what an app server reaches of it is its "% NGINX".
 */
import { nginx } from "./nginx.ts";
import type { ServerSpec } from "./servers/spec.ts";

/** What the app answered to one request. */
export interface Recorded {
  /** With its query, which files do not see: of several with the same path the first is served. */
  readonly path: string;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** `path`: the nginx program. */
export function ceiling(path: string, recorded: readonly Recorded[]): ServerSpec {
  const byPath = new Map<string, Recorded>();
  for (const each of recorded) {
    const plain = decoded(each.path.split("?", 1)[0] ?? "/");
    if (!byPath.has(plain)) byPath.set(plain, each);
  }
  const answers = [...byPath].map(([at, { contentType, body }], index) => ({
    at,
    contentType,
    body,
    file: `answer-${index}`,
  }));
  return {
    name: "nginx (static file)",
    kind: "ceiling",
    family: "nginx",
    interfaces: ["wsgi", "asgi", "rsgi"],
    protocols: ["h1", "tls", "h2"],
    websocket: false,
    pip: [],
    needs: { distributions: [] },
    resources: ({ workers }) => ({ workers }),
    command: (setup, listen) => {
      const launch = nginx(path, setup, listen, {
        http: ["open_file_cache max=1000 inactive=1h;", "open_file_cache_valid 1h;"],
        server: [
          "location / { return 404; }",
          ...answers.flatMap(({ at, contentType, file }) => [
            `location = ${quoted(at)} {`,
            // Not an alias: a path that ends with a slash would be a directory's.
            `root ${quoted(listen.directory)};`,
            `rewrite ^ /${file} break;`,
            `types {} default_type ${quoted(contentType)};`,
            // A file answers GET and HEAD only: for other methods it is made to.
            `error_page 405 =200 ${quoted(at)};`,
            "}",
          ]),
        ],
      });
      const files = Object.fromEntries(answers.map(({ file, body }) => [file, body]));
      return { ...launch, files: { ...launch.files, ...files } };
    },
  };
}

/** Locations are compared with paths whose escapes are decoded. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** A string of nginx's configuration. It knows no way to write `$` as itself, so that a path with one is not served. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}
