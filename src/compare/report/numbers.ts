/**
 * Figures as people read them: three digits that mean something, thousands with a comma, the same everywhere in a report.
 */

/** What stands where there is no figure. */
export const NONE = "–";

/** `12,345`, `123`, `12.3`, `1.23`, `0.123`. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 99.95) return Math.round(value).toLocaleString("en-US");
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.9995) return value.toFixed(2);
  if (size >= 0.0005) return value.toFixed(3);
  return value === 0 ? "0" : value.toPrecision(1);
}

/** A whole number from 10 up, else as `digits`: rates, MiB. */
export function rounded(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  return Math.abs(value) >= 10 ? Math.round(value).toLocaleString("en-US") : digits(value);
}

/** A share as percent: `0`, `<0.01%`, `0.12%`, `12%`. */
export function share(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  if (value === 0) return "0";
  const percent = value * 100;
  if (percent < 0.01) return "<0.01%";
  return `${percent >= 10 ? Math.round(percent) : Number(percent.toPrecision(2))}%`;
}

/** The `±` of a figure: whole percents, from half a percent up one. */
export function tolerance(relative: number): string {
  if (!Number.isFinite(relative)) return "";
  return relative < 0.005 ? "±0%" : `±${Math.max(1, Math.round(relative * 100))}%`;
}

/** How many times as much: `1.42×`, `12×`. */
export function times(ratio: number): string {
  if (!Number.isFinite(ratio)) return NONE;
  return `${ratio >= 9.95 ? Math.round(ratio).toLocaleString("en-US") : ratio.toFixed(2)}×`;
}

/** Milliseconds in the unit that suits them. */
export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return NONE;
  if (milliseconds >= 999.5) return `${digits(milliseconds / 1000)} s`;
  return milliseconds < 0.0995 ? `${digits(milliseconds * 1000)} µs` : `${digits(milliseconds)} ms`;
}

/** A tick of an axis: round already. */
export function tickText(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString("en-US");
}

export function tickDuration(milliseconds: number): string {
  if (milliseconds >= 1000) return `${tickText(milliseconds / 1000)} s`;
  return milliseconds < 0.1
    ? `${tickText(milliseconds * 1000)} µs`
    : `${tickText(milliseconds)} ms`;
}

/** Text of others (a server's last words) without what a terminal would obey: one line, no control characters. */
export function plain(text: string): string {
  return Bun.stripANSI(text)
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\p{Cc}|\p{Cf}/gu, "")
    .trim();
}
