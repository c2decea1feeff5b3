import assert from "node:assert/strict";
import { test } from "node:test";

import { Adam } from "../../book/_static/lab/adam.mjs";

test("the first step is the learning rate against the gradient's sign, however small that is", () => {
  const image = Float32Array.of(0.5, 0.5, 0.5);
  new Adam(3).step(image, Float32Array.of(1000, -0.01, 0), 0.1);
  assert.deepEqual([...image].map((v) => +v.toFixed(5)), [0.4, 0.6, 0.5]);
});

test("the picture stays in [0, 1]", () => {
  const image = Float32Array.of(0.01, 0.99);
  new Adam(2).step(image, Float32Array.of(1, -1), 0.5);
  assert.deepEqual([...image], [0, 1]);
});

test("it walks to the bottom of a bowl", () => {
  const image = Float32Array.of(0.9);
  const adam = new Adam(1);
  for (let i = 0; i < 400; i++) adam.step(image, Float32Array.of(2 * (image[0] - 0.3)), 0.02);
  assert.ok(Math.abs(image[0] - 0.3) < 1e-3);
});
