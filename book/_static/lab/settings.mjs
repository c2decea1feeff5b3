/**
 * The settings of a run: read from the page, compared, and written as Python code.
 *
 * @module settings
 */

import { fit } from "./images.mjs";
import { controlWords, optionLabel } from "./words.mjs";

/** @import { Dials } from "./protocol.mjs" */
/** @import { Manifest, Words } from "./words.mjs" */

/**
 * The names and meanings are those of `nst_teach.transfer`.
 * @typedef {object} Settings
 * @property {string} content a sample, or a picture of the reader's own
 * @property {string} style
 * @property {Record<string, number>} contentLayers
 * @property {Record<string, number>} styleLayers
 * @property {number} alpha
 * @property {number | null} beta null: the default, which depends on the size
 * @property {string} start
 * @property {number} learningRate
 * @property {number} steps
 * @property {number} size
 * @property {number} seed
 */

/**
 * A change made during a run.
 * @typedef {{step: number, name: string, text: string, turn?: number}} Mark
 *     `turn` counts the changes of the dials
 */

// A β so close to the default is taken as the default: cropping a picture to whole blocks changes the
// number of its features by up to this share.
const NEAR_DEFAULT = 0.25;
const UNSUPPORTED = ["optimizer"]; // the page only has Adam

/**
 * The settings given by the `data-` attributes of a figure; missing ones have their defaults.
 *
 * @param {Record<string, string | undefined>} data
 * @param {Manifest} manifest
 * @returns {Settings}
 */
export function readSettings(data, manifest) {
  const { network, words, samples } = manifest;
  const titles = samples.map((sample) => sample.name);
  const standard = (/** @type {string} */ name) => controlWords(words, name).default ?? 0;
  const settings = {
    content: oneOf("content", data.content, titles),
    style: oneOf("style", data.style, titles),
    contentLayers: layers("content-layers", data.contentLayers, network.content_layers, () =>
      share(network.default_content_layers, 1),
    ),
    styleLayers: layers("style-layers", data.styleLayers, network.style_layers, () =>
      share(network.default_style_layers, 1 / network.default_style_layers.length),
    ),
    alpha: number("alpha", data.alpha, 1),
    beta: data.beta ? number("beta", data.beta, 0) : null,
    start: data.start || "content",
    learningRate: number("learning-rate", data.learningRate, standard("learning_rate")),
    steps: number("steps", data.steps, standard("steps")),
    size: number("size", data.size, standard("size")),
    seed: number("seed", data.seed, 0),
  };
  return { ...settings, beta: isDefaultBeta(settings, manifest) ? null : settings.beta };
}

/**
 * Whether β is (nearly) the default, and should then follow the size.
 *
 * @param {Settings} settings
 * @param {Manifest} manifest
 */
function isDefaultBeta(settings, manifest) {
  const sample = manifest.samples.find(({ name }) => name === settings.content);
  if (settings.beta === null || !sample) return false;
  const shape = fit(sample, settings.size, manifest.network.stride);
  return Math.abs(settings.beta / defaultBeta(settings, manifest, shape) - 1) < NEAR_DEFAULT;
}

/**
 * The controls of a figure, in their standard order.
 *
 * @param {string | undefined} asked names, separated by spaces; all controls if empty
 * @param {Words} words
 */
export function readControls(asked, words) {
  const names = words.controls.map((control) => control.name);
  const wanted = asked?.trim() ? asked.trim().split(/\s+/) : names;
  wanted.forEach((name) => oneOf("controls", name, names));
  return names.filter((name) => wanted.includes(name) && !UNSUPPORTED.includes(name));
}

/**
 * @param {string} attribute
 * @param {string | undefined} value
 * @param {string[]} choices
 */
function oneOf(attribute, value, choices) {
  if (value && choices.includes(value)) return value;
  throw new Error(`data-${attribute}="${value ?? ""}": choose from ${choices.join(", ")}`);
}

/**
 * @param {string} attribute
 * @param {string | undefined} text
 * @param {number} standard
 */
function number(attribute, text, standard) {
  if (!text) return standard;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`data-${attribute}="${text}": a number is expected, 0 or more`);
}

/**
 * Weights by layer, from "relu1_1:0.5 relu2_1:0.5".
 *
 * @param {string} attribute
 * @param {string | undefined} text
 * @param {{name: string}[]} known
 * @param {() => Record<string, number>} standard
 */
function layers(attribute, text, known, standard) {
  if (text === undefined) return standard();
  const names = known.map((layer) => layer.name);
  const pairs = text.split(/\s+/).filter(Boolean).map((pair) => pair.split(":"));
  return Object.fromEntries(
    pairs.map(([name, weight]) => [oneOf(attribute, name, names), number(attribute, weight, 1)]),
  );
}

/**
 * @param {string[]} names
 * @param {number} weight
 */
function share(names, weight) {
  return Object.fromEntries(names.map((name) => [name, weight]));
}

