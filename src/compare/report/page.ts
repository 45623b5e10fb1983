/**
 * The report as one HTML file: no script, no network, nothing beside it. Pictures come before tables, and who won, by how much and
 * whether that is noise before all else. It reads the same by eye, by screen reader, on a phone and on paper.
 */
import type { Report, Row, ScenarioResult } from "../types.ts";
import { costBars, miniBars, rankedBars, whiskerSymbol } from "./charts.ts";
import { percentileCurves, shownFirst, sweepCurves, timelines } from "./curves.ts";
import type { Series } from "./curves.ts";
import { errorKinds, errorRate, figuresIn, isNamed, rangeText, rankedFigure } from "./figures.ts";
import { html, Markup, NOTHING } from "./html.ts";
import { NONE, plain, share } from "./numbers.ts";
import { seriesOf } from "./palette.ts";
import { ERRORS_RANKED_MAX, leadText, listed, rankingOf, verdictOf } from "./ranking.ts";
import type { Ranking } from "./ranking.ts";
import { styleSheet } from "./style.ts";
import { nameText, rankText, setupText } from "./names.ts";

/** Nothing may be fetched or run, whatever a server's words hold. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

interface Chapter {
  readonly scenario: ScenarioResult;
  readonly ranking: Ranking;
  readonly id: string;
}

export function renderPage(report: Report): string {
  const chapters = report.scenarios.map((scenario, i) => ({
    ...{ scenario, ranking: rankingOf(scenario), id: `scenario-${i + 1}` },
  }));
  const series = seriesOf(
    chapters.flatMap(({ scenario }) => scenario.rows.map(({ server }) => server)),
    chapters.flatMap(({ ranking }) => shownFirst(ranking.places).map(({ row }) => row.server)),
  );
  const title = `${plain(report.app)}: servers compared`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <link rel="icon" href="data:," />
        <title>${title}</title>
        <style>
          ${new Markup(styleSheet(series.size))}
        </style>
      </head>
      <body>
        ${whiskerSymbol()} ${headOf(report, title)}
        <main>
          ${winnersOf(chapters)} ${chapters.map((chapter) => chapterOf(chapter, series))}
          ${methodOf(report)}
        </main>
        <footer>
          <p class="faint">
            Written by ${report.tool.name} ${report.tool.version} on ${report.date}.
          </p>
        </footer>
      </body>
    </html> `;
  return page.text;
}

function headOf(report: Report, title: string): Markup {
  const { rounds, seconds, date, machine, partial, loadTools } = report;
  const tools = loadTools.map(({ name, version }) => `${name} ${version}`);
  const { cpu, cores } = machine;
  const where = [cpu, cores === undefined ? undefined : `${cores} cores`];
  const facts = [
    date.slice(0, 10),
    `${rounds} ${rounds === 1 ? "round" : "rounds"} of ${seconds} s each, in turns`,
    ...where.filter((fact) => fact !== undefined),
    ...(tools.length === 0 ? [] : [`load by ${listed(tools)}`]),
  ];
  return html`<header>
    <h1>${title}</h1>
    <p class="faint">${facts.join(" · ")}</p>
    ${partial ? html`<p class="banner">Ended early: what is missing was not measured.</p>` : NOTHING}
  </header>`;
}

/** How sure the first place is: words and a shape, not a colour alone. */
function chipOf(ranking: Ranking): Markup {
  const { winners, lead, front } = ranking;
  if (front === undefined) return html`<span class="chip none">✕ no winner</span>`;
  if (front.unsure === true) return html`<span class="chip">○ one round: noise unknown</span>`;
  if (winners.length > 1) return html`<span class="chip">≈ level: within the noise</span>`;
  if (lead === undefined) return html`<span class="chip">○ nobody to compare with</span>`;
  return html`<span class="chip clear">✓ beyond the noise</span>`;
}

