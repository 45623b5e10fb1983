/** `--print-config`: every setting, its value, and where it came from. Pure. */
import type { Config, Sources, Value } from "../config/config.ts";
import { SETTING_ROWS } from "../config/config.ts";
import type { OptionSpec } from "../config/spec.ts";
import { SECTIONS } from "../config/spec.ts";
import { formatValue } from "../config/values.ts";

/** For people: one line a setting, by section, in the words that the file and the flags take. */
export function printConfig(config: Config, sources: Sources): string {
  const nameWidth = Math.max(...SETTING_ROWS.map(({ name }) => name.length));
  const parts: string[] = [];
  for (const section of SECTIONS) {
    const rows = SETTING_ROWS.filter(({ spec }) => spec.section === section);
    const lines = rows.map(({ key, name, spec }) => {
      const left = `  ${name.padEnd(nameWidth)}  ${formatValue(spec, shown(spec, config[key]))}`;
      return `${left.padEnd(nameWidth + 28)}  ${sources[key].name}\n`;
    });
    if (lines.length > 0) parts.push(`${section}\n${lines.join("")}`);
  }
  return parts.join("\n");
}

/**
 * For programs: `{name: {value, text, source, from}}`; durations in milliseconds, sizes in bytes.
 */
export function printConfigJson(config: Config, sources: Sources): string {
  const entries = SETTING_ROWS.map(({ key, name, spec }) => {
    const value = shown(spec, config[key]);
    const { kind, name: from } = sources[key];
    return [name, { value, text: formatValue(spec, value), source: kind, from }];
  });
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}

function shown(spec: OptionSpec, value: Value): Value {
  return spec.secret === true && value !== null ? "(secret)" : value;
}
