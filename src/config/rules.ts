/**
 * What no single value can say: settings that contradict each other, and what follows from one for
 * another. Each rule is a small pure function; a rule is broken only by settings that somebody
 * wrote, never by defaults.
 */
import { checkAtoms } from "./access-format.ts";
import type { Config, SettingKey, Sources } from "./config.ts";
import { publicName, SETTING_ROWS } from "./config.ts";
import type { Problem } from "./problem.ts";
import { problem, quote } from "./problem.ts";
import { NETWORK_RULES, networkNotes } from "./network-rules.ts";
import { PROCESS_RULES, processDefaults } from "./process-rules.ts";
import { PROXY_RULES, proxyNotes } from "./proxy-rules.ts";
import { from, TLS_RULES, tlsDefaults, tlsNotes } from "./tls-rules.ts";
import type { Case, Rule } from "./tls-rules.ts";
import { formatBytes } from "./values.ts";
import { WORKER_RULES, workerDefaults, workerNotes } from "./worker-rules.ts";

export interface Judged {
  readonly config: Config;
  readonly sources: Sources;
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
}

const RULES: readonly Rule[] = [
  ...TLS_RULES,
  ...PROXY_RULES,
  ...NETWORK_RULES,
  ...PROCESS_RULES,
  ...WORKER_RULES,
  ({ config, sources }) => {
    const complaint = config.app === null ? null : appComplaint(config.app);
    if (complaint === null) return null;
    return { key: "app", text: `${quote(config.app ?? "")} ${from(sources, "app")} ${complaint}` };
  },
  ({ config, sources }) =>
    config.worker === "sync" && config.threads > 1 && sources.threads.kind !== "default"
      ? {
          key: "threads",
          text:
            `${config.threads} ${from(sources, "threads")} contradicts worker = sync ` +
            `${from(sources, "worker")}, which runs one request at a time; use worker = ` +
            "threads, or leave threads out",
        }
      : null,
  ({ config, sources }) =>
    config.worker === "asyncio" && config.interface === "wsgi"
      ? {
          key: "worker",
          text:
            `asyncio ${from(sources, "worker")} cannot run interface = wsgi ` +
            `${from(sources, "interface")}; use worker = threads`,
        }
      : null,
  ({ config, sources }) =>
    (config.worker === "threads" || config.worker === "sync") && config.interface === "asgi"
      ? {
          key: "worker",
          text:
            `${config.worker} ${from(sources, "worker")} cannot run interface = asgi ` +
            `${from(sources, "interface")}; use worker = asyncio`,
        }
      : null,
  ({ config, sources }) => {
    const wrong = config.warmup.find((path) => !/^\/[!-~]*$/.test(path));
    if (wrong === undefined) return null;
    const text =
      `${quote(wrong)} ${from(sources, "warmup")} is no path: it begins with / and has ` +
      "printable ASCII characters only (others are percent-encoded)";
    return { key: "warmup", text };
  },
  ({ config, sources }) =>
    config.lifespan === "on" && config.interface === "wsgi"
      ? {
          key: "lifespan",
          text:
            `on ${from(sources, "lifespan")} has no meaning for interface = wsgi ` +
            from(sources, "interface"),
        }
      : null,
  ({ config, sources }) =>
    config.loop !== "auto" && (config.worker === "threads" || config.worker === "sync")
      ? {
          key: "loop",
          text:
            `${config.loop} ${from(sources, "loop")} needs worker = asyncio, but it is ` +
            `${config.worker} ${from(sources, "worker")}`,
        }
      : null,
  ({ config, sources }) =>
    config.headerFieldBytesMax > config.headerBytesMax &&
    sources.headerFieldBytesMax.kind !== "default"
      ? {
          key: "headerFieldBytesMax",
          text:
            `${formatBytes(config.headerFieldBytesMax)} ` +
            `${from(sources, "headerFieldBytesMax")} is more than header-max = ` +
            `${formatBytes(config.headerBytesMax)}, the whole section`,
        }
      : null,
  ({ config, sources }) =>
    config.rootPath !== "" && !/^(?:\/[^/?#\s]+)+$/.test(config.rootPath)
      ? {
          key: "rootPath",
          text:
            `${quote(config.rootPath)} ${from(sources, "rootPath")} is no mount path; ` +
            "allowed: empty, or a path that begins with / and does not end with one",
        }
      : null,
  ...(["healthPath", "readyPath"] as const).map((key): Rule => ({ config, sources }) => {
    const path = config[key];
    const clash = key === "readyPath" && path === config.healthPath;
    if (path === "" || (!clash && /^\/[!-~]*$/.test(path) && !/[?#%]/.test(path))) return null;
    const what = clash ? "is health-path already" : "is no path";
    const allowed = "allowed: empty, or a path that begins with / (no query, no escapes)";
    return { key, text: `${quote(path)} ${from(sources, key)} ${what}; ${allowed}` };
  }),
  ({ config, sources }) =>
    /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$|^$/.test(config.serverHeader)
      ? null
      : {
          key: "serverHeader",
          text:
            `${quote(config.serverHeader)} ${from(sources, "serverHeader")} is no header ` +
            "value; allowed: printable ASCII",
        },
  ({ config, sources }) => {
    const complaint = checkAtoms(config.accessLogFormat);
    return complaint === null
      ? null
      : {
          key: "accessLogFormat",
          text: `${quote(config.accessLogFormat)} ${from(sources, "accessLogFormat")} ${complaint}`,
        };
  },
];

/** Mistakes that the worker's import error would not explain. */
function appComplaint(app: string): string | null {
  if (app === "") return "is empty; allowed: module:attribute, module, or module:factory()";
  const [module = "", attribute] = app.split(":", 2);
  if (/[\\/]/.test(module)) {
    const slash = Math.max(module.lastIndexOf("/"), module.lastIndexOf("\\"));
    const name = module.slice(slash + 1).replace(/\.py$/, "");
    const rest = attribute === undefined ? "" : `:${attribute}`;
    const directory = module.slice(0, slash) || "/";
    return `is a path; write the module, ${name}${rest}, and its directory: --chdir ${directory}`;
  }
  if (module.endsWith(".py")) {
    const name = module.slice(0, -3);
    return `is a file; write the module: ${name}${attribute === undefined ? "" : `:${attribute}`}`;
  }
  return module === "" ? "has no module before the colon" : null;
}

/**
 * Settings that have no effect without another one; said, not refused: files are shared between
 * machines.
 */
function notesOf({ config, sources }: Case): string[] {
  const notes: string[] = [];
  const flag = (key: SettingKey): boolean => sources[key].kind === "flag";
  if (!config.reload && (flag("reloadDir") || flag("reloadExclude"))) {
    notes.push("reload-dir and reload-exclude have no effect without --reload");
  }
  if (config.accessLog === null && flag("accessLogFormat")) {
    notes.push("access-log-format has no effect without --access-log");
  }
  const given = { config, sources };
  for (const more of [tlsNotes, networkNotes, workerNotes, proxyNotes]) notes.push(...more(given));
  return notes;
}

export function checkRules(given: Config, givenSources: Sources): Judged {
  const bare = { config: given, sources: givenSources };
  const settings = workerDefaults(processDefaults(tlsDefaults(bare)));
  const { config, sources } = settings;
  const problems: Problem[] = [];
  for (const rule of RULES) {
    const broken = rule(settings);
    if (broken !== null) problems.push(problem(publicName(broken.key), broken.text));
  }
  if (config.worker !== "sync" || config.threads === 1) {
    return { config, sources, problems, notes: notesOf(settings) };
  }
  return {
    config: { ...config, threads: 1 },
    sources: {
      ...sources,
      threads: { kind: "default", name: "default: sync runs one request at a time" },
    },
    problems,
    notes: notesOf(settings),
  };
}

/**
 * What a reload does with changed settings: `live` ones apply, `restart` ones wait for a restart.
 */
export interface ReloadPlan {
  readonly live: readonly SettingKey[];
  readonly restart: readonly SettingKey[];
}

export function planReload(before: Config, after: Config): ReloadPlan {
  const changed = SETTING_ROWS.filter(({ key }) => !Bun.deepEquals(before[key], after[key]));
  // Other certificates apply at once; a socket that is plain does not become one of TLS.
  const switched = (before.certfile.length === 0) !== (after.certfile.length === 0);
  const isLive = ({ key, spec }: (typeof changed)[number]): boolean =>
    spec.reload === "live" && !(switched && spec.section === "TLS" && key !== "hstsMs");
  return {
    live: changed.filter((row) => isLive(row)).map(({ key }) => key),
    restart: changed.filter((row) => !isLive(row)).map(({ key }) => key),
  };
}
