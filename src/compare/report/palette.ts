/**
 * Colours of the page, light and dark. The six of the curves are told apart with every kind of colour blindness (after Okabe and Ito) and
 * come with four kinds of dashes. Bars have the colour of their kind, the best of a scenario the strong one, whoever that is.
 */

export interface Theme {
  readonly paper: string;
  readonly card: string;
  readonly ink: string;
  readonly faint: string;
  readonly rule: string;
  /** Bars of rank 1, whoever it is. */
  readonly best: string;
  readonly bar: string;
  readonly baseline: string;
  /** Whiskers and dots, over bars and paper. */
  readonly whisker: string;
  readonly warn: string;
  readonly bad: string;
  readonly link: string;
  readonly series: readonly string[];
}

export const LIGHT: Theme = {
  paper: "#fbfaf8",
  card: "#ffffff",
  ink: "#1d2125",
  faint: "#59626b",
  rule: "#dcdfe3",
  best: "#00507d",
  bar: "#6393b2",
  baseline: "#8a9198",
  whisker: "#14181c",
  warn: "#8a5a00",
  bad: "#b3261e",
  link: "#0a5c8a",
  series: ["#0072b2", "#c44f00", "#008060", "#a54a86", "#8a6a00", "#3d4248"],
};

export const DARK: Theme = {
  paper: "#14171a",
  card: "#1b1f23",
  ink: "#e8eaed",
  faint: "#a2abb4",
  rule: "#363d44",
  best: "#62c0f5",
  bar: "#4a7d9e",
  baseline: "#7a828a",
  whisker: "#f4f6f8",
  warn: "#f0b64a",
  bad: "#ff8a80",
  link: "#7cc7f2",
  series: ["#56b4e9", "#f0883e", "#2fc495", "#e08bc0", "#e6d84a", "#c8cdd2"],
};

/** Lengths of dashes and gaps; the first is a whole line. */
export const DASHES: readonly string[] = ["none", "7 4", "2 3", "9 3 2 3"];

/** CSS custom properties of a theme. */
export function properties(theme: Theme): string {
  const { series, ...rest } = theme;
  return [
    ...Object.entries(rest).map(([name, value]) => `--${name}:${value}`),
    ...series.map((value, i) => `--c${i}:${value}`),
  ].join(";");
}

/**
 * Which curve each name has. Those that are often `shown` come first, and so have a colour of their own and whole lines; among equals the
 * alphabet decides. All six colours stand out alike: no server is favoured by one.
 */
export function seriesOf(
  names: Iterable<string>,
  shown: Iterable<string>,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of shown) counts.set(name, (counts.get(name) ?? 0) + 1);
  const often = (name: string): number => counts.get(name) ?? 0;
  const sorted = [...new Set(names)].sort((a, b) => often(b) - often(a) || (a < b ? -1 : 1));
  return new Map(sorted.map((name, i) => [name, i]));
}

/** Classes of a curve: its colour and dashes. */
export function look(series: number): string {
  return `c${series % LIGHT.series.length} d${Math.floor(series / LIGHT.series.length) % DASHES.length}`;
}
