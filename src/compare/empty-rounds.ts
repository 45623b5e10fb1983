/**
 * A round whose load got no answer at all is no measurement of a slow server: server or load generator did not run (a machine that is
 * much too busy, a limit of its control group), or nobody could connect. Its zero would be a figure; it is left out, and said.
 */
import type { ErrorCounts, Round, Row, ScenarioResult } from "./types.ts";

export function withoutEmptyRounds(scenario: ScenarioResult): ScenarioResult {
  return { ...scenario, rows: scenario.rows.map(withoutEmpty) };
}

function withoutEmpty(row: Row): Row {
  const empty = row.rounds.filter(isEmpty);
  if (empty.length === 0) return row;
  const rounds = row.rounds.filter((round) => !isEmpty(round));
  const count = `${empty.length} of ${row.rounds.length} rounds`;
  const failed = [...new Set(empty.map(({ errors }) => failures(errors)))].join("; ");
  const text = `no answer in ${count}: ${failed}`;
  if (rounds.length === 0) return { ...row, rounds, failure: `${text} (${row.load})` };
  return { ...row, rounds, warnings: [...row.warnings, `${text}; left out of its figures`] };
}

/** Wrong answers are answers. */
function isEmpty({ requestsPerSecond, throughput, messagesPerSecond, errors }: Round): boolean {
  const rate = requestsPerSecond ?? throughput ?? messagesPerSecond;
  return rate === 0 && errors.status + errors.body === 0;
}

function failures({ connection, timeout }: ErrorCounts): string {
  const parts = [
    ...(connection === 0 ? [] : [`${connection} connections failed`]),
    ...(timeout === 0 ? [] : [`${timeout} requests timed out`]),
  ];
  if (parts.length > 0) return parts.join(", ");
  return "and no error either: server or load generator hardly ran (was the machine busy with something else?), or every connection waited in a full backlog";
}
