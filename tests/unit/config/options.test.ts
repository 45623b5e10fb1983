/** Every row, by the table: a value lands in Config from each place it can come from. */
import { describe, expect, test } from "bun:test";
import type { OptionRow, SettingKey, Value } from "../../../src/config/config.ts";
import { publicName, ROWS, SETTING_ROWS } from "../../../src/config/config.ts";
import { OPTIONS } from "../../../src/config/options.ts";
import { readValue } from "../../../src/config/values.ts";
import { CWD, good, run, toml } from "./support.ts";

interface Sample {
  /** As a flag or a variable says it. */
  readonly word: string;
  /** As TOML says it. */
  readonly toml: string;
  readonly value: Value;
  /** Flags without which it is refused. */
  readonly beside?: readonly string[];
}

const TLS = ["--certfile", "c.pem"];

/** A value for each option that is not its default. A row without one fails the first test. */
const SAMPLES: Readonly<Record<SettingKey, Sample>> = {
  app: { word: "shop.wsgi", toml: '"shop.wsgi"', value: "shop.wsgi" },
  interface: { word: "wsgi", toml: '"wsgi"', value: "wsgi" },
  factory: { word: "true", toml: "true", value: true },
  rootPath: { word: "/shop", toml: '"/shop"', value: "/shop" },
  lifespan: { word: "on", toml: '"on"', value: "on" },
  loop: { word: "uvloop", toml: '"uvloop"', value: "uvloop" },
  python: { word: "python3.12", toml: '"python3.12"', value: "python3.12" },
  chdir: { word: "src", toml: '"src"', value: `${CWD}/src` },
  pythonpath: { word: "lib", toml: '["lib"]', value: [`${CWD}/lib`] },
  env: { word: "A=b=c", toml: '{ A = "b=c" }', value: { A: "b=c" } },
  bind: { word: ":9000", toml: '[":9000"]', value: [{ kind: "tcp", host: "0.0.0.0", port: 9000 }] },
  protocol: { word: "scgi", toml: '"scgi"', value: "scgi" },
  backlog: { word: "100", toml: "100", value: 100 },
  unixMode: { word: "0660", toml: '"0660"', value: "0660" },
  unixOwner: { word: "web:www-data", toml: '"web:www-data"', value: "web:www-data" },
  reusePort: { word: "true", toml: "true", value: true },
  ipv6Only: { word: "true", toml: "true", value: true },
  deferAcceptMs: { word: "5", toml: "5", value: 5000 },
  fastOpen: { word: "256", toml: "256", value: 256 },
  tcpKeepAliveMs: { word: "2m", toml: '"2m"', value: 120_000 },
  control: { word: "ctl.sock", toml: '"ctl.sock"', value: `${CWD}/ctl.sock` },
  healthPath: { word: "/healthz", toml: '"/healthz"', value: "/healthz" },
  readyPath: { word: "/readyz", toml: '"/readyz"', value: "/readyz" },
  shutdownDelayMs: { word: "5", toml: "5", value: 5000 },
  edges: { word: "2", toml: "2", value: 2 },
  certfile: { word: "c.pem", toml: '["c.pem"]', value: [`${CWD}/c.pem`] },
  keyfile: { word: "k.pem", toml: '["k.pem"]', value: [`${CWD}/k.pem`], beside: TLS },
  keyfilePassword: { word: "hush", toml: '"hush"', value: "hush" },
  certReqs: {
    word: "required",
    toml: '"required"',
    value: "required",
    beside: [...TLS, "--ca-certs", "a.pem"],
  },
  caCerts: { word: "a.pem", toml: '"a.pem"', value: `${CWD}/a.pem`, beside: TLS },
  ciphers: { word: "HIGH", toml: '"HIGH"', value: "HIGH" },
  tlsMin: { word: "1.3", toml: '"1.3"', value: "1.3" },
  redirectHttp: { word: "80", toml: '"80"', value: "80", beside: TLS },
  http2: { word: "false", toml: "false", value: false },
  http2Streams: { word: "50", toml: "50", value: 50 },
  http3: { word: "true", toml: "true", value: true, beside: TLS },
  hstsMs: { word: "1h", toml: '"1h"', value: 3_600_000 },
  workers: { word: "3", toml: "3", value: 3 },
  worker: { word: "asyncio", toml: '"asyncio"', value: "asyncio" },
  threads: { word: "5", toml: "5", value: 5 },
  concurrency: { word: "50", toml: "50", value: 50 },
  minWorkers: { word: "1", toml: "1", value: 1, beside: ["--max-workers", "64"] },
  maxWorkers: { word: "64", toml: "64", value: 64, beside: ["--min-workers", "1"] },
  workerIdleMs: { word: "10", toml: "10", value: 10_000 },
  maxRequests: { word: "1000", toml: "1000", value: 1000 },
  maxRequestsJitter: { word: "50", toml: "50", value: 50 },
  maxWorkerLifetimeMs: { word: "1h", toml: '"1h"', value: 3_600_000 },
  maxWorkerLifetimeJitterMs: { word: "5m", toml: '"5m"', value: 300_000 },
  maxWorkerMemoryBytes: { word: "512m", toml: '"512m"', value: 536_870_912 },
  maxWorkerMemoryBytesHard: { word: "1g", toml: '"1g"', value: 1_073_741_824 },
  reloadOverlap: { word: "25%", toml: '"25%"', value: "25%" },
  preload: { word: "true", toml: "true", value: true },
  warmup: { word: "/a", toml: '["/a"]', value: ["/a"] },
  onPreload: { word: "hooks:preloaded", toml: '"hooks:preloaded"', value: "hooks:preloaded" },
  onWorkerStart: { word: "hooks:start", toml: '"hooks:start"', value: "hooks:start" },
  onWorkerReady: { word: "hooks:ready", toml: '"hooks:ready"', value: "hooks:ready" },
  onWorkerStop: { word: "hooks:stop", toml: '"hooks:stop"', value: "hooks:stop" },
  cpuAffinity: { word: "true", toml: "true", value: true },
  nice: { word: "5", toml: "5", value: 5 },
  user: { word: "www-data", toml: '"www-data"', value: "www-data" },
  group: { word: "www-data", toml: '"www-data"', value: "www-data" },
  chroot: { word: "/srv/jail", toml: '"/srv/jail"', value: "/srv/jail" },
  noNewPrivileges: { word: "true", toml: "true", value: true },
  umask: { word: "027", toml: '"027"', value: "027" },
  pid: { word: "web.pid", toml: '"web.pid"', value: `${CWD}/web.pid` },
  daemon: { word: "true", toml: "true", value: true, beside: ["--log-file", "web.log"] },
  logFile: { word: "web.log", toml: '"web.log"', value: `${CWD}/web.log` },
  reload: { word: "true", toml: "true", value: true },
  reloadDir: { word: "/a", toml: '["/a"]', value: ["/a"] },
  reloadExclude: { word: "*.tmp", toml: '["*.tmp"]', value: ["*.tmp"] },
  keepAliveMs: { word: "2.5", toml: "2.5", value: 2500 },
  headerTimeoutMs: { word: "10s", toml: '"10s"', value: 10_000 },
  bodyIdleTimeoutMs: { word: "2m", toml: '"2m"', value: 120_000 },
  bodyRateBytesMin: { word: "1k", toml: '"1k"', value: 1024 },
  sendTimeoutMs: { word: "0", toml: "0", value: 0 },
  timeoutMs: { word: "1h", toml: '"1h"', value: 3_600_000 },
  interruptMs: { word: "250ms", toml: '"250ms"', value: 250 },
  gracefulTimeoutMs: { word: "7", toml: "7", value: 7000 },
  bootTimeoutMs: { word: "9", toml: "9", value: 9000 },
  edgeTimeoutMs: { word: "12", toml: "12", value: 12_000 },
  queueTimeoutMs: { word: "11", toml: "11", value: 11_000 },
  requestLineBytesMax: { word: "4094", toml: "4094", value: 4094 },
  headerBytesMax: { word: "32k", toml: '"32k"', value: 32_768 },
  headerFieldBytesMax: { word: "8190", toml: "8190", value: 8190 },
  headerCountMax: { word: "40", toml: "40", value: 40 },
  bodyBytesMax: { word: "10m", toml: '"10m"', value: 10_485_760 },
  connections: { word: "500", toml: "500", value: 500 },
  queue: { word: "10", toml: "10", value: 10 },
  responseBufferBytes: { word: "2m", toml: '"2m"', value: 2_097_152 },
  wsMaxSizeBytes: { word: "1m", toml: '"1m"', value: 1_048_576 },
  wsPerMessageDeflate: { word: "false", toml: "false", value: false },
  wsPingIntervalMs: { word: "0", toml: "0", value: 0 },
  wsPingTimeoutMs: { word: "5", toml: "5", value: 5000 },
  wsCloseTimeoutMs: { word: "2s", toml: '"2s"', value: 2000 },
  accessLog: { word: "log/access", toml: '"log/access"', value: `${CWD}/log/access` },
  accessLogFormat: { word: "%(h)s", toml: '"%(h)s"', value: "%(h)s" },
  logLevel: { word: "debug", toml: '"debug"', value: "debug" },
  logFormat: { word: "json", toml: '"json"', value: "json" },
  serverHeader: { word: "shop", toml: '"shop"', value: "shop" },
  dateHeader: { word: "false", toml: "false", value: false },
  forwardedAllowIps: { word: "10.0.0.0/8", toml: '["10.0.0.0/8"]', value: ["10.0.0.0/8"] },
  forwardedHeaders: { word: "forwarded", toml: '["forwarded"]', value: ["forwarded"] },
  proxyProtocol: { word: "v2", toml: '"v2"', value: "v2" },
  proxyAllowIps: { word: "10.1.2.3", toml: '["10.1.2.3"]', value: ["10.1.2.3"] },
  underscoreHeaders: { word: "refuse", toml: '"refuse"', value: "refuse" },
};

