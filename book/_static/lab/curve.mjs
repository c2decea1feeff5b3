/**
 * The loss curves as SVG text: drawn as the studio draws them (nst_teach/interactive/curves.py), in the
 * colour of the text around, so that they suit a light and a dark page.
 *
 * @module curve
 */

import { fill } from "./words.mjs";

/** @import { Losses } from "./protocol.mjs" */
/** @import { Mark } from "./settings.mjs" */
/** @import { Words } from "./words.mjs" */

/**
 * One place on the curves.
 * @typedef {{step: number, losses: Losses}} Point
 * @typedef {{name: string, label: string, colour: string, value: (losses: Losses) => number}} Line
 */

const [WIDTH, HEIGHT] = [460, 260];
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 10, 48, 32];
const MOST_POINTS = 240; // of a curve: more cannot be told apart
const [MARK_ROWS, ROW_HEIGHT] = [2, 14]; // labels of neighbouring marks stand on different rows
const FEWEST_STEPS = 10; // the axis begins no shorter, so that the first steps do not jump about
const DECADES_SHOWN = 7; // what is further below the top says nothing any more
const MOST_TICKS = 6;
const TOLERANCE = 1e-9; // a whole power of ten is one in spite of rounding
const MEAN_CHARACTER = 5.6; // width of a character of a mark, in the drawing's units
const FAINT = 'stroke="currentColor" stroke-width="1" opacity="0.22" fill="none"';

/** Where steps and losses lie on the paper. */
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

  /** What is too small for the scale lies on its floor. @param {number} value */
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
 * @param {Mark[]} [more.marks] moments at which something was moved
 * @param {number | null} [more.cursor] a step to point at
 * @param {string} [more.description] for those who cannot see it
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
 * What the colours mean.
 *
 * @param {Point[]} points
 * @param {Words["curves"]} words
 */
export function legend(points, words) {
  const entries = linesOf(points, words).map(
    ({ label, colour }) => `<span><i style="background:${colour}"></i>${escape(label)}</span>`,
  );
  return entries.join("");
}

/**
 * The lines that there are: the total, and each part that was ever asked for.
 *
 * @param {Point[]} points
 * @param {Words["curves"]} words
 * @returns {Line[]}
 */
export function linesOf(points, words) {
  const { content, style } = words.colours;
  const contents = namesOf(points, "content").map((layer) => ({
    ...part("content", layer, words.content),
    colour: content,
  }));
  const styles = namesOf(points, "style").map((layer, index) => ({
    ...part("style", layer, words.style),
    colour: style[index % style.length],
  }));
  const total = { name: "total", label: words.total, colour: "currentColor" };
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
function stroke(frame, points, { name, colour, value }) {
  const path = pathOf(frame, points, value);
  const width = name === "total" ? 2.2 : 1.4;
  const look = `stroke="${colour}" stroke-width="${width}" stroke-linejoin="round"`;
  return path && `<path data-line="${name}" d="${path}" fill="none" ${look}/>`;
}

/**
 * The corners of a curve; it breaks where the part is 0 or not asked for.
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

/** Whole steps at round distances, at most `MOST_TICKS` of them. @param {number} steps */
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

/** A dotted line at each mark, with its words above it. @param {Frame} frame @param {Mark[]} marks */
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
