/**
 * Bars: one a row, from zero, with a whisker from the least to the most round and a dot for each round. The names and figures are text
 * of the page, which any width and any reader can have; the SVG between them only draws them.
 */
import { spread } from "../statistics.ts";
import type { Row, ScenarioResult } from "../types.ts";
import { figureOf, rankedFigure } from "./figures.ts";
import type { Figure, FigureKey } from "./figures.ts";
import { coordinate, html, NOTHING } from "./html.ts";
import type { Content, Markup } from "./html.ts";
import { share, times, tolerance } from "./numbers.ts";
import type { Place, Ranking } from "./ranking.ts";
import { nameText, rankText } from "./names.ts";

const BAR = { height: 22, top: 4, thick: 14 };
/** A ceiling that would make everything else look small is cut, visibly. */
const CEILING_SHOWN_MAX = 1.6;
/** Dots of more rounds than that are a smear. */
const DOTS_MAX = 12;
/** Dots nearer than that share of the axis are a smear too. */
const DOTTED_FROM = 0.04;

function percent(value: number, most: number): string {
  return `${coordinate(Math.min(100, (value / most) * 100))}%`;
}

interface Bar {
  readonly value: number;
  readonly samples: readonly number[];
  readonly most: number;
  /** `best`, `bar`, `baseline`, `ceiling` or `unranked`. */
  readonly look: string;
  /** Drawn inside the bar: idle memory in loaded memory. */
  readonly inner?: number;
}

/** Drawn once, used by every bar: across the whole width of its use, twice, so that a lighter edge keeps it visible on a dark bar. */
export function whiskerSymbol(): Markup {
  const middle = BAR.top + BAR.thick / 2;
  const line = (kind: string, x1: string, x2: string, half: number): Markup =>
    html`<line
      class="${kind}"
      x1="${x1}"
      x2="${x2}"
      y1="${middle - half}"
      y2="${middle + half}"
    />`;
  const lines = ["halo", "whisker"].map((kind) => [
    line(kind, "0", "100%", 0),
    line(`${kind} cap`, "0", "0", 4),
    line(`${kind} cap`, "100%", "100%", 4),
  ]);
  return html`<svg class="shared" width="0" height="0" aria-hidden="true">
    <symbol id="whisker" overflow="visible">${lines}</symbol>
  </svg>`;
}

/** From the least to the most round, with a dot for each where they do not touch. */
function noiseSvg(samples: readonly number[], most: number): Markup {
  if (samples.length < 2) return NOTHING;
  const middle = BAR.top + BAR.thick / 2;
  const { least, most: highest } = spread(samples);
  const [x, width] = [percent(least, most), percent(highest - least, most)];
  const whisker = html`<use href="#whisker" x="${x}" width="${width}" height="${BAR.height}" />`;
  const wide = highest - least > most * DOTTED_FROM && samples.length <= DOTS_MAX;
  const dot = (each: number): Markup =>
    html`<circle class="dot" cx="${percent(each, most)}" cy="${middle}" r="2" />`;
  return html`${whisker}${wide ? samples.map(dot) : NOTHING}`;
}

function barSvg({ value, samples, most, look, inner }: Bar): Markup {
  const { height, top, thick } = BAR;
  const cutOff = value > most;
  const torn = html`<path class="torn" d="M0 0l-4 5.5 4 5.5-4 5.5 4 5.5" />`;
  return html`<svg
    class="bars"
    width="100%"
    height="${height}"
    aria-hidden="true"
    focusable="false"
  >
    <rect
      class="mark ${look}"
      y="${top}"
      width="${percent(value, most)}"
      height="${thick}"
      rx="2"
    />
    ${inner === undefined ? NOTHING : html`<rect class="inner" y="${top}" width="${percent(inner, most)}" height="${thick}" rx="2" />`}
    ${cutOff ? html`<svg x="85%" overflow="visible">${torn}</svg>` : noiseSvg(samples, most)}
  </svg>`;
}

function lookOf({ row, rank, unranked, unsure }: Place): string {
  if (unranked !== undefined) return "unranked";
  if (rank === 1) return "best";
  return row.kind === "server" || rank !== undefined || unsure === true ? "bar" : row.kind;
}

function barRow(place: Place, bar: Bar, value: Content): Markup {
  return html`<li class="row">
    <span class="rank">${rankText(place)}</span><span class="name">${nameText(place)}</span>
    ${barSvg(bar)}
    <span class="value">${value}</span>
  </li>`;
}