function argvFor(row: OptionRow, flag: string, word: string): string[] {
  return row.spec.type === "boolean" ? [`${flag}=${word}`] : [flag, word];
}

describe("table", () => {
  test("names, flags, variables and file keys are unique", () => {
    const flags = ROWS.flatMap((row) => [...row.flags, ...Object.keys(row.spec.prefixed ?? {})]);
    const negated = ROWS.map((row) => `--no-${row.name}`);
    expect(new Set([...flags, ...negated]).size).toBe(flags.length + negated.length);
    expect(new Set(ROWS.map(({ variable }) => variable ?? "")).size).toBeGreaterThan(40);
    expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
  });

  test("a name is its key without the unit", () => {
    expect(publicName("keepAliveMs")).toBe("keep-alive");
    expect(publicName("requestLineBytesMax")).toBe("request-line-max");
    expect(publicName("bodyRateBytesMin")).toBe("body-rate-min");
    expect(publicName("responseBufferBytes")).toBe("response-buffer");
  });

  test.each(ROWS.map((row) => [row.key, row] as const))(
    "%s: the row is complete",
    (_, { spec }) => {
      expect(spec.summary).toMatch(/^\S.*[^.]$/);
      expect(spec.why).toMatch(/\.$/);
      if ("min" in spec) {
        expect(spec.min).toBeLessThan(spec.max);
        const value = spec.default === "auto" ? spec.min : spec.default;
        const off = value === 0 && "zero" in spec;
        expect(off || (value >= spec.min && value <= spec.max)).toBe(true);
      }
      if (spec.type === "choice") {
        expect(spec.choices).toContain(spec.default);
        for (const meant of Object.values(spec.translate ?? {}))
          expect(spec.choices).toContain(meant);
      }
      if (spec.type === "bind") {
        expect("value" in readValue(spec, spec.default, { cwd: CWD, cores: 1 })).toBe(true);
      }
    },
  );

  test("everything has a default: nothing given is a good configuration", () => {
    const { config, sources, notes } = good([]);
    expect(Object.keys(config).sort()).toEqual(SETTING_ROWS.map(({ key }) => key as string).sort());
    expect(Object.values(sources).every(({ kind }) => kind === "default")).toBe(true);
    expect(notes).toEqual([]);
    expect(config.bind).toEqual([{ kind: "tcp", host: "127.0.0.1", port: 8000 }]);
    expect(config.workers).toBe(4);
    expect(config.chdir).toBe(CWD);
  });

  test("Config survives JSON", () => {
    const { config } = good(["-b", "unix:s", "-b", "fd://3", "-b", "[::1]:1"]);
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });
});

