/**
 * Which workers are told where the edges are: those of the generation that serves, and older ones until they leave. One of a generation
 * that is still starting must get no request yet, and one that is drained none any more: a new edge has not been told that it is.
 */
import type { Edges } from "./edges.ts";
import type { WorkerView } from "./fleet/crew.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { WorkerProcesses } from "./workers/processes.ts";

export interface LinkingOptions {
  readonly edges: Edges;
  readonly fleet: Fleet;
  readonly processes: WorkerProcesses;
}

export class Linking {
  readonly #options: LinkingOptions;

  constructor(options: LinkingOptions) {
    this.#options = options;
  }

  /** A new edge takes workers. */
  edgeListening(path: string): void {
    const { fleet } = this.#options;
    for (const worker of fleet.workers) {
      const serves = worker.state === "ready" && worker.generation <= fleet.generation;
      if (serves) this.#tell(worker, [path]);
    }
  }

  /** A worker is about to be ready; another generation than that which serves has to wait for its turn. */
  workerReady(id: number): void {
    const { edges, fleet } = this.#options;
    const worker = fleet.worker(id);
    if (worker?.generation === fleet.generation) this.#tell(worker, edges.paths);
  }

  generationServes(generation: number): void {
    const { edges, fleet } = this.#options;
    for (const worker of fleet.workers) {
      if (worker.generation === generation) this.#tell(worker, edges.paths);
    }
  }

  #tell({ id }: WorkerView, paths: readonly string[]): void {
    this.#options.processes.send(id, { t: "edges", paths });
  }
}
