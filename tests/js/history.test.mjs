import assert from "node:assert/strict";
import { test } from "node:test";

import { Frames, MOST_FRAMES } from "../../book/_static/lab/frames.mjs";
import { History } from "../../book/_static/lab/history.mjs";

const losses = (total) => ({ total, content: {}, style: {} });

test("frames stay evenly spaced and few, however long the run", () => {
  const frames = new Frames();
  for (let step = 0; step <= 1000; step++) frames.add(step, () => step);
  const { steps } = frames;
  const distances = steps.slice(1).map((step, i) => step - steps[i]);
  assert.ok(steps.length <= MOST_FRAMES);
  assert.deepEqual([...new Set(distances)].length, 1);
  assert.equal(steps[0], 0);
  assert.equal(frames.at(steps[3]), steps[3]);
});

test("frames that are not kept are not made", () => {
  const frames = new Frames();
  let made = 0;
  for (let step = 0; step <= 1000; step++) frames.add(step, () => made++);
  assert.ok(made < 500);
});

test("a point belongs to the picture that the step began with", () => {
  const past = new History(10);
  past.record(1, losses(8), 0);
  past.record(2, losses(2), 100);
  assert.deepEqual(past.points.map((p) => p.step), [0, 1]);
  assert.equal(past.percent, 25);
});

test("pace and time left come from the clock, and a pause is no part of them", () => {
  const past = new History(14);
  for (let step = 1; step <= 4; step++) past.record(step, losses(1), 500 * step);
  assert.equal(past.pace, 2);
  assert.equal(past.left, 5);
  past.breathe();
  assert.equal(past.pace, 0);
});

test("a slider on its way leaves one mark; another one, or a later move, a new one", () => {
  const past = new History(100);
  const move = (name, text) => past.mark({ name, text });
  move("ratio", "5.1");
  move("ratio", "5.2");
  move("layers", "off");
  assert.deepEqual(past.marks.map((mark) => mark.text), ["5.2", "off"]);
  past.record(50, losses(1), 0);
  move("layers", "on");
  assert.deepEqual(past.marks.map((mark) => mark.step), [0, 0, 50]);
});

test("a mark moves on to the first point that has seen the turn, and stays there", () => {
  const past = new History(100);
  past.record(1, losses(1), 0);
  past.mark({ name: "ratio", text: "5", turn: 1 });
  past.record(2, losses(1), 0, 0); // was under way when the dial was turned
  past.record(3, losses(1), 0, 1);
  past.record(4, losses(1), 0, 1);
  assert.deepEqual(past.marks.map((mark) => mark.step), [2]);
});

test("a finished run goes on for as many steps as are asked for", () => {
  const past = new History(10);
  past.record(10, losses(1), 0);
  assert.ok(past.isOver);
  past.extend(5);
  assert.equal(past.target, 15);
  past.resize(30);
  assert.equal(past.target, 40);
});

const COMPUTED = {
  steps: [0, 20, 40],
  total: [8, 4, 2],
  parts: { "content relu4_2": [0, 1, 1], "style relu1_1": [8, 3, null] },
  marks: [[20, "relu1_1 0"]],
};

test("the cell's run comes with its points, its marks and its length", () => {
  const past = History.computed(JSON.stringify(COMPUTED));
  assert.deepEqual(past.points[1], {
    step: 20,
    losses: { total: 4, content: { relu4_2: 1 }, style: { relu1_1: 3 } },
  });
  assert.deepEqual(past.marks.map(({ step, text }) => [step, text]), COMPUTED.marks);
  assert.deepEqual([past.step, past.percent], [40, 25]);
});

test("a part that was off is left out; one that was zero is not", () => {
  const { points } = History.computed(JSON.stringify(COMPUTED));
  assert.deepEqual(points[2].losses.style, {});
  assert.deepEqual(points[0].losses.content, { relu4_2: 0 });
});

test("a cell that took no step has left an empty curve", () => {
  const past = History.computed(undefined);
  assert.deepEqual([past.points, past.step, past.percent], [[], 0, undefined]);
});
