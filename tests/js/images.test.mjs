import assert from "node:assert/strict";
import { test } from "node:test";

import { fit, fromBytes, middle, startPicture, toBytes } from "../../book/_static/lab/images.mjs";

test("sides are whole multiples of the stride, the longer one as asked for", () => {
  assert.deepEqual(fit({ width: 451, height: 300 }, 128, 16), { height: 80, width: 128 });
  assert.deepEqual(fit({ width: 300, height: 451 }, 128, 16), { height: 128, width: 80 });
  assert.deepEqual(fit({ width: 512, height: 512 }, 96, 16), { height: 96, width: 96 });
  assert.deepEqual(fit({ width: 451, height: 300 }, 96, 16), { height: 64, width: 96 }, "nearest");
});

test("a thin picture keeps enough rows for the deepest layer", () => {
  assert.deepEqual(fit({ width: 1000, height: 20 }, 128, 16), { height: 32, width: 128 });
});

test("the middle of a picture has the shape asked for and touches two edges", () => {
  const cut = middle({ width: 400, height: 200 }, { width: 100, height: 100 });
  assert.deepEqual(cut, { x: 100, y: 0, width: 200, height: 200 });
});

test("bytes become planes of red, green and blue in [0, 1], and bytes again", () => {
  const data = Uint8ClampedArray.of(255, 0, 51, 255, 0, 255, 102, 255);
  const picture = fromBytes({ data, width: 2, height: 1 });
  const expected = [1, 0, 0, 1, 0.2, 0.4].map(Math.fround);
  assert.deepEqual([...picture.pixels], expected);
  assert.deepEqual(toBytes(picture), data);
});

test("the starts: a copy of the content, grey, and noise that depends on the seed", () => {
  const content = { pixels: Float32Array.of(0.1, 0.2, 0.3), width: 1, height: 1 };
  const start = (name, seed = 0) => startPicture(name, content, undefined, seed).pixels;
  assert.deepEqual(start("content"), content.pixels);
  assert.notEqual(start("content"), content.pixels, "the run must not write on the content");
  assert.deepEqual([...start("grey")], [0.5, 0.5, 0.5]);
  assert.deepEqual(start("noise", 3), start("noise", 3));
  assert.notDeepEqual(start("noise", 3), start("noise", 4));
});
