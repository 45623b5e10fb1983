/** Web servers in front: what Apache's modules send, as recorded; they take responses only as each of them reads it. */
import { createHash } from "node:crypto";
import { expect, test } from "bun:test";
import { Place, untilCut } from "../../apps_life/serve.ts";
import { APACHE } from "../../support/apache.ts";
import { gatewayBytes, PROTOCOLS } from "../../support/gateway.ts";
import { RawClient } from "../../support/raw-client.ts";
import { startServer } from "../../support/server.ts";

const HERE = new URL(".", import.meta.url).pathname.replace(/\/$/, "");
/** mod_proxy_uwsgi wants a status line, the others a field. */
const STATUS = { uwsgi: "HTTP/1.1 ", scgi: "Status:  ", fastcgi: "Status:  " };

test.each(PROTOCOLS)(
  "Apache's mod_proxy_uwsgi, mod_proxy_scgi and mod_proxy_fcgi reach the app: %s",
  async (protocol) => {
    using place = new Place();
    const socket = place.of("app.sock");
    const bind = `${protocol}://unix:${socket}`;
    await using _server = await startServer({ app: "app:wsgi", cwd: HERE, bind });
    await using client = await RawClient.connect(socket);
    await client.send(gatewayBytes(protocol, APACHE[protocol], "body"));
    const came = (await untilCut(client)).slice(protocol === "fastcgi" ? 8 : 0);
    expect(came).toStartWith(`${STATUS[protocol]}201 Made\r\n`);
    const mount = protocol === "uwsgi" ? "/shop" : "";
    const [, seen] = /(\{.*\})/.exec(came) ?? [];
    expect(JSON.parse(seen ?? "")).toEqual({
      REQUEST_METHOD: "POST",
      SCRIPT_NAME: mount,
      PATH_INFO: "/shop/caf\u00c3\u00a9/a b//d".slice(mount.length),
      QUERY_STRING: "x=1&y=%20",
      CONTENT_TYPE: "text/x",
      CONTENT_LENGTH: "4",
      REMOTE_ADDR: "127.0.0.1",
      SERVER_NAME: "127.0.0.1",
      SERVER_PORT: "18980",
      HTTP_HOST: "127.0.0.1:18980",
      HTTP_X_PROBE: "1, 2",
      "wsgi.url_scheme": "http",
      body: createHash("sha256").update("body").digest("hex"),
    });
  },
);
