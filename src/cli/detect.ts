/**
 * Finds the app when no APP is given. In order: [tool.keelback] app of pyproject.toml, a Django
 * project (manage.py, its settings' ASGI_APPLICATION, else WSGI_APPLICATION), then app, application
 * or create_app in the usual files. Reads source text, runs no Python.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../config/environment.ts";
import { readConfigFile } from "../config/file.ts";
import type { Problem } from "../config/problem.ts";
import { problem } from "../config/problem.ts";
import { definitionOf, starImports, stringValue, topLevelStatements } from "./python-source.ts";

export interface DetectInput {
  /** The app's directory. */
  readonly directory: string;
  /** The environment that the app will have. */
  readonly env: Environment;
}

export type DetectResult =
  | {
      readonly app: string;
      /** Where it was found, for the start-up screen: `main.py: app`. */
      readonly why: string;
    }
  | { readonly problem: Problem };

const ATTRIBUTES = ["app", "application", "create_app"] as const;

/** Files that hold an app by custom, and their modules. */
const FILES: readonly (readonly [string, string])[] = [
  ["main.py", "main"],
  ["app.py", "app"],
  ["wsgi.py", "wsgi"],
  ["asgi.py", "asgi"],
  ["app/__init__.py", "app"],
  ["app/main.py", "app.main"],
];

/** Objects that are called app as well and serve nothing. */
const NO_WEB_APP = /^(?:typer\.|celery\.)?(?:Typer|Celery)\(/;

/** A settings module imports its base, which may import another: no honest chain is longer. */
const SETTINGS_DEPTH_MAX = 5;
/** Larger files are no hand-written source. */
const SOURCE_CHARS_MAX = 1_000_000;

export function detectApp(input: DetectInput): DetectResult {
  const looked: string[] = [];
  const found =
    fromPyproject(input, looked) ?? fromDjango(input, looked) ?? fromFiles(input, looked);
  if (found !== null) return found;
  const text =
    `no APP is given, and none was found in ${input.directory}; looked at: ${looked.join(", ")}. ` +
    "Name it: keelback module:attribute (with --chdir when it is in another directory)";
  return { problem: problem("app", text) };
}

type Found = Extract<DetectResult, { app: string }>;

function fromPyproject({ directory }: DetectInput, looked: string[]): Found | null {
  looked.push("pyproject.toml ([tool.keelback] app)");
  const text = read(join(directory, "pyproject.toml"));
  if (text === null) return null;
  const app = readConfigFile({ name: "pyproject.toml", text, pyproject: true }).given.get("app");
  const word = app?.words[0] ?? "";
  return word === "" ? null : { app: word, why: "pyproject.toml: [tool.keelback] app" };
}

function fromDjango({ directory, env }: DetectInput, looked: string[]): Found | null {
  looked.push("manage.py");
  const manage = read(join(directory, "manage.py"));
  if (manage === null) return null;
  const inherited = env["DJANGO_SETTINGS_MODULE"] ?? "";
  const settings = inherited === "" ? settingsModule(manage) : inherited;
  if (settings === null) return null;
  looked.push(`Django settings ${settings}`);
  for (const setting of ["ASGI_APPLICATION", "WSGI_APPLICATION"] as const) {
    const path = djangoSetting(directory, settings, setting);
    const dot = path?.lastIndexOf(".") ?? -1;
    if (path !== null && dot > 0) {
      const app = `${path.slice(0, dot)}:${path.slice(dot + 1)}`;
      return { app, why: `manage.py: Django, ${setting} of ${settings}` };
    }
  }
  const project = settings.split(".")[0] ?? "";
  for (const kind of ["wsgi", "asgi"] as const) {
    looked.push(`${project}/${kind}.py`);
    const source = read(join(directory, project, `${kind}.py`));
    if (source === null || definitionOf("application", topLevelStatements(source)) === null)
      continue;
    return {
      app: `${project}.${kind}:application`,
      why: `manage.py: Django, ${project}/${kind}.py`,
    };
  }
  return null;
}

/**
 * manage.py sets the variable inside its main(): the call is looked for anywhere, outside comments.
 */
function settingsModule(manage: string): string | null {
  for (const line of manage.split("\n")) {
    if (/^\s*#/.test(line)) continue;
    const match = /["']DJANGO_SETTINGS_MODULE["']\s*(?:,|\]\s*=)\s*["']([\w.]+)["']/.exec(line);
    if (match !== null) return match[1] ?? null;
  }
  return null;
}

/** The value of a setting, from the settings module or from one that it takes everything of. */
function djangoSetting(directory: string, module: string, setting: string): string | null {
  const seen = new Set<string>();
  const search = (name: string, depth: number): string | null => {
    if (depth > SETTINGS_DEPTH_MAX || seen.has(name)) return null;
    seen.add(name);
    const source = readModule(directory, name);
    if (source === null) return null;
    const statements = topLevelStatements(source.text);
    const definition = definitionOf(setting, statements);
    // Set to None or to a computed value: that is for the app to know, not for a guess.
    if (definition !== null) return stringValue(definition.expression);
    for (const star of starImports(statements).toReversed()) {
      const value = search(absoluteModule(star, name, source.isPackage), depth + 1);
      if (value !== null) return value;
    }
    return null;
  };
  return search(module, 0);
}

function readModule(
  directory: string,
  module: string,
): { text: string; isPackage: boolean } | null {
  const path = join(directory, ...module.split("."));
  const text = read(`${path}.py`);
  if (text !== null) return { text, isPackage: false };
  const init = read(join(path, "__init__.py"));
  return init === null ? null : { text: init, isPackage: true };
}

/** `.base` in `site.settings.dev` is `site.settings.base`. */
function absoluteModule(target: string, from: string, fromIsPackage: boolean): string {
  const dots = /^\.*/.exec(target)?.[0].length ?? 0;
  if (dots === 0) return target;
  const parts = from.split(".");
  const base = parts.slice(0, parts.length - dots + (fromIsPackage ? 1 : 0));
  return [...base, target.slice(dots)].filter((part) => part !== "").join(".");
}

function fromFiles({ directory }: DetectInput, looked: string[]): Found | null {
  for (const [file, module] of FILES) {
    const source = read(join(directory, file));
    looked.push(source === null ? file : `${file} (has no ${ATTRIBUTES.join(", ")})`);
    if (source === null) continue;
    const statements = topLevelStatements(source);
    for (const attribute of ATTRIBUTES) {
      const definition = definitionOf(attribute, statements);
      if (definition === null || NO_WEB_APP.test(definition.expression)) continue;
      if (attribute !== "create_app")
        return { app: `${module}:${attribute}`, why: `${file}: ${attribute}` };
      // An imported create_app is called on trust; one that wants arguments is no use here.
      if (definition.kind === "function" && !definition.callable) continue;
      return { app: `${module}:create_app()`, why: `${file}: create_app()` };
    }
  }
  return null;
}

function read(path: string): string | null {
  try {
    const text = readFileSync(path, "utf8");
    return text.length > SOURCE_CHARS_MAX ? null : text;
  } catch {
    return null;
  }
}
