/**
 * A plot of curves: the SVG is stretched to whatever room there is, its lines keep their width, and the text around it is the page's own,
 * as large on a phone as on paper. Each curve has a switch in the legend, which works by CSS alone.
 */
import { coordinate, html, NOTHING } from "./html.ts";
import type { Content, Markup } from "./html.ts";
import { look } from "./palette.ts";
import type { Scale } from "./scale.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Curve {
  readonly name: string;
  readonly series: number;
  readonly points: readonly Point[];
  /** Points worth a dot of their own; `knee` has a ring. */
  readonly dots?: readonly (Point & { readonly knee?: boolean })[];
  /** Beside the name in the legend. */
  readonly note: string;
  readonly shown: boolean;
}

export interface Axis {
  readonly scale: Scale;
  readonly label: string;
  readonly format: (tick: number) => string;
}

export interface Plot {
  readonly caption: Content;
  /** The picture in words. */
  readonly alternative: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly curves: readonly Curve[];
}

/** The drawing is 1000 by 1000, y downwards. */
function place(plot: Plot, { x, y }: Point): string {
  const tenth = (value: number): string => `${Number(value.toFixed(1))}`;
  return `${tenth(plot.x.scale.at(x) * 10)} ${tenth(1000 - plot.y.scale.at(y) * 10)}`;
}

/** A straight run needs its ends only. */
function pathOf(plot: Plot, points: readonly Point[]): string {
  const places = points.map((point) => place(plot, point));
  const kept = places.filter((at, i) => i === 0 || i === places.length - 1 || at !== places[i - 1]);
  return kept.length === 0 ? "" : `M${kept.join("L")}`;
}

function curveSvg(plot: Plot, curve: Curve): Markup {
  const { name, note, series, points, dots = [] } = curve;
  const classes = `${look(series)} s${series}`;
  const dot = (each: Point & { knee?: boolean }): Markup => {
    const at = `M${place(plot, each)}h0`;
    const ring = html`<path class="point knee ${classes}" d="${at}" /><path
        class="point hole s${series}"
        d="${at}"
      />`;
    return each.knee === true ? ring : html`<path class="point ${classes}" d="${at}" />`;
  };
  return html`<g>
    <path class="curve mark ${classes}" d="${pathOf(plot, points)}"
      ><title>${name}: ${note}</title></path
    >
    ${dots.map(dot)}
  </g>`;
}

function rules({ x, y }: Plot): Markup {
  const upright = x.scale.ticks.map((tick) => `M${coordinate(x.scale.at(tick) * 10)} 0V1000`);
  const level = y.scale.ticks.map((tick) => `M0 ${coordinate(1000 - y.scale.at(tick) * 10)}H1000`);
  return html`<path class="rules" d="${[...upright, ...level].join("")}" />`;
}

/** Labels that would touch their neighbour are left out on narrow screens. */
const CROWDED = 11;

function xLabels({ scale, format }: Axis): Markup[] {
  let last = Number.NEGATIVE_INFINITY;
  return scale.ticks.map((tick) => {
    const at = scale.at(tick);
    const crowded = at - last < CROWDED;
    if (!crowded) last = at;
    return html`<span${crowded ? html` class="crowded"` : NOTHING} style="left:${coordinate(at)}%">${format(tick)}</span>`;
  });
}

function legendItem({ name, note, series, shown }: Curve): Markup {
  return html`<label
    ><input type="checkbox" class="t${series}" ${shown ? html` checked` : NOTHING} />
    <svg class="swatch" width="26" height="10" aria-hidden="true">
      <path class="curve ${look(series)}" d="M1 5H25" />
    </svg>
    <span>${name} <small>${note}</small></span></label
  >`;
}

export function plotFigure(plot: Plot): Markup {
  const { caption, alternative, x, y, curves } = plot;
  const labels = y.scale.ticks.map(
    (tick) => html`<span style="bottom:${coordinate(y.scale.at(tick))}%">${y.format(tick)}</span>`,
  );
  return html`<figure class="chart plot">
    <figcaption>${caption}</figcaption>
    <div class="frame">
      <div class="y" aria-hidden="true">${labels}</div>
      <svg
        class="area"
        viewBox="0 0 1000 1000"
        preserveAspectRatio="none"
        role="img"
        aria-label="${alternative}"
      >
        ${rules(plot)}${curves.map((curve) => curveSvg(plot, curve))}
      </svg>
      <div class="x" aria-hidden="true">${xLabels(x)}</div>
      <div class="axis" aria-hidden="true">${x.label}</div>
    </div>
    <fieldset class="legend">
      <legend>Shown (${y.label})</legend>
      ${curves.map(legendItem)}
    </fieldset>
  </figure>`;
}