function winnersOf(chapters: readonly Chapter[]): Markup {
  const cards = chapters.map(({ scenario, ranking, id }) => {
    const { winners, front } = ranking;
    const names = winners.map(({ row }) => row.server);
    const who = front?.unsure === true ? front.row.server : listed(names);
    const lead = leadText(ranking, scenario);
    return html`<li>
      <h3><a href="#${id}">${plain(scenario.title)}</a></h3>
      <p class="who">${who === "" ? "Nobody" : who}</p>
      <p class="much">${lead === "" ? NOTHING : html`${lead}<br />`}${chipOf(ranking)}</p>
      ${miniBars(scenario, ranking)}
      <p class="faint">${rankedFigure(scenario).label}</p>
    </li>`;
  });
  return html`<section aria-labelledby="winners">
    <h2 id="winners">Who won</h2>
    <p>${tallyOf(chapters)}</p>
    <ul class="cards">
      ${cards}
    </ul>
    <p class="faint">
      The factor is of medians; in brackets its 95 % confidence interval over the rounds. Servers
      whose interval holds 1 are level. Teaching baselines and NGINX's ceiling do not compete, nor
      does a server that fails more than ${share(ERRORS_RANKED_MAX)} of its requests.
    </p>
  </section>`;
}

/** `Best, alone or level: keelback in 3, granian in 1 of 4 scenarios.` */
function tallyOf(chapters: readonly Chapter[]): string {
  const counts = new Map<string, number>();
  for (const { ranking } of chapters) {
    for (const { row } of ranking.winners) {
      counts.set(row.server, (counts.get(row.server) ?? 0) + 1);
    }
  }
  if (counts.size === 0 || chapters.length < 2) return "";
  const each = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} in ${count}`);
  return `Best, alone or level with others: ${each.join(", ")} of ${chapters.length} scenarios.`;
}

function chapterOf({ scenario, ranking, id }: Chapter, series: Series): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${plain(scenario.title)}</h2>
    <p>${scenario.about}</p>
    <p class="faint">${setupText(scenario)}</p>
    <p class="verdict">${verdictOf(scenario, ranking)}. ${chipOf(ranking)}</p>
    ${rankedBars(scenario, ranking)} ${remarksOf(ranking)} ${barsOf(scenario)}
    ${sweepCurves(scenario, ranking, series)} ${percentileCurves(scenario, ranking, series)}
    ${timelines(ranking, series)} ${costsOf(scenario, ranking)} ${tableOf(scenario, ranking)}
    ${commandsOf(scenario)}
  </section>`;
}

function costsOf(scenario: ScenarioResult, ranking: Ranking): Markup {
  const charts = [
    costBars(scenario, ranking, "memoryLoaded", "memoryIdle"),
    costBars(scenario, ranking, "cpuPer1000"),
    costBars(scenario, ranking, "startupMs"),
  ].filter((chart) => chart !== NOTHING);
  return charts.length === 0 ? NOTHING : html`<div class="pair">${charts}</div>`;
}

/** What went wrong stays next to the picture, not in small print. */
function remarksOf({ places }: Ranking): Markup {
  const items = places.flatMap(({ row, unranked }) => {
    const told: Markup[] = [];
    const tell = (kind: "bad" | "warn", what: string, why: string): void => {
      told.push(html`<span class="${kind}">${what}</span> ${why}`);
    };
    if (row.failure !== undefined) tell("bad", "has no figures:", plain(row.failure));
    else if (unranked !== undefined) tell("bad", "is not ranked:", unranked);
    else if (errorRate(row) > 0) tell("warn", "failed requests:", errorKinds(row));
    for (const warning of row.warnings) tell("warn", "note:", plain(warning));
    if (told.length === 0) return [];
    const lines = told.map((line, i) => (i === 0 ? line : html`<br />${line}`));
    return [html`<li><b>${plain(row.server)}</b> ${lines}</li>`];
  });
  return items.length === 0
    ? NOTHING
    : html`<ul class="remarks">
        ${items}
      </ul>`;
}

