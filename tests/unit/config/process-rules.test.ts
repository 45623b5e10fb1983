import { expect, test } from "bun:test";
import { parseUmask } from "../../../src/config/process-rules.ts";
import { good, run } from "./support.ts";

test("a umask is octal, and leaves the owner's rights", () => {
  expect(["022", "0o027", "77", "0"].map(parseUmask)).toEqual([0o22, 0o27, 0o77, 0]);
  expect(["100", "0777", "8", "", "-1", "u=rw"].map(parseUmask)).toEqual(Array(6).fill(null));
});

test("who changes the user wants no rights back, unless it is said", () => {
  expect(good([]).config.noNewPrivileges).toBe(false);
  const { config, sources } = good(["--user", "web"]);
  expect(config.noNewPrivileges).toBe(true);
  expect(sources.noNewPrivileges).toEqual({ kind: "default", name: "default: with user or group" });
  expect(good(["--group", "web"]).config.noNewPrivileges).toBe(true);
  expect(good(["--user", "web", "--no-no-new-privileges"]).config.noNewPrivileges).toBe(false);
});

test("a daemon needs a log file", () => {
  for (const argv of [["-D"], ["-D", "--log-file", "-"]]) {
    const result = run(argv);
    expect(result.ok).toBe(false);
  }
  expect(good(["-D", "--log-file", "web.log"]).config.daemon).toBe(true);
});
