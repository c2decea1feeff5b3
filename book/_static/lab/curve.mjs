/**
 * The loss curves as SVG text, drawn as in the studio (nst_teach/interactive/curves.py). Lines and
 * labels have the colour of the surrounding text, so they suit a light and a dark page.
 *
 * @module curve
 */

import { fill } from "./words.mjs";

/** @import { Losses } from "./protocol.mjs" */
/** @import { Mark } from "./settings.mjs" */
/** @import { Words } from "./words.mjs" */

/**
 * One point of the curves.
 * @typedef {{step: number, losses: Losses}} Point
 * @typedef {{name: string, label: string, colour: string, dashes: string,
 *     value: (losses: Losses) => number}} Line
 */

const [WIDTH, HEIGHT] = [460, 260];
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 10, 48, 32];
const MOST_POINTS = 240; // per curve; more cannot be distinguished
const [MARK_ROWS, ROW_HEIGHT] = [2, 14]; // labels of neighbouring marks are on different rows
const FEWEST_STEPS = 10; // minimum length of the axis, so that it does not rescale at every step
const DECADES_SHOWN = 7; // below the maximum; smaller values are not informative
const MOST_TICKS = 6;
const TOLERANCE = 1e-9; // tolerance for recognising a power of ten
const MEAN_CHARACTER = 5.6; // mean width of a character of a label, in the units of the drawing
const FAINT = 'stroke="currentColor" stroke-width="1" opacity="0.22" fill="none"';

/** The mapping from steps and losses to places in the drawing. */
class Frame {
  /** @param {Point[]} points @param {Line[]} lines */
  constructor(points, lines) {
    const found = points.flatMap((p) => lines.map((line) => line.value(p.losses)));
    const values = found.filter((value) => value > 0);
    if (!values.length) values.push(1);
    this.steps = Math.max(FEWEST_STEPS, ...points.map((point) => point.step));
    this.high = Math.ceil(Math.log10(Math.max(...values)) - TOLERANCE);
    const low = Math.floor(Math.log10(Math.min(...values)) + TOLERANCE);
    this.low = Math.min(Math.max(low, this.high - DECADES_SHOWN), this.high - 1);
  }

  /** @param {number} step */
  x(step) {
    return LEFT + ((WIDTH - LEFT - RIGHT) * step) / this.steps;
  }

  /** Values below the scale lie on its lower edge. @param {number} value */
  y(value) {
    const share = (Math.log10(value) - this.low) / (this.high - this.low);
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.max(share, 0));
  }
}

/**
 * Total and parts over the steps, on a logarithmic scale.
 *
 * @param {Point[]} points
 * @param {Words["curves"]} words
 * @param {object} [more]
 * @param {Mark[]} [more.marks] changes made during the run
 * @param {number | null} [more.cursor] a step to mark with a vertical line
 * @param {string} [more.description] for the alternative text
 */
export function svg(points, words, { marks = [], cursor = null, description = "" } = {}) {
  const lines = linesOf(points, words);
  const frame = new Frame(points, lines);
  const shapes = [
    grid(frame, words.axis),
    markLines(frame, marks),
    ...[...lines].reverse().map((line) => stroke(frame, points, line)),
    cursor === null ? "" : vertical(frame.x(cursor), 'stroke-width="1" opacity="0.8"'),
  ];
  const head = `<text x="0" y="11" font-weight="600">${escape(words.title)}</text>`;
  const label = escape(`${words.title}. ${description}`.trim());
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}" ` +
    'font-family="inherit" font-size="11" fill="currentColor" stroke="none">' +
    `${shapes.join("")}${head}</svg>`
  );
}

/**
 * The legend.
 *
 * @param {Point[]} points
 * @param {Words["curves"]} words
 */
export function legend(points, words) {
  const entries = linesOf(points, words).map(
    ({ label, colour, dashes }) => {
      const look = `stroke="${colour}" stroke-dasharray="${dashes}" stroke-width="3"`;
      const line = `<svg viewBox="0 0 30 4" aria-hidden="true"><path d="M0 2H30" ${look}/></svg>`;
      return `<span>${line}${escape(label)}</span>`;
    },
  );
  return entries.join("");
}

/**
 * All lines: the total, and each part that occurs in any point.
 *
 * @param {Point[]} points
 * @param {Words["curves"]} words
 * @returns {Line[]}
 */
export function linesOf(points, words) {
  const { colours, dashes } = words;
  const contents = namesOf(points, "content").map((layer) => ({
    ...part("content", layer, words.content),
    colour: colours.content,
    dashes: dashes.content,
  }));
  const styles = namesOf(points, "style").map((layer, index) => ({
    ...part("style", layer, words.style),
    colour: colours.style[index % colours.style.length],
    dashes: dashes.style[index % dashes.style.length],
  }));
  const total = { name: "total", label: words.total, colour: "currentColor", dashes: "none" };
  return [{ ...total, value: (losses) => losses.total }, ...contents, ...styles];
}

