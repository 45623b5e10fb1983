/**
 * What is done to the server, and what each may do to requests that run meanwhile. Everything that a row does not allow is a failure.
 */
import { type Fault, type Faults, type Scene } from "./fault.ts";
import { CLIENTS } from "./faults-of-clients.ts";
import { NETWORKS } from "./faults-of-networks.ts";
import { PROCESSES } from "./faults-of-processes.ts";
import { RELEASES } from "./faults-of-releases.ts";
import { RESOURCES } from "./faults-of-resources.ts";

export const FAULTS: Faults = {
  ...PROCESSES,
  ...RELEASES,
  ...RESOURCES,
  ...CLIENTS,
  ...NETWORKS,
};

/** The next one, by weight; `only` names those that come into question, empty: all. */
export function choose(scene: Scene, only: readonly string[]): string {
  const wanted = (name: string): boolean =>
    (only.length === 0 || only.includes(name)) && (scene.toxiproxy !== null || !(name in NETWORKS));
  const rows = Object.entries(FAULTS).filter(([name]) => wanted(name));
  const all = rows.reduce((sum, [, { weight }]) => sum + weight, 0);
  let at = scene.random() * all;
  for (const [name, { weight }] of rows) {
    at -= weight;
    if (at < 0) return name;
  }
  throw new Error(`there is no such fault: ${only.join(", ")}`);
}

/** In words what went wrong; null: the server has recovered in time. */
export async function inflict(scene: Scene, name: string): Promise<string | null> {
  const fault: Fault = FAULTS[name]!;
  const excuse = scene.ledger.excuse(name, fault.allows);
  try {
    await fault.run(scene);
    scene.ledger.recovered(excuse);
    return null;
  } catch (error) {
    return `no recovery from "${name}": ${String(error)}`;
  } finally {
    excuse.until = performance.now();
  }
}
