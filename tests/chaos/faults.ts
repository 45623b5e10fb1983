/**
 * What is done to the server, and what each may do to requests that run meanwhile. Everything that a row does not allow is a failure.
 */
import { Course } from "./course.ts";
import { type Fault, type Faults, type Scene } from "./fault.ts";
import { CLIENTS } from "./faults-of-clients.ts";
import { NETWORKS } from "./faults-of-networks.ts";
import { PROCESSES } from "./faults-of-processes.ts";
import { RELEASES } from "./faults-of-releases.ts";
import { RESOURCES } from "./faults-of-resources.ts";
import { settled } from "./settled.ts";

export const FAULTS: Faults = {
  ...PROCESSES,
  ...RELEASES,
  ...RESOURCES,
  ...CLIENTS,
  ...NETWORKS,
};

/** The next one, by weight; `only` names those that come into question, empty: all. */
export function choose({ random }: Scene, only: readonly string[]): string {
  const rows = Object.entries(FAULTS).filter(([name]) => only.length === 0 || only.includes(name));
  const all = rows.reduce((sum, [, { weight }]) => sum + weight, 0);
  let at = random() * all;
  for (const [name, { weight }] of rows) {
    at -= weight;
    if (at < 0) return name;
  }
  throw new Error(`there is no such fault: ${only.join(", ")}`);
}

/** In words what went wrong; null: the server has recovered in time. */
export async function inflict(scene: Scene, name: string): Promise<string | null> {
  const fault: Fault = FAULTS[name]!;
  const course = new Course(scene.ledger, name, fault.allows);
  let failure: string | null = null;
  try {
    await fault.run(scene, course);
    course.recovered();
  } catch (error) {
    failure = `no recovery from "${name}": ${String(error)}`;
  }
  await settled();
  const seconds = course.end();
  if (failure !== null || seconds <= fault.within) return failure;
  return `recovered from "${name}" after ${seconds.toFixed(2)} s, ${fault.within} s are promised`;
}
