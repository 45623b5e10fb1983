/**
 * Preloaded into the supervisors and edges of a soak: their garbage is collected before memory is looked at, so that what is seen is what
 * lives, and not when the runtime collects.
 */
const EVERY_MS = 5000;

setInterval(() => Bun.gc(true), EVERY_MS).unref();
