import assert from "node:assert/strict";
import { test } from "node:test";

import { legend, svg } from "../../book/_static/lab/curve.mjs";

const WORDS = {
  title: "Loss",
  axis: "step",
  total: "total",
  content: "content {layer}",
  style: "style {layer}",
  kept: "kept",
  colours: { content: "teal", style: ["gold", "red"] },
  dashes: { content: "none", style: ["5 3", "1 2"] },
};

/** A point of the curves; parts that are not given are turned off. */
const point = (step, total, content = {}, style = {}) => ({
  step,
  losses: { total, content, style },
});

/** The corners of the line called `name`, as numbers. */
function corners(drawing, name) {
  const path = drawing.match(new RegExp(`data-line="${name}" d="([^"]*)"`))?.[1] ?? "";
  return [...path.matchAll(/([ML])([\d.]+) ([\d.]+)/g)].map(([, pen, x, y]) => [pen, +x, +y]);
}

test("a factor of ten is the same distance anywhere on the scale", () => {
  const drawing = svg([point(0, 1000), point(5, 100), point(10, 10)], WORDS);
  const [top, middle, bottom] = corners(drawing, "total").map(([, , y]) => y);
  assert.ok(top < middle && middle < bottom, "a smaller loss stands lower");
  assert.ok(Math.abs(middle - top - (bottom - middle)) < 0.11, "rounded to tenths");
});

test("steps are evenly spaced", () => {
  const xs = corners(svg([point(0, 1), point(10, 1), point(20, 1)], WORDS), "total");
  assert.ok(Math.abs(xs[1][1] - xs[0][1] - (xs[2][1] - xs[1][1])) < 0.11);
});

test("a part breaks where it is off, and starts anew", () => {
  const on = { relu1_1: 2 };
  const points = [point(0, 3, {}, on), point(1, 3), point(2, 3, {}, on), point(3, 3, {}, on)];
  const pens = corners(svg(points, WORDS), "style relu1_1").map(([pen]) => pen);
  assert.deepEqual(pens, ["M", "M", "L"]);
});

test("a content loss of zero, as at a content start, is left out and breaks nothing", () => {
  const points = [point(0, 5, { relu4_2: 0 }), point(1, 5, { relu4_2: 2 })];
  const drawing = svg(points, WORDS);
  assert.equal(corners(drawing, "content relu4_2").length, 1);
  assert.ok(!drawing.includes("NaN") && !drawing.includes("Infinity"));
});

test("marks say what was moved; those of one step share a label", () => {
  const marks = [
    { step: 4, name: "ratio", text: "log β/α 6.0" },
    { step: 4, name: "layers", text: "relu1_1 0" },
  ];
  const drawing = svg([point(0, 1), point(8, 1)], WORDS, { marks });
  assert.ok(drawing.includes(">log β/α 6.0, relu1_1 0</text>"));
});

test("a picture's name cannot write into the page", () => {
  const marks = [{ step: 0, name: "content", text: '<img src=x onerror="alert(1)">' }];
  assert.ok(!svg([point(0, 1)], WORDS, { marks }).includes("<img"));
});

test("the empty drawing has axes and no numbers that are not numbers", () => {
  const drawing = svg([], WORDS);
  assert.ok(drawing.includes("10<tspan") && !/NaN|Infinity/.test(drawing));
});

test("a long run is drawn with few corners, its last point among them", () => {
  const points = Array.from({ length: 2001 }, (_, step) => point(step, 1 + step));
  const line = corners(svg(points, WORDS), "total");
  assert.ok(line.length < 500);
  assert.equal(line.at(-1)[1], 450, "the right edge of the frame");
});

test("the legend names every part that was ever on", () => {
  const points = [point(0, 3, { relu4_2: 1 }, { relu1_1: 2 }), point(1, 3, {}, { relu2_1: 1 })];
  const text = legend(points, WORDS).replace(/<[^>]*>/g, "|");
  for (const name of ["total", "content relu4_2", "style relu1_1", "style relu2_1"])
    assert.ok(text.includes(name), name);
});

test("a line has the dashes of its entry in the legend", () => {
  const points = [point(0, 3, { relu4_2: 1 }, { relu1_1: 2, relu2_1: 2 })];
  const dashes = (text) => [...text.matchAll(/stroke-dasharray="([^"]*)" ?(?=\/>|stroke-width="3")/g)]
    .map(([, pattern]) => pattern);
  assert.deepEqual(dashes(legend(points, WORDS)), ["none", "none", "5 3", "1 2"]);
  assert.deepEqual(dashes(svg(points, WORDS)).reverse(), dashes(legend(points, WORDS)));
});
