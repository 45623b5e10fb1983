import { expect, test } from "bun:test";

test.if(process.platform === "linux")(
  "inherited children are reaped, own ones are not",
  async () => {
    const host = new URL("./reaper-host.ts", import.meta.url).pathname;
    const child = Bun.spawn([process.execPath, host], { stdout: "pipe" });
    const seen: unknown = JSON.parse(await new Response(child.stdout).text());
    expect(seen).toEqual({ before: true, after: false, own: 7 });
    expect(await child.exited).toBe(0);
  },
);