/** Figures of the ranked column, best first: the picture that says who won. Rows without figures say why. */
export function rankedBars(scenario: ScenarioResult, ranking: Ranking): Markup {
  const figure = rankedFigure(scenario);
  const drawn = ranking.places.filter((place) => place.figure >= 0);
  if (drawn.length === 0) return NOTHING;
  const most = largest(drawn);
  const rows = drawn.map((place) => {
    const { figure: value, samples } = place;
    const noise = samples.length > 1 ? tolerance(spread(samples).relative) : "";
    const far = behind(place, ranking.front, figure);
    const both = noise !== "" && far !== "" ? ", " : "";
    const text = html`<b>${figure.format(value)}</b>
      <small>${noise}<span class="much">${both}${far}</span></small>`;
    return barRow(place, { value, samples, most, look: lookOf(place) }, text);
  });
  const unit = figure.unit === "ms" ? ", in ms" : "";
  const way = figure.better === "more" ? "longer" : "shorter";
  return html`<figure class="chart">
    <figcaption>
      ${figure.label[0]?.toUpperCase()}${figure.label.slice(1)}${unit}
      <small>${way} is better; whisker and dots: each round</small>
    </figcaption>
    <ol class="rows">
      ${rows}
    </ol>
  </figure>`;
}

const MINI_ROWS = 4;

/** The first few that compete, for a glance. */
export function miniBars(scenario: ScenarioResult, ranking: Ranking): Markup {
  const { format } = rankedFigure(scenario);
  const drawn = ranking.places
    .filter(({ rank, unsure }) => rank !== undefined || unsure === true)
    .slice(0, MINI_ROWS);
  const most = largest(drawn);
  const rows = drawn.map((place) => {
    const { figure: value, samples } = place;
    return barRow(place, { value, samples, most, look: lookOf(place) }, format(value));
  });
  return rows.length === 0
    ? NOTHING
    : html`<ol class="rows">
        ${rows}
      </ol>`;
}

/** The end of the axis: the highest round of all but a ceiling far above it. */
function largest(drawn: readonly Place[]): number {
  const ends = (places: readonly Place[]): number =>
    Math.max(0, ...places.flatMap(({ samples }) => samples));
  const others = ends(drawn.filter(({ row }) => row.kind !== "ceiling"));
  const all = ends(drawn);
  if (others > 0 && all > others * CEILING_SHOWN_MAX) return others * 1.02;
  return all * 1.02 || 1;
}

/** How far a row is from the first: `77% of the best`. A cut bar says so. */
function behind(place: Place, front: Place | undefined, { better }: Figure): string {
  if (front === undefined || place === front) return "";
  const ratio = place.figure / front.figure;
  if (place.row.kind === "ceiling") return `${times(ratio)} the best`;
  if (place.rank === undefined && place.unsure !== true) return "";
  if (place.rank === 1 && front.rank === 1) return "level";
  return better === "more" ? `${share(ratio)} of the best` : `${times(ratio)} the best`;
}

/** Bars of another figure of the rows that have it, in the order of the ranking. */
export function costBars(
  scenario: ScenarioResult,
  { places }: Ranking,
  key: FigureKey,
  inner?: FigureKey,
): Markup {
  const figure = figureOf(key);
  const inside = inner === undefined ? undefined : figureOf(inner);
  const rows = places
    .map((place) => ({ place, value: figure.shown(place.row, scenario) }))
    .filter(({ value }) => Number.isFinite(value));
  if (rows.length === 0) return NOTHING;
  const all = rows.flatMap(({ place: { row }, value }) => [value, ...figure.samples(row)]);
  const most = Math.max(...all) * 1.02 || 1;
  const within = (row: Row): number | undefined => {
    const value = inside?.shown(row, scenario);
    return value !== undefined && Number.isFinite(value) ? value : undefined;
  };
  const items = rows.map(({ place, value }) => {
    const idle = within(place.row);
    const look = place.row.kind === "server" ? "bar" : place.row.kind;
    const text =
      idle === undefined
        ? html`<b>${figure.format(value)}</b>`
        : html`<small>${inside?.format(idle)} to</small> <b>${figure.format(value)}</b>`;
    const bar = { value, samples: figure.samples(place.row), most, look };
    return barRow(
      { ...place, tied: false },
      idle === undefined ? bar : { ...bar, inner: idle },
      text,
    );
  });
  const caption = inside === undefined ? figure.label : "memory, idle (dark) to loaded";
  return html`<figure class="chart cost">
    <figcaption>${caption}, ${figure.unit} <small>shorter is better</small></figcaption>
    <ol class="rows">
      ${items}
    </ol>
  </figure>`;
}
