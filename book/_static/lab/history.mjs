/**
 * The run so far: the points of the curves, the marks, the frames, the pace.
 *
 * @module history
 */

import { Frames } from "./frames.mjs";

/** @import { Point } from "./curve.mjs" */
/** @import { Losses } from "./protocol.mjs" */
/** @import { Mark } from "./settings.mjs" */

const PACE_WINDOW = 20; // steps over which the pace is averaged
const MERGE_STEPS = 10; // a slider that is being moved leaves a single mark

/** @template Frame */
export class History {
  /** @param {number} steps the length of the run */
  constructor(steps) {
    this.step = 0; // completed steps
    this.base = 0; // the step from which the length of the run is counted
    this.target = steps; // the step at which the run ends
    this.turn = 0; // the number of changes of the dials, at the last point
    /** @type {Point[]} */
    this.points = [];
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {Frames<Frame>} */
    this.frames = new Frames();
    /** @type {number[]} */
    this.times = [];
  }

  /**
   * The run that made the page's poster, from the curves written by nst_teach/interactive/embed.py.
   *
   * @param {string | undefined} text JSON; undefined or empty for a run without steps
   */
  static computed(text) {
    const past = new History(0);
    if (!text) return past;
    const { steps, total, parts, marks } = JSON.parse(text);
    past.points = steps.map((/** @type {number} */ step, /** @type {number} */ i) => ({
      step,
      losses: { total: total[i], ...partsAt(parts, i) },
    }));
    past.marks = marks.map((/** @type {[number, string]} */ [step, words]) => ({
      step, name: "", text: words,
    }));
    past.step = past.target = steps.at(-1);
    return past;
  }

  /**
   * Add a step.
   *
   * @param {number} step
   * @param {Losses} losses of the image before the step
   * @param {number} now in ms
   * @param {number} [turn] the number of changes of the dials that the losses include
   */
  record(step, losses, now, turn = 0) {
    this.points.push({ step: step - 1, losses });
    for (const mark of this.marks)
      if ((mark.turn ?? 0) > this.turn && (mark.turn ?? 0) <= turn) mark.step = step - 1;
    this.turn = turn;
    this.step = step;
    this.times = [...this.times, now].slice(-PACE_WINDOW);
  }

  /**
   * Mark a change. The mark is placed at the first point that includes it.
   * @param {{name: string, text: string, turn?: number}} change
   */
  mark(change) {
    const last = this.marks.at(-1);
    if (last?.name === change.name && this.step - last.step < MERGE_STEPS) this.marks.pop();
    this.marks.push({ step: this.step, ...change });
  }

  /** Exclude a pause from the pace. */
  breathe() {
    this.times = [];
  }

  /** Extend a finished run. @param {number} steps */
  extend(steps) {
    [this.base, this.target] = [this.step, this.step + steps];
  }

  /** Change the length of the run. @param {number} steps */
  resize(steps) {
    this.target = Math.max(this.step, this.base + steps);
  }

  get isOver() {
    return this.step >= this.target;
  }

  /** Recent steps per second; 0 while that is unknown. */
  get pace() {
    const [first, last] = [this.times[0], this.times.at(-1) ?? 0];
    return this.times.length < 2 ? 0 : (1000 * (this.times.length - 1)) / (last - first);
  }

  /** Seconds until the target. */
  get left() {
    return this.pace ? (this.target - this.step) / this.pace : Infinity;
  }

  /** The total loss, in percent of its initial value; undefined before the first step. */
  get percent() {
    const [first, last] = [this.points[0], this.points.at(-1)];
    return first && last && Math.round((100 * last.losses.total) / first.losses.total);
  }
}

/**
 * The parts of the loss at one point, by kind and layer, without those not in use there.
 *
 * @param {Record<string, (number | null)[]>} parts by name, such as "style relu1_1"
 * @param {number} index
 * @returns {Omit<Losses, "total">}
 */
function partsAt(parts, index) {
  const on = Object.entries(parts).filter(([, values]) => values[index] !== null);
  const of = (/** @type {string} */ kind) =>
    Object.fromEntries(
      on.filter(([name]) => name.startsWith(`${kind} `))
        .map(([name, values]) => [name.slice(kind.length + 1), Number(values[index])]),
    );
  return { content: of("content"), style: of("style") };
}