/**
 * @param {"content" | "style"} kind
 * @param {string} layer
 * @param {string} words
 */
function part(kind, layer, words) {
  const value = (/** @type {Losses} */ losses) => losses[kind][layer] ?? 0;
  return { name: `${kind} ${layer}`, label: fill(words, { layer }), value };
}

/** @param {Point[]} points @param {"content" | "style"} kind */
function namesOf(points, kind) {
  return [...new Set(points.flatMap((point) => Object.keys(point.losses[kind])))].sort();
}

/** @param {Frame} frame @param {Point[]} points @param {Line} line */
function stroke(frame, points, { name, colour, dashes, value }) {
  const path = pathOf(frame, points, value);
  const width = name === "total" ? 2.2 : 1.4;
  const drawn = `stroke-width="${width}" stroke-linejoin="round" stroke-dasharray="${dashes}"`;
  const look = `stroke="${colour}" ${drawn}`;
  return path && `<path data-line="${name}" d="${path}" fill="none" ${look}/>`;
}

/**
 * The path of a curve, interrupted where the part is 0 or not in use.
 *
 * @param {Frame} frame
 * @param {Point[]} points
 * @param {(losses: Losses) => number} valueOf
 */
function pathOf(frame, points, valueOf) {
  let [path, penIsDown] = ["", false];
  for (const { step, losses } of thinned(points)) {
    const value = valueOf(losses);
    if (value > 0)
      path += `${penIsDown ? "L" : "M"}${frame.x(step).toFixed(1)} ${frame.y(value).toFixed(1)}`;
    penIsDown = value > 0;
  }
  return path;
}

/** @param {Point[]} points */
function thinned(points) {
  const stride = Math.max(1, Math.floor(points.length / MOST_POINTS));
  return points.filter((_, i) => i % stride === 0 || i === points.length - 1);
}

/** @param {Frame} frame @param {string} axis */
function grid(frame, axis) {
  const stride = Math.ceil((frame.high - frame.low) / MOST_TICKS) || 1;
  let lines = "";
  for (let power = frame.low; power <= frame.high; power += stride) {
    const y = frame.y(10 ** power);
    lines += `<path d="M${LEFT} ${y.toFixed(1)}H${WIDTH - RIGHT}" ${FAINT}/>`;
    lines += `<text x="${LEFT - 6}" y="${(y + 3.5).toFixed(1)}" text-anchor="end">${ten(power)}</text>`;
  }
  const floor = HEIGHT - BOTTOM;
  for (let step = 0; step <= frame.steps; step += tickStride(frame.steps)) {
    const x = frame.x(step).toFixed(1);
    lines += `<path d="M${x} ${floor}v4" ${FAINT}/>`;
    lines += `<text x="${x}" y="${floor + 15}" text-anchor="middle">${step}</text>`;
  }
  const place = `x="${WIDTH - RIGHT}" y="${HEIGHT - 3}" text-anchor="end"`;
  return `${lines}<text ${place}>${escape(axis)}</text>`;
}

/** @param {number} power */
function ten(power) {
  return `10<tspan dy="-4" font-size="8">${String(power).replace("-", "−")}</tspan>`;
}

/** The distance between ticks: a round number, for about `MOST_TICKS` ticks. @param {number} steps */
function tickStride(steps) {
  const rough = steps / MOST_TICKS;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? steps;
}

/** @param {number} x @param {string} look */
function vertical(x, look) {
  const path = `M${x.toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`;
  return `<path d="${path}" stroke="currentColor" fill="none" ${look}/>`;
}

/** A dotted line at each mark, with its text above. @param {Frame} frame @param {Mark[]} marks */
function markLines(frame, marks) {
  /** @type {Map<number, string>} */
  const texts = new Map();
  for (const { step, text } of marks)
    texts.set(step, texts.has(step) ? `${texts.get(step)}, ${text}` : text);
  return [...texts].map(([step, text], row) => mark(frame.x(step), text, row)).join("");
}

/** @param {number} x @param {string} text @param {number} row */
function mark(x, text, row) {
  const y = TOP - 5 - ROW_HEIGHT * (row % MARK_ROWS);
  const anchor = x + MEAN_CHARACTER * text.length > WIDTH ? "end" : "start";
  const line = vertical(x, 'stroke-width="1" stroke-dasharray="1.5 3" opacity="0.9"');
  const place = `x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}"`;
  return `${line}<text class="nst-lab-mark" ${place}>${escape(text)}</text>`;
}

/** @param {string} text */
function escape(text) {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
