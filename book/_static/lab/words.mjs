/**
 * The words and ranges that the lab shares with the studio: nst_teach/studio_controls.json, which
 * tools/assets.py copies into the folder of served files.
 *
 * @module words
 */

/** @import { Network } from "./protocol.mjs" */

/**
 * @typedef {{value: string | number, label: string}} Option
 * @typedef {object} ControlWords
 * @property {string} name
 * @property {string} mark the short name in the marks of the curves
 * @property {"picture" | "slider" | "choice" | "sliders"} kind
 * @property {string} label
 * @property {string} help
 * @property {number} [min]
 * @property {number} [max]
 * @property {number} [step]
 * @property {number} [default]
 * @property {Option[]} [options]
 * @property {string[]} [samples] kinds of samples to choose from
 */

/**
 * What each curve is drawn with, the styles from shallow to deep.
 * @typedef {{content: string, style: string[]}} Looks
 */

/**
 * @typedef {object} Words
 * @property {ControlWords[]} controls
 * @property {{name: string, label: string, help: string}[]} tools
 * @property {Record<string, string>} actions
 * @property {Record<string, string>} messages
 * @property {Record<string, string>} lab
 * @property {{title: string, axis: string, total: string, content: string, style: string,
 *     kept: string, colours: Looks, dashes: Looks}} curves
 */

/**
 * @typedef {{name: string, kind: string, title: string, alt: string, credit: string,
 *     file: string, width: number, height: number}} Sample
 * @typedef {object} Manifest
 * @property {string} graph
 * @property {number} megabytes
 * @property {Network} network
 * @property {number} style_strength
 * @property {Sample[]} samples
 * @property {Words} words
 */

/**
 * Fill in a sentence: "{step} of {steps}".
 *
 * @param {string} sentence
 * @param {Record<string, string | number>} values
 */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * @param {Words} words
 * @param {string} name
 * @returns {ControlWords}
 */
export function controlWords(words, name) {
  const found = words.controls.find((control) => control.name === name);
  if (!found) throw new Error(`there is no control '${name}'`);
  return found;
}

/**
 * The label of `value` in the control `name`.
 *
 * @param {Words} words
 * @param {string} name
 * @param {string | number} value
 */
export function optionLabel(words, name, value) {
  const options = controlWords(words, name).options ?? [];
  return options.find((option) => option.value === value)?.label ?? String(value);
}
