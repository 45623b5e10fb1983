/** One big body in one direction: throughput, and how far the memory rises above idle. */
import { existsSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import type { Pinning } from "../../src/compare/load/order.ts";
import { NO_ERRORS } from "../../src/compare/load/tool.ts";
import type { Measurement } from "../../src/compare/measurement.ts";
import { using } from "../../src/compare/measurement.ts";
import { peakRssKiB, resetPeak } from "../../src/compare/process-tree.ts";
import { less, more } from "./figures.ts";
import { root } from "./paths.ts";

const MIB = 1024 ** 2;

/** What curl prints, on the load's core. */
async function curl(pin: Pinning, options: readonly string[]): Promise<string> {
  const child = Bun.spawn([...pin, "curl", "-sSk", ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return child.stdout.text();
}

/** A file of zeros without blocks on the disk. */
function sparseFile(bytes: number): string {
  const path = `${root}/.cache/bench-${bytes}.zeros`;
  if (existsSync(path)) return path;
  mkdirSync(`${root}/.cache`, { recursive: true });
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

export function transfer(direction: "upload" | "download", bytes: number): Measurement {
  return async (subject) =>
    using(subject, async (server) => {
      const { pin } = subject.lab.load;
      const target = `${server.origin}/download?bytes=${bytes}`;
      const what =
        direction === "upload"
          ? ["-T", sparseFile(bytes), "-H", "Expect:", `${server.origin}/upload`]
          : ["-o", "/dev/null", target];
      await curl(pin, ["-o", "/dev/null", `${server.origin}/download?bytes=${MIB}`]);
      resetPeak(server.tree());
      const idle = peakRssKiB(server.tree());
      const format = `\n%{http_code} %{size_upload} %{size_download} %{time_total}`;
      const http = subject.setup.protocol === "h2" ? "--http2" : "--http1.1";
      const said = (await curl(pin, [http, ...what, "-w", format])).trim().split("\n");
      const [status, up, down, seconds = Number.NaN] = (said.at(-1) ?? "").split(" ").map(Number);
      const moved = direction === "upload" ? up : down;
      const whole = direction === "download" || said[0] === `${bytes}`;
      if (status !== 200 || moved !== bytes || !whole) {
        throw new Error(`${direction} failed: status ${status}, ${moved} of ${bytes} bytes`);
      }
      const figures = {
        speed: more("throughput", "MiB/s", bytes / MIB / seconds),
        growth: less("peak above idle", "MiB", (peakRssKiB(server.tree()) - idle) / 1024),
      };
      const load = `curl ${http}, ${direction} of ${bytes} bytes`;
      return { figures, requests: 1, errors: NO_ERRORS, load };
    });
}
