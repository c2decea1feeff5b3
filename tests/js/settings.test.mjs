import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as settings from "../../book/_static/lab/settings.mjs";

const readJson = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url)));
const MANIFEST = {
  ...readJson("../../book/_static/lab/lab.json"),
  words: readJson("../../nst_teach/studio_controls.json"),
};
const DATA = { content: "chelsea", style: "dots" };
const read = (data) => settings.readSettings({ ...DATA, ...data }, MANIFEST);
const title = (name) => name.toUpperCase();

test("what the attributes leave open is the default", () => {
  const { contentLayers, styleLayers, alpha, beta, start, size, seed } = read({});
  assert.deepEqual(contentLayers, { relu4_2: 1 });
  assert.deepEqual([...new Set(Object.values(styleLayers))], [0.2]);
  assert.deepEqual({ alpha, beta, start, size, seed }, {
    alpha: 1, beta: null, start: "content", size: 128, seed: 0,
  });
});

test("attributes set layers with weights, and numbers", () => {
  const data = { styleLayers: "relu1_1:0.5 relu3_1:0", alpha: "0", learningRate: "0.1", seed: "7" };
  const { styleLayers, alpha, learningRate, seed } = read(data);
  assert.deepEqual(styleLayers, { relu1_1: 0.5, relu3_1: 0 });
  assert.deepEqual([alpha, learningRate, seed], [0, 0.1, 7]);
});

test("no content layers at all is a texture's wish, not the default", () => {
  assert.deepEqual(read({ contentLayers: "" }).contentLayers, {});
});

for (const [attribute, value] of [
  ["content", "nobody"], ["styleLayers", "relu9_9"], ["alpha", "much"], ["beta", "-1"],
])
  test(`${attribute}="${value}" is refused by name`, () => {
    assert.throws(() => read({ [attribute]: value }), (error) => error.message.includes(value));
  });

test("an open β grows with the number of features", () => {
  const at = (size) => settings.defaultBeta(read({}), MANIFEST, { height: size, width: size });
  assert.equal(at(128), 30 * 128 * 16 * 16);
  assert.equal(at(256), 4 * at(128));
});

test("a β that the author left open goes on following the size", () => {
  assert.equal(read({ beta: String(30 * 128 * 10 * 16) }).beta, null);
  assert.equal(read({ beta: "1000" }).beta, 1000);
});

test("controls come in their own order, and Adam is not offered as a choice", () => {
  const { words } = MANIFEST;
  assert.deepEqual(settings.readControls("start ratio", words), ["ratio", "start"]);
  assert.ok(!settings.readControls(undefined, words).includes("optimizer"));
  assert.throws(() => settings.readControls("warp", words), /warp/);
});

test("marks say what was moved, in few words", () => {
  const before = { ...read({}), beta: 1e5 };
  const moved = (wish) =>
    settings.changes(before, { ...before, ...wish }, MANIFEST.words, title).map((c) => c.text);
  assert.deepEqual(moved({ beta: 1e6 }), ["log β/α 6.0"]);
  assert.deepEqual(moved({ styleLayers: { ...before.styleLayers, relu1_1: 0 } }), [
    "layers relu1_1 0",
  ]);
  assert.deepEqual(moved({ style: "ink_hills" }), ["style INK_HILLS"]);
  assert.deepEqual(moved({ learningRate: 0.1 }), ["log rate −1.0"]);
  assert.deepEqual(moved({ steps: 7, start: "grey" }), []);
});
