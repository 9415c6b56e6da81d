/** Does something again and again, while somebody is looking. */

import { ApiError } from "./api.js";

const HIDDEN = 15;

/**
 * Call `work` every `ms` until `gone`; while the page is hidden only every fifteenth time. One call at a
 * time, and one that failed for want of an answer is made again later.
 * @param {number} ms
 * @param {() => Promise<void>} work
 * @param {AbortSignal} gone
 * @param {(reached: boolean) => void} [tell] whether the service could be reached
 */
export function every(ms, work, gone, tell = () => {}) {
  let skipped = 0;
  const turn = async () => {
    if (gone.aborted) return;
    skipped += 1;
    if (!document.hidden || skipped >= HIDDEN) {
      skipped = 0;
      try {
        await work();
        tell(true);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401) return;
        tell(false);
      }
    }
    if (!gone.aborted) setTimeout(turn, ms);
  };
  setTimeout(turn, ms);
  // Whoever comes back sees at once how things are.
  document.addEventListener("visibilitychange", () => { skipped = HIDDEN; }, { signal: gone });
}
