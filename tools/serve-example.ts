/**
 * `make serve`: the FastAPI example on http://127.0.0.1:8000, by `./keelback` (KEELBACK_BIND and the like apply).
 */
import { root } from "./process.ts";

const command = [`${root}/keelback`, "serve", "main:app", "--python", `${root}/.venv/bin/python`];
if (process.env.KEELBACK_BIND === undefined) command.push("--bind", "127.0.0.1:8000");
const server = Bun.spawn([...command, ...process.argv.slice(2)], {
  cwd: `${root}/examples/fastapi_app`,
  stdio: ["inherit", "inherit", "inherit"],
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => server.kill(signal));
}
process.exitCode = await server.exited;