/**
 * The default β: the same balance at every size (nst_teach.StyleObjective).
 *
 * @param {Settings} settings
 * @param {Manifest} manifest
 * @param {{height: number, width: number}} size of the image
 */
export function defaultBeta(settings, { network, style_strength }, { height, width }) {
  const used = network.content_layers.filter((layer) => layer.name in settings.contentLayers);
  const features = used.reduce(
    (sum, { filters, spacing }) => sum + filters * (height / spacing) * (width / spacing),
    0,
  );
  return (settings.alpha || 1) * style_strength * Math.max(features, 1);
}

/**
 * The settings that the worker needs at each step.
 *
 * @param {Settings} settings
 * @returns {Dials}
 */
export function dials({ contentLayers, styleLayers, alpha, beta, learningRate }) {
  return { contentLayers, styleLayers, alpha, beta: beta ?? 0, learningRate };
}

/**
 * log₁₀ β/α, as in the control.
 * @param {Settings} settings
 */
export function logRatio({ alpha, beta }) {
  return Math.log10((beta || 1) / (alpha || 1));
}

/**
 * The differences between two settings, as short labels for the curves.
 *
 * @param {Settings} before
 * @param {Settings} after
 * @param {Words} words
 * @param {(name: string) => string} title of a picture
 * @returns {{name: string, text: string}[]}
 */
export function changes(before, after, words, title) {
  /** @type {[string, string][]} */
  const moved = [];
  if (before.content !== after.content) moved.push(["content", title(after.content)]);
  if (before.style !== after.style) moved.push(["style", title(after.style)]);
  if (before.beta !== after.beta) moved.push(["ratio", logRatio(after).toFixed(1)]);
  if (differ(before.contentLayers, after.contentLayers))
    moved.push(["content_layer", Object.keys(after.contentLayers).join(" ")]);
  if (differ(before.styleLayers, after.styleLayers))
    moved.push(["layers", movedLayers(before.styleLayers, after.styleLayers)]);
  if (before.learningRate !== after.learningRate)
    moved.push(["learning_rate", Math.log10(after.learningRate).toFixed(1).replace("-", "−")]);
  return moved.map(([name, text]) => ({ name, text: `${controlWords(words, name).mark} ${text}` }));
}

/**
 * @param {Record<string, number>} one
 * @param {Record<string, number>} other
 */
function differ(one, other) {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].some((name) => (one[name] ?? 0) !== (other[name] ?? 0));
}

/**
 * @param {Record<string, number>} before
 * @param {Record<string, number>} after
 */
function movedLayers(before, after) {
  const moved = Object.keys(after).filter((name) => (before[name] ?? 0) !== after[name]);
  if (moved.length === 1) return `${moved[0]} ${+after[moved[0]].toPrecision(2)}`;
  const used = Object.keys(after).filter((name) => after[name]);
  return used.length <= 2 ? used.join(", ") : `${moved.length} changed`;
}

/**
 * The call of `transfer` that corresponds to the settings of the lab.
 *
 * @param {Settings} settings
 * @param {object} run
 * @param {number} run.steps the number of steps taken, or to be taken
 * @param {Mark[]} run.marks changes made during the run, which become a comment
 * @param {(name: string) => string} run.picture the Python expression for a picture
 */
export function transferCall(settings, { steps, marks, picture }) {
  const lines = [
    picture(settings.content),
    picture(settings.style),
    `content_layers=${dictionary(settings.contentLayers)}`,
    `style_layers=${dictionary(settings.styleLayers)}`,
    `alpha=${settings.alpha}`,
    `beta=${settings.beta}`,
    `start="${settings.start}"`,
    'optimizer="adam"',
    `learning_rate=${settings.learningRate}`,
    `steps=${steps}`,
    `size=${settings.size}`,
    `seed=${settings.seed}`,
  ].map((line) => `    ${line},`);
  const head = ["from nst_teach import transfer", "", ...comment(marks), "result = transfer("];
  return [...head, ...lines, ")", 'result.save("result.png")', ""].join("\n");
}

/**
 * A Python dictionary, one layer per line, without layers of weight 0.
 *
 * @param {Record<string, number>} weights
 */
function dictionary(weights) {
  const used = Object.entries(weights).filter(([, weight]) => weight);
  const rows = used.map(([name, weight]) => `        "${name}": ${weight},`);
  return rows.length ? ["{", ...rows, "    }"].join("\n") : "{}";
}

/** @param {Mark[]} marks */
function comment(marks) {
  if (!marks.length) return [];
  const moves = marks.map(({ step, text }) => `#   step ${step}: ${text}`);
  return ["# The final settings from the start. During the run in the page, these were changed:", ...moves];
}

/**
 * The name of the start in the controls.
 *
 * @param {Words} words
 * @param {Settings} settings
 */
export function startLabel(words, settings) {
  return optionLabel(words, "start", settings.start);
}
