/** How far a comparison is: on a terminal one line that is written again and again, else a line for each row. */
import { durationText } from "./plan.ts";

const BAR_COLUMNS = 20;
const REFRESH_MS = 500;
/** The estimates count as much as this share of the whole, measured. */
const DOUBT_SHARE = 0.1;
const CLEAR = "\r\u001b[K";

export interface ProgressOutput {
  readonly terminal: boolean;
  readonly columns: number;
  write(text: string): void;
}

export class Progress {
  readonly #output: ProgressOutput;
  readonly #total: number;
  /** Estimated seconds of what is over, and how long it has really taken. */
  #done = 0;
  #taken = 0;
  #current = { label: "", seconds: 0, since: 0 };
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `total`: estimated seconds of everything. */
  constructor(output: ProgressOutput, total: number) {
    this.#output = output;
    this.#total = total;
  }

  /** A step that is thought to take so long begins. */
  begin(label: string, seconds: number): void {
    this.#finishStep();
    this.#current = { label, seconds, since: performance.now() };
    if (!this.#output.terminal) return;
    this.#draw();
    this.#timer ??= setInterval(() => this.#draw(), REFRESH_MS);
  }

  /** What came of the step: a line of its own where there is no line to rewrite. */
  done(text: string): void {
    this.#finishStep();
    if (this.#output.terminal) return;
    this.#output.write(`${this.percent().padStart(3)} %  ${text}\n`);
  }

  /** A line that stays. */
  say(text: string): void {
    this.#output.write(`${this.#output.terminal ? CLEAR : ""}${text}\n`);
    if (this.#timer !== undefined) this.#draw();
  }

  end(): void {
    this.#finishStep();
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#output.terminal) this.#output.write(CLEAR);
  }

  #finishStep(): void {
    const { seconds, since } = this.#current;
    if (since === 0) return;
    this.#done += seconds;
    this.#taken += (performance.now() - since) / 1000;
    this.#current = { label: "", seconds: 0, since: 0 };
  }

  #draw(): void {
    this.#output.write(CLEAR + this.line());
  }

  percent(): string {
    return `${Math.floor(this.#share(0) * 100)}`;
  }

  #share(here: number): number {
    return this.#total === 0 ? 0 : Math.min(1, (this.#done + here) / this.#total);
  }

  /** The line without its control characters. */
  line(): string {
    const { label, seconds, since } = this.#current;
    const running = since === 0 ? 0 : (performance.now() - since) / 1000;
    // What is over says how the estimates are to be read on this machine; the first steps say little.
    const doubt = this.#total * DOUBT_SHARE;
    const pace = doubt === 0 ? 1 : (this.#taken + doubt) / (this.#done + doubt);
    const here = Math.min(running / pace, seconds);
    const share = this.#share(here);
    const left = Math.max(0, (this.#total - this.#done - here) * pace);
    const filled = Math.round(share * BAR_COLUMNS);
    const bar = "█".repeat(filled) + "░".repeat(BAR_COLUMNS - filled);
    const percent = `${Math.floor(share * 100)}`.padStart(3);
    const text = `${bar} ${percent} %  ${durationText(left)} left  ${label}`;
    return text.length >= this.#output.columns ? text.slice(0, this.#output.columns - 1) : text;
  }
}
