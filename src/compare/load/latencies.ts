/** Latencies of one run: their figures, their histogram, and how they went over time. Pure. */
import { histogramOf, latencyOf, quantile } from "../statistics.ts";
import type { Histogram, Latency, Round } from "../types.ts";

const to4 = (value: number): number => Number(value.toPrecision(4));

export class Latencies {
  readonly #values: number[] = [];
  /** When each was due, in milliseconds from the start of the measurement. */
  readonly #dues: number[] = [];

  add(dueMs: number, latencyMs: number): void {
    this.#dues.push(dueMs);
    this.#values.push(latencyMs);
  }

  figures(): Latency | null {
    if (this.#values.length === 0) return null;
    const { mean, mode, p50, p90, p99, p999, worst } = latencyOf(this.#values);
    return {
      ...{ mean: to4(mean), mode: to4(mode), p50: to4(p50), p90: to4(p90) },
      ...{ p99: to4(p99), p999: to4(p999), worst: to4(worst) },
    };
  }

  /** Without the empty buckets at both ends. */
  histogram(): Histogram {
    const { bounds, counts } = histogramOf(this.#values);
    const first = counts.findIndex((count) => count > 0);
    const last = counts.findLastIndex((count) => count > 0);
    if (first < 0) return { bounds: [], counts: [] };
    return { bounds: bounds.slice(first, last + 2), counts: counts.slice(first, last + 1) };
  }

  /** By slices of a second, of half a one or a quarter when the run is short. */
  timeline(durationMs: number): NonNullable<Round["timeline"]> {
    const sliceMs = durationMs >= 5000 ? 1000 : durationMs >= 2000 ? 500 : 250;
    const slices = Array.from({ length: Math.ceil(durationMs / sliceMs) }, (): number[] => []);
    for (const [index, due] of this.#dues.entries()) {
      slices[Math.floor(due / sliceMs)]?.push(this.#values[index] ?? 0);
    }
    return slices.flatMap((slice, index) => {
      if (slice.length === 0) return [];
      const second = (index * sliceMs) / 1000;
      return [{ second, p50: to4(quantile(slice, 0.5)), p99: to4(quantile(slice, 0.99)) }];
    });
  }
}
