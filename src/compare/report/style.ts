/** The page's style sheet: one column on a phone, light and dark by the reader's choice, everything open on paper. */
import { DARK, DASHES, LIGHT, properties } from "./palette.ts";

const LAYOUT = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:72rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
header+main>section:first-child{margin-top:1rem}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.3rem;line-height:1.25;margin:0}
h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{margin:.35rem 0}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,input:focus-visible,[tabindex]:focus-visible{
outline:3px solid var(--link);outline-offset:2px}
small,.faint{color:var(--faint);font-size:.85rem;font-weight:400}
code,pre{font:.82rem/1.45 ui-monospace,"SF Mono",Menlo,Consolas,monospace}
pre{white-space:pre-wrap;margin:.2rem 0 .8rem;padding:.5rem .7rem;border:1px solid var(--rule);
border-radius:6px;background:var(--paper)}
section{margin:2.5rem 0 0;padding-top:1.25rem;border-top:2px solid var(--rule)}
.banner{border:2px solid var(--warn);color:var(--warn);border-radius:8px;padding:.5rem .8rem;
margin:1rem 0;font-weight:600}
.verdict{font-size:1.15rem;font-weight:600;margin:.5rem 0}
.chip{display:inline-block;border:1.5px solid currentColor;border-radius:1rem;padding:0 .6rem;
font-size:.8rem;font-weight:600;white-space:nowrap;color:var(--faint)}
.chip.clear{color:var(--best)}
.chip.none{color:var(--bad)}
`;

const CARDS = `
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));
gap:1rem;padding:0;margin:1rem 0;list-style:none}
.cards>li{background:var(--card);border:1px solid var(--rule);border-radius:10px;
padding:.8rem 1rem;break-inside:avoid}
.cards h3{margin:0;font-size:.9rem;font-weight:600}
.cards .who{font-size:1.3rem;font-weight:700;line-height:1.2;margin:.15rem 0}
.cards .much{margin:.1rem 0 .4rem}
.cards .rows{grid-template-columns:fit-content(8rem) 1fr auto}
.cards .value{text-align:right}
.cards .dot{display:none}
.cards .rank{display:none}
.cards .name,.cards .value{font-size:.85rem}
.cards .value small{display:none}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,14rem),1fr));
gap:.3rem 1.5rem;margin:.5rem 0}
.facts dt{color:var(--faint);font-size:.85rem}
.facts dd{margin:0 0 .3rem}
`;

const CHARTS = `
figure{margin:1.25rem 0;break-inside:avoid}
.chart{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:.8rem 1rem}
figcaption{font-weight:600;margin-bottom:.5rem}
figcaption::first-letter{text-transform:uppercase}
figcaption small{display:block}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));
gap:1.25rem;margin:1.25rem 0}
.pair>figure{margin:0}
.rows{list-style:none;margin:0;padding:0;display:grid;
grid-template-columns:minmax(1.8rem,max-content) fit-content(14rem) 1fr auto;gap:0 .6rem}
.row{display:grid;grid-column:1/-1;grid-template-columns:subgrid;align-items:center}
.row .rank{color:var(--faint);text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.row .name{line-height:1.2}
.row .value{font-variant-numeric:tabular-nums;line-height:1.2}
.cost .rows{grid-template-columns:fit-content(9rem) 1fr auto}
.cost .value{text-align:right}
.cost .rank{display:none}
.cost .name,.cost .value{font-size:.85rem}
svg{display:block}
.bars{overflow:hidden}
.shared{position:absolute}
.mark.best{fill:var(--best)}.mark.bar{fill:var(--bar)}.mark.baseline{fill:var(--baseline)}
.mark.ceiling,.mark.unranked{fill:none;stroke:var(--faint);stroke-width:1.5;stroke-dasharray:4 3}
.mark.ceiling{fill:var(--baseline);fill-opacity:.35;stroke-dasharray:none}
.inner{fill:var(--whisker);fill-opacity:.38}
.halo{stroke:var(--card);stroke-width:4}.halo.cap{stroke-width:3.5}
.whisker{stroke:var(--whisker);stroke-width:1.5}
.dot{fill:var(--card);stroke:var(--whisker);stroke-width:1.2}
.torn{fill:none;stroke:var(--card);stroke-width:5}
.frame{display:grid;grid-template-columns:4rem 1fr;grid-template-rows:20rem 1.5rem auto}
.frame .y,.frame .x{position:relative;font-size:.8rem;color:var(--faint);
font-variant-numeric:tabular-nums}
.frame .y span{position:absolute;right:.5rem;transform:translateY(50%);white-space:nowrap;
line-height:1}
.frame .x{grid-column:2}
.frame .x span{position:absolute;top:.3rem;transform:translateX(-50%);white-space:nowrap;
line-height:1}
.frame .axis{grid-column:2;text-align:center;font-size:.8rem;color:var(--faint)}
.area{width:100%;height:100%;overflow:visible}
.rules{fill:none;stroke:var(--rule);stroke-width:1}
.curve{fill:none;stroke-width:2.2;stroke-linejoin:round}
.point{fill:none;stroke-width:6;stroke-linecap:round}
.point.knee{stroke-width:15}
.point.hole{stroke:var(--card);stroke-width:9}
.area path,.small path{vector-effect:non-scaling-stroke}
.legend{border:0;margin:.8rem 0 0;padding:0;display:grid;
grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.15rem 1rem;min-width:0}
.legend legend{padding:0;font-size:.8rem;color:var(--faint)}
.legend label{display:flex;align-items:center;gap:.45rem;line-height:1.25;min-height:1.75rem}
.legend input{width:1.1rem;height:1.1rem;flex:none;margin:0;accent-color:var(--link)}
.legend .swatch{flex:none}
.times{list-style:none;margin:0;padding:0;display:grid;
grid-template-columns:repeat(auto-fill,minmax(min(100%,8.5rem),1fr));gap:.8rem 1rem}
@media(min-width:641px){.times{grid-template-columns:repeat(auto-fill,minmax(13rem,1fr))}}
.times li>span{font-size:.9rem;line-height:1.2;display:block}
.small{width:100%;height:4.5rem;border-bottom:1px solid var(--rule);
border-left:1px solid var(--rule);margin-top:.2rem}
.band{fill-opacity:.22}
`;

const TABLES = `
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;
min-width:100%;overflow-wrap:normal}
th,td{padding:.3rem .55rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th[scope=row],th:first-child{text-align:left}
tr.first th,tr.first td{font-weight:700}
th{font-weight:600}
abbr{text-decoration:none}
details{margin:.8rem 0}
summary{cursor:pointer;font-weight:600;padding:.3rem 0}
.remarks{padding-left:1.2rem;margin:.5rem 0}
.remarks li{margin:.25rem 0}
.remarks .bad{color:var(--bad);font-weight:600}
.remarks .warn{color:var(--warn);font-weight:600}
footer{padding-top:1.5rem;padding-bottom:2.5rem}
@media(max-width:640px){
.rows{grid-template-columns:1.8rem 1fr auto}
.row{padding:.2rem 0}
.row .bars{grid-column:1/-1;grid-row:2}
.row .value{text-align:right}
.row .much{display:none}
.cost .rows,.cards .rows{grid-template-columns:1fr auto}
.frame{grid-template-columns:3.6rem 1fr;grid-template-rows:15rem 1.5rem auto}
.crowded{display:none}
.chart{padding:.7rem .75rem}
}
`;

/** Paper is light, shows what is folded, and keeps the colours of the bars. */
const PRINT = `
@media print{
:root{color-scheme:light;${properties({ ...LIGHT, paper: "#ffffff" })}}
body{font-size:10pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
main,header,footer{max-width:none;padding:0}
section{break-before:auto}
h2,h3,.verdict,figcaption,summary{break-after:avoid}
details::details-content{content-visibility:visible;display:block;height:auto;block-size:auto}
.legend label:has(input:not(:checked)){display:none}
.legend input{display:none}
.scroll{overflow:visible}
table{font-size:6pt;min-width:0}
th,td{padding:.15rem .18rem;white-space:normal}
th small{font-size:1em}
.frame{grid-template-rows:14rem 1.5rem auto}
a{color:inherit;text-decoration:none}
}
`;

function curves(series: number): string {
  const colours = LIGHT.series.map(
    (_, i) => `.c${i}{stroke:var(--c${i})}.band.c${i}{fill:var(--c${i});stroke:none}`,
  );
  const dashes = DASHES.map((dash, i) => `.curve.d${i}{stroke-dasharray:${dash}}`);
  const switches = Array.from(
    { length: series },
    (_, i) => `.plot:has(.t${i}:not(:checked)) .s${i}{display:none}`,
  );
  return [...colours, ...dashes, ...switches].join("\n");
}

/** `series`: how many servers the report names. */
export function styleSheet(series: number): string {
  return [
    `:root{color-scheme:light dark;${properties(LIGHT)}}`,
    `@media(prefers-color-scheme:dark){:root{${properties(DARK)}}}`,
    ...[LAYOUT, CARDS, CHARTS, curves(series), TABLES, PRINT],
  ]
    .join("\n")
    .replaceAll(/\n+/g, "\n");
}
