/** How long things take: distributions as they are written on the command line, and as they were measured. Milliseconds. */
import { exponential, normal, type Random } from "./random.ts";

export interface Distribution {
  readonly mean: number;
  /** As it is written. */
  readonly text: string;
  sample(random: Random): number;
}

const UNITS: Readonly<Record<string, number>> = { us: 0.001, µs: 0.001, ms: 1, s: 1000 };
/** Of the standard normal distribution, 99 %. */
const NORMAL_P99 = 2.3263478740408408;
const FORMS = "5ms, exp:MEAN, uniform:FROM:TO or lognormal:P50:P99, each with a unit (us, ms, s)";

/** Milliseconds, or null. */
export function parseTime(text: string): number | null {
  const [, digits, unit = "ms"] = /^(\d+(?:\.\d+)?|\.\d+)(us|µs|ms|s)$/.exec(text) ?? [];
  if (digits === undefined) return text === "0" ? 0 : null;
  return Number(digits) * UNITS[unit]!;
}

export function fixed(ms: number): Distribution {
  return { mean: ms, text: timeText(ms), sample: () => ms };
}

/** One of these values, all as likely. */
export function measured(values: readonly number[], text: string): Distribution {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  return {
    mean,
    text,
    sample: (random) => values[Math.floor(random() * values.length)] ?? 0,
  };
}

/** Returns what is wrong as the rest of a sentence. */
export function parseDistribution(text: string): Distribution | string {
  const [form = "", ...rest] = text.split(":");
  const alone = rest.length === 0 ? parseTime(form) : null;
  if (alone !== null) return fixed(alone);
  const times = rest.map(parseTime);
  const [a = null, b = null] = times;
  const wrong = `is no time; write ${FORMS}`;
  if (times.includes(null)) return wrong;
  if (form === "exp" && times.length === 1 && a !== null)
    return { mean: a, text, sample: (random) => a * exponential(random) };
  if (times.length !== 2 || a === null || b === null) return wrong;
  if (b < a) return `has its second time below its first; write ${FORMS}`;
  if (form === "uniform")
    return { mean: (a + b) / 2, text, sample: (random) => a + (b - a) * random() };
  if (form !== "lognormal") return wrong;
  if (a === 0) return "has a median of 0; a lognormal one is above that";
  const sigma = Math.log(b / a) / NORMAL_P99;
  return {
    mean: a * Math.exp((sigma * sigma) / 2),
    text,
    sample: (random) => a * Math.exp(sigma * normal(random)),
  };
}

export function timeText(ms: number): string {
  if (ms >= 1000) return `${Number((ms / 1000).toPrecision(3))}s`;
  return ms < 1 && ms > 0
    ? `${Number((ms * 1000).toPrecision(3))}us`
    : `${Number(ms.toPrecision(3))}ms`;
}
