/** The report as a page: one file that needs nothing else, light and dark, for a phone and for paper. Pure. */
import { html, Markup, NOTHING } from "../compare/report/html.ts";
import { DARK, LIGHT, properties } from "../compare/report/palette.ts";
import { COLUMNS, flagsOf } from "./text.ts";
import type { AuditReport, Finding, Recommendation, RouteFacts, Spot } from "./types.ts";
import { number, place, plural, time, where } from "./words.ts";

const STYLE = `
:root{color-scheme:light dark;${properties(LIGHT)}}
@media(prefers-color-scheme:dark){:root{${properties(DARK)}}}
@media print{:root{${properties(LIGHT)}}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1.5rem;background:var(--paper);color:var(--ink)}
body{font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{margin:.25rem 0}.faint{color:var(--faint)}
ol{padding-left:1.4rem}li{margin:.6rem 0}
.high{color:var(--bad);font-weight:600}.medium{color:var(--warn);font-weight:600}
.table{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--rule)}
th,td{text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
.words td,.words th{text-align:left;white-space:normal;overflow-wrap:normal}
.words td:first-child{white-space:nowrap}.words td:nth-child(n+4){min-width:14rem}
th{color:var(--faint);font-weight:500}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{overflow-x:auto;background:var(--card);border:1px solid var(--rule);padding:.6rem}
.bar{display:flex;height:.7rem;min-width:8rem;background:var(--rule)}
.bar i{display:block;height:100%}
.cpu{background:var(--c0)}.blocks{background:var(--bad)}
.waits{background:var(--bar)}.nocore{background:var(--baseline)}
details{margin:.4rem 0}summary{cursor:pointer}
`;

export function renderPage(report: AuditReport): string {
  const { facts, findings, recommendations, verification, notes } = report;
  const head = `${plural(facts.requests, "request")} in ${number(facts.seconds)} s (${number(facts.perSecond)} a second): ${report.traffic}`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Audit of ${facts.found}</title>
        <style>
          ${new Markup(STYLE)}
        </style>
      </head>
      <body>
        <h1>Audit of ${facts.found}</h1>
        <p>${head}</p>
        <p class="faint">
          keelback ${report.tool.version}, Python ${facts.python}, ${plural(facts.cores, "core")},
          ${facts.current.workers} x ${facts.current.kind}, ${report.date}
        </p>
        <h2>What stands out</h2>
        ${findingList(findings)}
        <h2>Routes, for each request</h2>
        ${routeTable(report)}
        <h2>Settings</h2>
        ${adviceTable(recommendations)}
        ${
          verification === undefined
            ? NOTHING
            : html`<h2>Verified</h2>
                <p>${verification.verdict}</p>`
        }
        <h2>Where the time goes</h2>
        ${facts.routes.map(routeDetails)}
        ${
          notes.length === 0
            ? NOTHING
            : html`<h2>Notes</h2>
                <ul>
                  ${notes.map((note) => html`<li>${note}</li>`)}
                </ul>`
        }
        <p class="faint"><code>${report.command}</code></p>
      </body>
    </html> `;
  return page.text;
}

function findingList(findings: readonly Finding[]): Markup {
  if (findings.length === 0) return html`<p>Nothing: no route blocks, waits or repeats itself.</p>`;
  const items = findings.map(({ severity, text, remedy }) => {
    return html`<li>
      <span class="${severity}">${text}</span>
      <p>${remedy}</p>
    </li>`;
  });
  return html`<ol>
    ${items}
  </ol>`;
}

function routeTable({ facts }: AuditReport): Markup {
  const columns = COLUMNS.filter(({ wanted }) => wanted?.(facts) ?? true);
  const rows = facts.routes.map((route) => {
    const cells = columns.map((column) => html`<td>${column.value(route)}</td>`);
    return html`<tr>
      <td><code>${route.route}</code></td>
      <td>${shares(route)}</td>
      ${cells}
    </tr>`;
  });
  const titles = columns.map(({ title }) => html`<th>${title}</th>`);
  return html`<div class="table">
    <table>
      <thead>
        <tr>
          <th>route</th>
          <th>CPU, blocks, waits</th>
          ${titles}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

function shares(route: RouteFacts): Markup {
  const { cpu, core, blocked } = route;
  const waits = Math.max(0, route.wait - blocked);
  const total = cpu + core + blocked + waits;
  const part = (name: string, ms: number): Markup => {
    const percent = total > 0 ? ((ms / total) * 100).toFixed(1) : "0";
    return html`<i class="${name}" style="width:${percent}%" title="${name} ${time(ms)}"></i>`;
  };
  const label = `CPU ${time(cpu)}, blocks ${time(blocked)}, waits ${time(waits)}`;
  return html`<div class="bar" role="img" aria-label="${label}">
    ${part("cpu", cpu)}${part("blocks", blocked)}${part("waits", waits)}${part("nocore", core)}
  </div>`;
}

function adviceTable(advice: readonly Recommendation[]): Markup {
  const rows = advice.map(({ setting, current, recommended, because, effect }) => {
    const value = current === recommended ? "keep it" : recommended;
    return html`<tr>
      <td><code>${setting}</code></td>
      <td>${current}</td>
      <td>${value}</td>
      <td>${because}</td>
      <td>${effect}</td>
    </tr>`;
  });
  const flags = flagsOf(advice);
  const line = flags === "" ? NOTHING : html`<pre>keelback ${flags}</pre>`;
  return html`<div class="table">
      <table class="words">
        <thead>
          <tr>
            <th>setting</th>
            <th>now</th>
            <th>recommended</th>
            <th>because</th>
            <th>what changes</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
    ${line}`;
}

function routeDetails(route: RouteFacts): Markup {
  if (route.spots.length === 0) return NOTHING;
  return html`<details>
    <summary><code>${route.route}</code>: ${time(route.wall)}</summary>
    ${route.spots.map(spotDetails)}
  </details>`;
}

const KINDS: Readonly<Record<Spot["kind"], string>> = {
  cpu: "computes",
  wait: "blocks",
  run: "runs",
  pool: "waits in a thread",
  await: "awaits",
};

function spotDetails(spot: Spot): Markup {
  const lines = spot.stack.map((frame) => `${place(frame)} ${frame.function}: ${frame.code}`);
  return html`<p>${KINDS[spot.kind]} ${time(spot.ms)} ${where(spot)}</p>
    <pre>${lines.join("\n")}</pre>`;
}
