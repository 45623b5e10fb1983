/** Settings that contradict each other, what follows from one for another, and the reload plan. */
import { describe, expect, test } from "bun:test";
import { checkAtoms } from "../../../src/config/access-format.ts";
import { planReload } from "../../../src/config/rules.ts";
import { bad, good, toml } from "./support.ts";

const BROKEN: readonly (readonly [readonly string[], string])[] = [
  [
    ["-k", "sync", "--threads", "4"],
    "threads: 4 (from --threads) contradicts worker = sync (from -k)",
  ],
  [
    ["-k", "asyncio", "--interface", "wsgi"],
    "worker: asyncio (from -k) cannot run interface = wsgi",
  ],
  [
    ["-k", "threads", "--interface", "asgi"],
    "worker: threads (from -k) cannot run interface = asgi",
  ],
  [["-k", "sync", "--interface", "asgi"], "worker: sync (from -k) cannot run interface = asgi"],
  [["--lifespan", "on", "--interface", "wsgi"], "lifespan: on (from --lifespan) has no meaning"],
  [["--loop", "uvloop", "-k", "sync"], "loop: uvloop (from --loop) needs worker = asyncio"],
  [["--header-field-max", "128k"], "header-field-max: 128k (from --header-field-max) is more than"],
  [["--root-path", "shop"], 'root-path: "shop" (from --root-path) is no mount path'],
  [["--root-path", "/shop/"], "is no mount path"],
  [["--warmup", "/a", "--warmup", "status"], 'warmup: "status" (from --warmup) is no path'],
  [["--warmup", "/caf\u00e9"], "is no path"],
  [["--health-path", "healthz"], 'health-path: "healthz" (from --health-path) is no path'],
  [["--ready-path", "/ready?now"], 'ready-path: "/ready?now" (from --ready-path) is no path'],
  [["--ready-path", "/x", "--health-path", "/x"], 'ready-path: "/x" (from --ready-path) is health'],
  [
    ["--proxy-protocol", "v2", "--http3", "--certfile", "c.pem"],
    "proxy-protocol: v2 (from --proxy-protocol) does not go with http3 (from --http3)",
  ],
  [
    ["--forwarded-allow-ips", "10.0.0.0/8,10.0.0.1/8"],
    'forwarded-allow-ips: "10.0.0.1/8" has bits set behind its length (from --forwarded-allow-ips); ' +
      "allowed: IP addresses, networks (10.0.0.0/8), unix, * or none",
  ],
  [["--forwarded-allow-ips", "proxy.example"], 'forwarded-allow-ips: "proxy.example" is no IP'],
  [["--forwarded-headers", "x-real-ip"], 'forwarded-headers: "x-real-ip" is no such header'],
  [["--proxy-allow-ips", ""], 'proxy-allow-ips: "" is empty'],
  [["--server-header", "a\tb\u00e9"], "is no header value"],
  [
    ["--access-log-format", "apache"],
    'access-log-format: "apache" (from --access-log-format) is neither',
  ],
];

describe("rules", () => {
  test.each(BROKEN)("%p", (argv, text) => {
    expect(bad(argv).join("\n")).toContain(text);
  });

  test("sync has one thread, and says why", () => {
    const { config, sources } = good(["-k", "sync"]);
    expect(config.threads).toBe(1);
    expect(sources.threads.name).toBe("default: sync runs one request at a time");
    expect(good(["-k", "sync", "--threads", "1"]).sources.threads.kind).toBe("flag");
  });

  test("a flag without effect is told; a file's setting is not", () => {
    expect(good(["--reload-dir", "x"]).notes).toEqual([
      "reload-dir and reload-exclude have no effect without --reload",
    ]);
    expect(good(["--access-log-format", "json"]).notes).toHaveLength(1);
    expect(good([], toml('reload-dir = "x"\naccess-log-format = "json"')).notes).toEqual([]);
  });

  test("lists of addresses come with commas or one by one, from FORWARDED_ALLOW_IPS last", () => {
    const env = { FORWARDED_ALLOW_IPS: "10.0.0.1, 10.0.0.2" };
    expect(good([], { env }).config.forwardedAllowIps).toEqual(["10.0.0.1", "10.0.0.2"]);
    const file = toml('forwarded-allow-ips = ["::1", "unix"]');
    expect(good([], { env, ...file }).config.forwardedAllowIps).toEqual(["::1", "unix"]);
    const flags = ["--forwarded-allow-ips", "10.1.0.0/16,*", "--forwarded-allow-ips", "none"];
    const { config } = good(flags, { env, ...file });
    expect(config.forwardedAllowIps).toEqual(["10.1.0.0/16", "*", "none"]);
  });

  test("--proxy-protocol alone is auto, and does not take the app for its value", () => {
    expect(good(["--proxy-protocol", "main:app"]).config).toMatchObject({
      proxyProtocol: "auto",
      app: "main:app",
    });
    expect(good(["--proxy-protocol", "v1", "main:app"]).config.proxyProtocol).toBe("v1");
    expect(good(["--proxy-protocol=off"]).config.proxyProtocol).toBe("off");
    expect(good(["--proxy-allow-from", "10.0.0.1"]).notes).toEqual([
      "proxy-allow-ips has no effect without --proxy-protocol",
    ]);
  });

  test("auto follows the cores", () => {
    expect(good([], { cores: 64 }).config.workers).toBe(8);
    expect(good(["-w", "auto"], { cores: 2 }).config.workers).toBe(2);
    expect(good([]).config.edges).toBe(1);
    expect(good(["--edges", "auto"], { cores: 8 }).config.edges).toBe(2);
    expect(good(["--edges", "auto"], { cores: 128 }).config.edges).toBe(4);
    expect(good([], { cores: 64 }).sources.workers.name).toContain("at most 8");
  });

  test("a reload applies live settings and leaves the others for a restart", () => {
    const before = good(["-w", "1", "-b", ":1"]).config;
    expect(planReload(before, before)).toEqual({ live: [], restart: [] });
    const after = good(["-w", "2", "-b", ":2", "-e", "A=1"]).config;
    expect(planReload(before, after)).toEqual({ live: ["env", "workers"], restart: ["bind"] });
  });
});

describe("access log formats", () => {
  test.each(["combined", "json", "%(h)s", '%(t)s "%({X-Id}i)s" %({etag}o)s 100%% %(L)s'])(
    "%s",
    (text) => {
      expect(checkAtoms(text)).toBeNull();
    },
  );

  test.each([
    ["%(z)s %(h)s", "the unknown atom %(z)s"],
    ["%(h)s %(toString)s", "the unknown atom %(toString)s"],
    ["%({x}e)s", "the unknown atom %({x}e)s"],
    ["%(h)d", 'holds "%(h)d", which is no atom'],
    ["%(h)s 100%", 'holds "%", which is no atom'],
    ["%(h)s %(t", 'holds "%(", which is no atom'],
    ["", "is neither a named format"],
  ])("%p is refused", (text, complaint) => {
    expect(checkAtoms(text)).toContain(complaint);
  });
});
