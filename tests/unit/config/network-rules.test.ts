/** Settings of listening sockets: what no bind can use is told, what nobody can mean is refused. */
import { describe, expect, test } from "bun:test";
import { parseMode, parseOwner } from "../../../src/config/socket-file.ts";
import { bad, good, toml } from "./support.ts";

describe("unix-mode", () => {
  test.each([
    ["0660", 0o660],
    ["660", 0o660],
    ["0o777", 0o777],
    ["600", 0o600],
  ])("%s", (text, mode) => {
    expect(parseMode(text)).toBe(mode);
  });

  // 0o660 in TOML is the number 432: its digits are a mode that locks the owner out.
  test.each(["", "0", "66", "0888", "06600", "4755", "432", "400", "0o66", "rw", "0x1b0", "-660"])(
    "%p is refused",
    (text) => {
      expect(parseMode(text)).toBeNull();
      expect(bad(["--unix-mode", text]).join()).toMatch(
        /^unix-mode: ".*" \(from --unix-mode\) is no mode of a socket; allowed: three octal digits/,
      );
    },
  );

  test("a number of TOML is refused, as it has lost its base", () => {
    expect(bad([], toml("unix-mode = 0o660")).join()).toContain("unix-mode: is the number 432");
  });

  test("uWSGI's and Granian's names of the flag", () => {
    expect(good(["--chmod-socket", "660", "-b", "/a"]).config.unixMode).toBe("660");
    expect(good(["--uds-permissions", "660", "-b", "/a"]).config.unixMode).toBe("660");
    expect(good(["--chown-socket", ":web", "-b", "/a"]).config.unixOwner).toBe(":web");
  });
});

describe("unix-owner", () => {
  test.each([
    ["web", { user: "web", group: null }],
    ["web:www-data", { user: "web", group: "www-data" }],
    [":www-data", { user: null, group: "www-data" }],
    ["1000:33", { user: "1000", group: "33" }],
    ["first.last@example.org", { user: "first.last@example.org", group: null }],
    ["machine$", { user: "machine$", group: null }],
  ])("%s", (text, names) => {
    expect(parseOwner(text)).toEqual(names);
  });

  test.each(["", ":", "web:", "a:b:c", "-1", "a b", "a/b"])("%p is refused", (text) => {
    expect(parseOwner(text)).toBeNull();
    expect(bad([`--unix-owner=${text}`]).join()).toContain("names no owner; allowed: USER, USER:");
  });
});

describe("a flag that no bind can use is told", () => {
  test.each([
    [["--unix-mode", "0660"], "unix-mode has no effect: no unix:PATH is bound here"],
    [["--unix-owner", "web", "-b", "unix:@a"], "unix-owner has no effect: no unix:PATH"],
    [["--reuse-port", "-b", "fd://web"], "reuse-port has no effect: no TCP address is bound here"],
    [["--ipv6-only"], "ipv6-only has no effect: no IPv6 address is bound here"],
    [["--defer-accept", "5", "-b", "/a"], "defer-accept has no effect: no TCP address"],
    [["--fast-open", "5", "-b", "/a"], "fast-open has no effect: no TCP address"],
    [["--tcp-keep-alive", "5", "-b", "/a"], "tcp-keep-alive has no effect: no TCP address"],
  ])("%p", (argv, note) => {
    const { notes } = good(argv);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toStartWith(note);
  });

  test("where one can, nothing is said", () => {
    const all = ["--unix-mode=0660", "--reuse-port", "--ipv6-only", "--fast-open=5"];
    expect(good([...all, "-b", "[::]:80", "-b", "/a", "-b", "fd://web"]).notes).toEqual([]);
    expect(good(["--ipv6-only", "-b", "localhost:80"]).notes).toEqual([]);
  });
});
