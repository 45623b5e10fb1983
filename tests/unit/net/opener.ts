/** A server of race.test.ts: opens the unix socket argv[2] when it is told to, says how that went, and keeps it until the end of stdin. */
import { openListeners } from "../../../src/net/sockets.ts";
import { PLAIN_SOCKETS } from "../../support/sockets.ts";
// Loaded before the race begins.
import "../../../src/net/unix.ts";

const path = process.argv[2] ?? "";
process.stdout.write("waits\n");
const lines = console[Symbol.asyncIterator]();
await lines.next();
const result = await openListeners([{ kind: "unix", path }], PLAIN_SOCKETS);
process.stdout.write(`${result.ok ? "serves" : result.failure.message}\n`);
await lines.next();
