/** A request at the simulated edge: nobody reads its answer, only its end counts. */
import { Exchange } from "../exchange/exchange.ts";
import type { HeadForm } from "../proto/events.ts";
import { Flag } from "../wire/spec.ts";

export class SimulatedExchange extends Exchange {
  readonly #over: (refused: boolean) => void;

  constructor(form: HeadForm, over: (refused: boolean) => void) {
    super();
    this.#over = over;
    this.method = "GET";
    this.form = form;
    this.flags = Flag.END;
    this.bodyEnded = true;
    this.replay = [];
  }

  onHead(): void {
    this.#over(false);
  }

  onRefused(): void {
    this.#over(true);
  }

  onReset(): void {
    this.#over(true);
  }

  onData(): void {}

  onLent(): void {}

  onLentBack(): void {}

  onTrailers(): void {}

  onInformational(): void {}

  onFile(): void {}

  onCredit(): void {}

  target(): string {
    return "/";
  }
}
