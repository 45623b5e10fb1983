/** Django's admin in a real browser: logging in, adding an object with a file, finding it, and the static files. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Browser } from "playwright-core";
import { payload, serveExample, sha256 } from "../interop/support.ts";
import { examplesPython, repository } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";
import { launch, missing, titled, visit, type Visit } from "./support.ts";

const PASSWORD = "correct horse battery staple";
const UPLOAD_BYTES = 3_000_000;

async function logIn({ page }: Visit, url: string): Promise<void> {
  await page.goto(`${url}/admin/`);
  await page.fill("#id_username", "admin");
  await page.fill("#id_password", PASSWORD);
  await page.click("input[type=submit]");
  await page.waitForSelector("text=Site administration");
}

describe.skipIf(missing !== null).each(["wsgi", "asgi"])(titled("Django's admin as %s"), (kind) => {
  let browser: Browser;
  let server: TestServer;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(`${tmpdir()}/keelback-browser-`);
    const env = {
      DJANGO_DATABASE: `${directory}/db.sqlite3`,
      DJANGO_STATIC_ROOT: `${directory}/static`,
      DJANGO_MEDIA_ROOT: `${directory}/uploads`,
      DJANGO_ADMIN_PASSWORD: PASSWORD,
      DJANGO_SECRET_KEY: "only-for-this-test",
    };
    const prepared = Bun.spawnSync([examplesPython() ?? "python3", "manage.py", "prepare"], {
      cwd: `${repository}/examples/django_site`,
      env: { ...process.env, ...env },
    });
    expect(prepared.stderr.toString()).toBe("");
    const app = `site_config.${kind}:application`;
    server = await serveExample("django_site", { app, args: ["--workers", "2"], env });
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    expect(await server.stop()).toBe(0);
    rmSync(directory, { recursive: true, force: true });
  });

  test("static files arrive and nothing fails", async () => {
    await using visitor = await visit(browser);
    await logIn(visitor, server.url);
    const { page, answers, troubles } = visitor;
    const styles = [...answers].filter(([path]) => path.endsWith(".css"));
    expect(styles.length).toBeGreaterThanOrEqual(4);
    expect(styles.filter(([, status]) => status !== 200)).toEqual([]);
    const header = `getComputedStyle(document.querySelector("#header"))`;
    const colour = await page.evaluate<string>(`${header}.backgroundColor`);
    expect(colour).not.toBe("rgba(0, 0, 0, 0)");
    expect(troubles).toEqual([]);
  });

  test("an object with an uploaded file is added, found and downloaded", async () => {
    await using visitor = await visit(browser);
    await logIn(visitor, server.url);
    const { page, troubles } = visitor;
    const file = payload(UPLOAD_BYTES);
    await page.goto(`${server.url}/admin/guestbook/entry/add/`);
    await page.fill("#id_name", "Grace");
    await page.fill("#id_message", "šla lodička – ⛵");
    const buffer = Buffer.from(file.bytes);
    const upload = { name: "cargo.bin", mimeType: "application/octet-stream", buffer };
    await page.setInputFiles("#id_attachment", upload);
    await page.click("input[name=_save]");
    await page.waitForSelector("text=was added successfully");
    await page.fill("#searchbar", "lodička");
    await page.press("#searchbar", "Enter");
    await page.waitForSelector("text=1 entry");
    await page.click("#result_list tbody th a");
    expect(await page.inputValue("#id_message")).toBe("šla lodička – ⛵");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.click(".file-upload a"),
    ]);
    expect(sha256(await Bun.file(await download.path()).bytes())).toBe(file.sha256);
    expect(troubles).toEqual([]);
  });

  test("the public page: a form is sent and shown", async () => {
    await using visitor = await visit(browser);
    const { page, troubles } = visitor;
    await page.goto(server.url);
    await page.fill("#id_name", "Ada");
    await page.fill("#id_message", "from a browser");
    await page.click("form button");
    await page.waitForSelector("text=from a browser");
    expect(troubles).toEqual([]);
  });
});
