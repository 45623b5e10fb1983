/** Reads /proc/PID/stat (proc(5)). Pure. */

/** The fields from the third one, the state, on. The name before it may hold spaces and parentheses. */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