/** What was to be reached. */
function barsOf({ bars = [] }: ScenarioResult): Markup {
  const items = bars.map(
    ({ bar, measured, met }) =>
      html`<li>
        ${met ? html`<b>✓ met:</b>` : html`<span class="bad">✕ missed:</span>`} ${plain(bar)};
        measured ${plain(measured)}
      </li>`,
  );
  return items.length === 0
    ? NOTHING
    : html`<ul class="remarks">
        ${items}
      </ul>`;
}

function tableOf(scenario: ScenarioResult, { places }: Ranking): Markup {
  const figures = figuresIn(scenario);
  if (figures.length === 0) return NOTHING;
  const shown = places.filter(({ row }) => row.rounds.length > 0);
  const heads = figures.map(({ label, head, unit }) => {
    const aside = unit === "" || unit === "/s" ? "" : html` <small>${unit}</small>`;
    return html`<th scope="col"><abbr title="${label}">${head}</abbr>${aside}</th>`;
  });
  const rows = shown.map((place) => {
    const { row, rank } = place;
    const cells = figures.map(({ key, samples, shown: valueOf, format }) => {
      const value = valueOf(row, scenario);
      if (!Number.isFinite(value)) return html`<td>${NONE}</td>`;
      const range = isNamed(key) ? rangeText(samples(row), format) : "";
      return html`<td>
        ${format(value)}${range === "" ? NOTHING : html` <small>${range}</small>`}
      </td>`;
    });
    return html`<tr${rank === 1 ? html` class="first"` : NOTHING}><td>${rankText(place)}</td><th scope="row">${nameText(place)}</th><td>${plain(row.version)}</td>${cells}</tr>`;
  });
  const name = `All figures of ${plain(scenario.title)}`;
  return html`<details>
    <summary>All figures</summary>
    <div class="scroll" tabindex="0" role="region" aria-label="${name}">
      <table>
        <thead>
          <tr>
            <th scope="col">rank</th>
            <th scope="col">server</th>
            <th scope="col">version</th>
            ${heads}
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </details>`;
}

function commandsOf({ rows, setup }: ScenarioResult): Markup {
  const item = ({ server, version, command, load }: Row): Markup =>
    html`<h3>${plain(server)} <small>${plain(version)}</small></h3>
      <pre>${command}${load === "" ? "" : `\n${load}`}</pre>`;
  const items = rows.filter(({ command }) => command !== "").map(item);
  if (items.length === 0) return NOTHING;
  return html`<details>
    <summary>Commands to repeat each row</summary>
    <p class="faint">
      In ${setup.directory}, with ${setup.python}; PORT is any free port. The server first, then its
      load.
    </p>
    ${items}
  </details>`;
}

function methodOf({ machine, notes, command }: Report): Markup {
  const facts = Object.entries(machine).map(
    ([name, value]) =>
      html`<div>
        <dt>${plain(name)}</dt>
        <dd>${plain(value)}</dd>
      </div>`,
  );
  return html`<section aria-labelledby="method">
    <h2 id="method">Noise, machine and method</h2>
    ${
      notes.length === 0
        ? NOTHING
        : html`<ul class="remarks">
            ${notes.map((note) => html`<li>${note}</li>`)}
          </ul>`
    }
    <dl class="facts">${facts}</dl>
    <p>
      Throughput is that of connections which ask again as soon as they are answered (closed loop).
      Latency is measured at a steady rate, from when each request was due (open loop), so a server
      that stalls can't hide it by receiving less. CPU and memory (PSS) are those of the server's
      whole process tree; start-up ends with the first right answer. Every figure is the median of
      the rounds, the worst latency the worst of all; every answer was checked.
    </p>
    <h3>Repeat it</h3>
    <pre>${command}</pre>
  </section>`;
}
