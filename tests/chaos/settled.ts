/** Pauses in which this process reads what the kernel has for it. */
const PAUSE_MS = 10;

/** What the kernel knew of connections at the call is known to their clients afterwards. */
export async function settled(): Promise<void> {
  for (let n = 0; n < 3; n++) await Bun.sleep(PAUSE_MS);
}
