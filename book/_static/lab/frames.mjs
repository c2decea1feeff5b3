/**
 * The intermediate images of a run: an even selection of bounded size, however long the run.
 *
 * @module frames
 */

export const MOST_FRAMES = 120; // as in the studio; 10 MB at 128 × 128 pixels

/**
 * Keeps a value for some of the steps. When there are too many, every second one is dropped.
 * @template T
 */
export class Frames {
  constructor() {
    /** @type {Map<number, T>} */
    this.kept = new Map();
    this.stride = 1;
  }

  /**
   * Keep `make()` for this step, if the step is a multiple of the interval.
   * @param {number} step
   * @param {() => T} make
   */
  add(step, make) {
    if (step % this.stride) return;
    this.kept.set(step, make());
    if (this.kept.size <= MOST_FRAMES) return;
    this.stride *= 2;
    for (const old of [...this.kept.keys()]) if (old % this.stride) this.kept.delete(old);
  }

  /** The steps with a frame, in order. */
  get steps() {
    return [...this.kept.keys()].sort((a, b) => a - b);
  }

  /**
   * The frame of a step, if there is one.
   * @param {number} step
   */
  at(step) {
    return this.kept.get(step);
  }
}
