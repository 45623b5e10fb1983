/** Finding the app when none is named, on directories as people have them. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { detectApp } from "../../../src/cli/detect.ts";

const made: string[] = [];
afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
});

function project(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "keelback-detect-"));
  made.push(directory);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  return directory;
}

function detect(
  files: Readonly<Record<string, string>>,
  env: Record<string, string> = {},
): unknown {
  const found = detectApp({ directory: project(files), env });
  return "problem" in found ? found.problem.text : [found.app, found.why];
}

/** The app alone. */
function appOf(...args: Parameters<typeof detect>): unknown {
  const found = detect(...args);
  return Array.isArray(found) ? found[0] : found;
}

const MANAGE = `#!/usr/bin/env python
import os, sys
def main():
    # os.environ.setdefault("DJANGO_SETTINGS_MODULE", "old.settings")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
`;

describe("Django", () => {
  test("ASGI_APPLICATION when it is set, else WSGI_APPLICATION", () => {
    const wsgi = 'WSGI_APPLICATION = "shop.wsgi.application"\n';
    expect(detect({ "manage.py": MANAGE, "shop/settings.py": wsgi, "main.py": "app = 1" })).toEqual(
      ["shop.wsgi:application", "manage.py: Django, WSGI_APPLICATION of shop.settings"],
    );
    const both = `${wsgi}ASGI_APPLICATION = 'shop.asgi.application'\n`;
    expect(detect({ "manage.py": MANAGE, "shop/settings.py": both })).toEqual([
      "shop.asgi:application",
      "manage.py: Django, ASGI_APPLICATION of shop.settings",
    ]);
    const off = `${wsgi}# ASGI_APPLICATION = "shop.asgi.application"\n`;
    expect(appOf({ "manage.py": MANAGE, "shop/settings.py": off })).toBe("shop.wsgi:application");
  });

  test("settings in a package, taken from a base, chosen by the environment", () => {
    const files = {
      "manage.py": MANAGE,
      "shop/settings/__init__.py": "from .base import *  # noqa\n",
      "shop/settings/base.py": 'WSGI_APPLICATION = "shop.wsgi.application"\n',
      "shop/settings/live.py":
        'from shop.settings.base import *\nASGI_APPLICATION = "shop.live.asgi"\n',
      "shop/settings/loop.py": "from .loop import *\nfrom . import base\nfrom .base import *\n",
    };
    expect(appOf(files)).toBe("shop.wsgi:application");
    expect(appOf(files, { DJANGO_SETTINGS_MODULE: "shop.settings.live" })).toBe("shop.live:asgi");
    expect(appOf(files, { DJANGO_SETTINGS_MODULE: "shop.settings.loop" })).toBe(
      "shop.wsgi:application",
    );
  });

  test("without either setting the project's wsgi.py", () => {
    expect(
      detect({
        "manage.py": MANAGE,
        "shop/settings.py": "WSGI_APPLICATION = None\n",
        "shop/wsgi.py": "application = get_wsgi_application()\n",
      }),
    ).toEqual(["shop.wsgi:application", "manage.py: Django, shop/wsgi.py"]);
  });
});

describe("usual files", () => {
  const MAIN: readonly (readonly [string, string])[] = [
    ["app = FastAPI()", "main:app"],
    ["app: FastAPI = FastAPI(\n  title='x',\n)", "main:app"],
    ["application = app = Flask(__name__)", "main:app"],
    ["application = Flask(__name__)", "main:application"],
    ["from shop import app", "main:app"],
    ["from shop import (\n  db,\n  server as application,\n)", "main:application"],
    ["import shop as app", "main:app"],
    ["def application(environ, start_response):\n  pass", "main:application"],
    ["async def app(scope, receive, send):\n  pass", "main:app"],
    [
      "def create_app(config=None, *, debug=(1, 2), **rest):\n  app = Flask()\n  return app",
      "main:create_app()",
    ],
    ["from shop import create_app", "main:create_app()"],
    ["x = 1; app = Starlette()", "main:app"],
    ["\uFEFFapp = 1", "main:app"],
    ["app = Typer()\napplication = Flask()", "main:application"],
    ["class app:\n  pass", "main:app"],
  ];

  test.each(MAIN)("%p", (source, app) => {
    expect(appOf({ "main.py": source })).toBe(app);
  });

  const NOTHING: readonly string[] = [
    "if True:\n  app = 1",
    '"""\napp = FastAPI()\n"""',
    "x = '''\napp = 1'''\n",
    "# app = 1",
    "print(\n'x',\napp = 1)",
    "app == 1",
    "app += 1",
    "app.x = 1",
    "app[0] = 1",
    "my_app = 1",
    "app: int",
    "print(app=1)",
    "from shop import app as other",
    "def create_app(config):\n  pass",
    "app = typer.Typer()",
    "app = Celery('x')",
    "s = 'it\\'s'\nx = \\\napp = 2".replace("app = 2", "3"),
    "",
  ];

  test.each(NOTHING)("nothing in %p", (source) => {
    expect(detect({ "main.py": source })).toContain(
      "main.py (has no app, application, create_app)",
    );
  });

  test("in the order main, app, wsgi, asgi, the package app", () => {
    const source = "app = 1";
    const files: Record<string, string> = {
      "app/main.py": source,
      "app/__init__.py": source,
      "asgi.py": source,
      "wsgi.py": source,
      "app.py": source,
      "main.py": source,
    };
    const found: unknown[] = [];
    for (const path of Object.keys(files).toReversed()) {
      found.push((detect(files) as string[])[0]);
      delete files[path];
    }
    expect(found).toEqual([
      "main:app",
      "app:app",
      "wsgi:app",
      "asgi:app",
      "app:app",
      "app.main:app",
    ]);
  });

  test("pyproject.toml's app comes first", () => {
    const files = { "pyproject.toml": '[tool.keelback]\napp = "shop:web"', "main.py": "app = 1" };
    expect(detect(files)).toEqual(["shop:web", "pyproject.toml: [tool.keelback] app"]);
  });

  test("nothing at all: what was looked for, and the remedy", () => {
    const text = detect({});
    expect(text).toStartWith("app: no APP is given, and none was found in ");
    for (const name of [
      "manage.py",
      "main.py",
      "app.py",
      "wsgi.py",
      "asgi.py",
      "keelback module:attribute",
    ]) {
      expect(text).toContain(name);
    }
  });
});
