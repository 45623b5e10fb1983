/** The grammar of listening addresses. */
import { describe, expect, test } from "bun:test";
import type { Bind } from "../../../src/config/bind.ts";
import { formatBind, parseBind } from "../../../src/config/bind.ts";
import { bad, CWD, good } from "./support.ts";

function tcp(host: string, port: number): Bind {
  return { kind: "tcp", host, port };
}

const GOOD: readonly (readonly [string, Bind])[] = [
  ["127.0.0.1:8000", tcp("127.0.0.1", 8000)],
  ["0.0.0.0:0", tcp("0.0.0.0", 0)],
  ["localhost:65535", tcp("localhost", 65_535)],
  ["localhost", tcp("localhost", 8000)],
  ["0.0.0.0", tcp("0.0.0.0", 8000)],
  [":80", tcp("0.0.0.0", 80)],
  ["*:80", tcp("0.0.0.0", 80)],
  ["9000", tcp("127.0.0.1", 9000)],
  ["tcp://web_1.internal:80", tcp("web_1.internal", 80)],
  ["[::1]:8080", tcp("::1", 8080)],
  ["[::]", tcp("::", 8000)],
  ["[fe80::1%eth0]:1", tcp("fe80::1%eth0", 1)],
  ["[::ffff:10.0.0.1]:1", tcp("::ffff:10.0.0.1", 1)],
  ["unix:/run/a b.sock", { kind: "unix", path: "/run/a b.sock" }],
  ["unix:///run/a.sock", { kind: "unix", path: "/run/a.sock" }],
  ["unix:a.sock", { kind: "unix", path: "a.sock" }],
  ["/run/a.sock", { kind: "unix", path: "/run/a.sock" }],
  ["./a.sock", { kind: "unix", path: "./a.sock" }],
  ["../a.sock", { kind: "unix", path: "../a.sock" }],
  ["fd://3", { kind: "fd", fd: 3 }],
  ["fd://0", { kind: "fd", fd: 0 }],
  ["fd://web.socket", { kind: "passed", name: "web.socket" }],
  ["fd://3rd", { kind: "passed", name: "3rd" }],
  ["unix:@keelback", { kind: "abstract", name: "keelback" }],
  ["unix://@a/b c", { kind: "abstract", name: "a/b c" }],
  ["uwsgi://127.0.0.1:3031", { ...tcp("127.0.0.1", 3031), protocol: "uwsgi" }],
  ["fastcgi://unix:/run/a.sock", { kind: "unix", path: "/run/a.sock", protocol: "fastcgi" }],
  ["scgi:///run/a.sock", { kind: "unix", path: "/run/a.sock", protocol: "scgi" }],
  ["scgi://fd://3", { kind: "fd", fd: 3, protocol: "scgi" }],
  ["unix:./@a", { kind: "unix", path: "./@a" }],
];

const BAD: readonly (readonly [string, string])[] = [
  ["", "is empty"],
  ["tcp://", "is empty"],
  ["uwsgi://", "is empty"],
  ["uwsgi://scgi://:80", "names two protocols"],
  ["ajp://:80", "unknown scheme ajp://"],
  ["localhost:", "has no port"],
  ["localhost:65536", "has no port between 0 and 65535"],
  ["localhost:-1", "has no port"],
  ["localhost:http", "has no port"],
  ["70000", "has no port"],
  ["::1", "is an IPv6 address without brackets (write [::1]:8000)"],
  ["::1:8000", "without brackets"],
  ["a:b:c", "more than one colon"],
  ["[::1", "is no [V6]:PORT"],
  ["[::1]8000", "is no [V6]:PORT"],
  ["[localhost]:80", "has no IPv6 address in its brackets"],
  ["[]:80", "has no IPv6 address in its brackets"],
  ["[:::::]:80", "has no IPv6 address in its brackets"],
  ["256.0.0.1:80", "is no IPv4 address"],
  ["1.2.3:80", "is no IPv4 address"],
  ["-host:80", "is no host name"],
  ["a..b:80", "is no host name"],
  ["ho st:80", "holds white space"],
  ["http://localhost:80", "has the unknown scheme http://"],
  ["unix:", "needs a path"],
  ["unix:@", "needs a name after unix:@"],
  [`unix:@${"n".repeat(108)}`, "has a name of 108 bytes; the system takes 107"],
  ["fd://", "needs a descriptor's number or name"],
  ["fd://a:b", "needs a descriptor's number or name"],
  ["fd://ü", "needs a descriptor's number or name"],
  [`fd://${"n".repeat(256)}`, "needs a descriptor's number or name"],
  ["fd://99999999", "is no possible descriptor"],
  ["fd://1", "stdout or stderr"],
];

describe("bind", () => {
  test.each(GOOD)("%s", (text, bind) => {
    expect(parseBind(text)).toEqual({ bind });
    expect(parseBind(formatBind(bind))).toEqual({ bind });
  });

  test.each(BAD)("%p is refused", (text, complaint) => {
    const read = parseBind(text);
    expect("complaint" in read ? read.complaint : "accepted").toContain(complaint);
  });

  test("unix paths become absolute and are bounded by the system's limit", () => {
    expect(good(["-b", "unix:a.sock"]).config.bind).toEqual([
      { kind: "unix", path: `${CWD}/a.sock` },
    ]);
    const longest = `/${"a".repeat(106)}`;
    expect(good(["-b", longest]).config.bind).toEqual([{ kind: "unix", path: longest }]);
    expect(bad(["-b", `${longest}a`])[0]).toContain("is 108 bytes long");
  });

  test("an address twice is refused; several free ports are not", () => {
    expect(bad(["-b", ":80", "-b", "0.0.0.0:80"])[0]).toContain(
      'bind: "0.0.0.0:80" is given twice',
    );
    expect(good(["-b", ":0", "-b", ":0"]).config.bind).toHaveLength(2);
  });

  test("uvicorn's --uds and --fd", () => {
    expect(good(["--uds", "/a", "--fd", "3"]).config.bind).toEqual([
      { kind: "unix", path: "/a" },
      { kind: "fd", fd: 3 },
    ]);
  });
});
