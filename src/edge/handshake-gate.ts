/**
 * How fast handshakes begin. One costs as much as some tens of requests, all of it in one turn of the event loop; a flood would make
 * every established connection wait for hundreds. So a few begin in each turn: a newcomer beyond that is not read until a later one. How
 * many follows from how long turns take, since a key's kind decides what a handshake costs (0.15 ms with P-256, 0.8 ms with RSA 2048).
 */

export interface Gated {
  /** Its hello is not to be read before `begin`. */
  hold(): void;
  begin(): void;
  /** Ends at once; the gate hears of it by `leave`. */
  makeRoom(): void;
}

/** A turn that is full of handshakes should not take longer. */
const TURN_MS = 2;
/** Begun in one turn: never less, never more. */
const BEGIN_MIN = 1;
const BEGIN_MAX = 16;
/** Under way at once. One more, and the one that has taken longest goes: it is most likely stalled on purpose. */
const UNDER_WAY_MAX = 1000;

export class HandshakeGate {
  /** In the order they came. */
  readonly #underWay = new Set<Gated>();
  readonly #waiting = new Set<Gated>();
  #limit = BEGIN_MIN;
  #begun = 0;
  #turnedAt = 0;
  #scheduled = false;

  enter(handshake: Gated): void {
    if (this.#underWay.size >= UNDER_WAY_MAX) this.#oldest()?.makeRoom();
    this.#underWay.add(handshake);
    if (this.#begun < this.#limit && this.#waiting.size === 0) this.#begun += 1;
    else {
      handshake.hold();
      this.#waiting.add(handshake);
    }
    this.#schedule();
  }

  leave(handshake: Gated): void {
    this.#underWay.delete(handshake);
    this.#waiting.delete(handshake);
  }

  #oldest(): Gated | undefined {
    return this.#underWay.values().next().value;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#turnedAt = performance.now();
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#begun === this.#limit) {
      const long = performance.now() - this.#turnedAt > TURN_MS;
      this.#limit = long
        ? Math.max(BEGIN_MIN, this.#limit >> 1)
        : Math.min(BEGIN_MAX, this.#limit + 1);
    }
    this.#begun = 0;
    for (const handshake of this.#waiting) {
      if (this.#begun === this.#limit) break;
      this.#waiting.delete(handshake);
      this.#begun += 1;
      handshake.begin();
    }
    if (this.#begun > 0) this.#schedule();
  }
}