describe("every option", () => {
  const rows = SETTING_ROWS.map((row) => [row.key, row] as const);

  test.each(rows)("%s: the sample is not the default", (key) => {
    expect(good([]).config[key]).not.toEqual(SAMPLES[key].value);
  });

  test.each(rows)("%s: from each flag", (key, row) => {
    const { word, value, beside = [] } = SAMPLES[key];
    if (row.spec.positional === true) {
      expect(good([word]).config[key]).toEqual(value);
      return;
    }
    expect(row.flags[0]).toBe(`--${row.name}`);
    for (const flag of row.flags) {
      const { config, sources } = good([...beside, ...argvFor(row, flag, word)]);
      expect(config[key]).toEqual(value);
      expect(sources[key]).toEqual({ kind: "flag", name: flag });
      const attached = flag.startsWith("--") ? `${flag}=${word}` : `${flag}${word}`;
      expect(good([...beside, attached]).config[key]).toEqual(value);
    }
  });

  test.each(rows)("%s: from its variable", (key, row) => {
    const variable = row.variable ?? "none";
    const { word, value, beside = [] } = SAMPLES[key];
    const { config, sources } = good(beside, { env: { [variable]: word } });
    expect(config[key]).toEqual(value);
    expect(sources[key]).toEqual({ kind: "variable", name: variable });
    expect(good([], { env: { [variable]: "" } }).sources[key].kind).toBe("default");
  });

  test.each(rows)("%s: from the file", (key, row) => {
    const { toml: text, value, beside = [] } = SAMPLES[key];
    const { config, sources } = good(beside, toml(`${row.fileKey ?? ""} = ${text}`));
    expect(config[key]).toEqual(value);
    expect(sources[key]).toEqual({ kind: "file", name: "keelback.toml line 1" });
  });

  test.each(rows)("%s: a flag wins over the variable, this over the file", (key, row) => {
    const { word, toml: text, value, beside = [] } = SAMPLES[key];
    const file = toml(`${row.fileKey ?? ""} = ${text}`);
    const env = { [row.variable ?? ""]: word };
    const flag = row.flags[0];
    expect(good(beside, { ...file, env }).sources[key].kind).toBe("variable");
    const argv = flag === undefined ? [word] : argvFor(row, flag, word);
    const all = good([...beside, ...argv], { ...file, env });
    expect(all.sources[key].kind).toBe("flag");
    expect(all.config[key]).toEqual(value);
  });

  test.each(rows)("%s: a wrong kind in the file is refused", (key, row) => {
    const wrong = row.spec.type === "boolean" ? "1" : "[[true]]";
    const result = run([], toml(`${row.fileKey ?? ""} = ${wrong}`));
    expect(result.ok).toBe(false);
    const text = result.ok ? "" : (result.problems[0]?.text ?? "");
    expect(text).toStartWith(`${row.name}: `);
    expect(text).toContain("keelback.toml line 1");
    expect(text).toContain("; allowed: ");
    expect(key in OPTIONS).toBe(true);
  });

  test.each(rows.filter(([, { spec }]) => "min" in spec))(
    "%s: out of range is refused",
    (key, row) => {
      for (const word of ["-1", "99999999999999999"]) {
        const result = run([`--${row.name}`, word]);
        const text = result.ok ? "" : (result.problems[0]?.text ?? "");
        expect(text).toStartWith(
          `${row.name}: "${word}" is too ${word === "-1" ? "small" : "large"}`,
        );
        expect(text).toContain(`(from --${row.name}); allowed: `);
      }
      expect(key in OPTIONS).toBe(true);
    },
  );
});
