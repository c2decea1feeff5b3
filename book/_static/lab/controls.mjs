/**
 * The controls: each displays a setting, and requests a change when the reader moves it.
 *
 * lab.mjs applies the changes. Words, ranges and options come from the manifest.
 *
 * @module controls
 */

import { freshId, make } from "./dom.mjs";
import { logRatio } from "./settings.mjs";
import { controlWords } from "./words.mjs";

/** @import { Settings } from "./settings.mjs" */
/** @import { ControlWords, Manifest } from "./words.mjs" */

/**
 * @typedef {(change: Partial<Settings>) => void} Ask
 * @typedef {{element: HTMLElement, show: (settings: Settings) => void}} Control
 * @typedef {{title: string, alt: string, kind: string, credit: string, address: string}} Entry
 *     a picture to choose from
 * @typedef {object} Surroundings
 * @property {Manifest} manifest
 * @property {Map<string, Entry>} pictures
 * @property {Ask} ask
 * @property {(name: "content" | "style", file: File) => Promise<void>} take uses a picture of the reader's own
 */

/**
 * @param {string} name
 * @param {Surroundings} around
 * @returns {Control}
 */
export function makeControl(name, around) {
  const words = controlWords(around.manifest.words, name);
  if (name === "content" || name === "style") return pictureControl(name, words, around);
  if (name === "layers") return layerControl(words, around);
  if (words.kind === "slider") return sliderControl(name, words, around.ask);
  return choiceControl(name, words, around);
}

/**
 * A label, the inputs, a line of help.
 *
 * @param {ControlWords} words
 * @param {HTMLElement[]} inputs the label belongs to the first
 * @param {HTMLElement} [readout]
 */
function framed(words, inputs, readout) {
  const [id, helpId] = [freshId(words.name), freshId("help")];
  inputs[0].id = id;
  inputs[0].setAttribute("aria-describedby", helpId);
  const label = make("label", { for: id }, words.label);
  const head = make("div", { class: "nst-lab-label" }, label, ...(readout ? [readout] : []));
  const help = make("small", { id: helpId }, words.help);
  return make("div", { class: "nst-lab-control", "data-name": words.name }, head, ...inputs, help);
}

const DIGITS = 4; // significant digits of a value set by a slider

/** Conversions between a slider's position and a setting; some scales are logarithmic.
 * @type {Record<string, {place: (settings: Settings) => number,
 *     change: (place: number, settings: Settings) => Partial<Settings>, digits: number}>}
 */
const SCALES = {
  ratio: {
    place: logRatio,
    change: (place, { alpha }) => ({ beta: +((alpha || 1) * 10 ** place).toPrecision(DIGITS) }),
    digits: 1,
  },
  learning_rate: {
    place: ({ learningRate }) => Math.log10(learningRate),
    change: (place) => ({ learningRate: +(10 ** place).toPrecision(DIGITS) }),
    digits: 1,
  },
  steps: { place: ({ steps }) => steps, change: (place) => ({ steps: place }), digits: 0 },
};

/**
 * @param {string} name
 * @param {ControlWords} words
 * @param {Ask} ask
 * @returns {Control}
 */
function sliderControl(name, words, ask) {
  const { place, change, digits } = SCALES[name];
  const { slider, readout, show } = makeSlider(words, digits);
  /** @type {Settings} */
  let shown;
  slider.addEventListener("input", () => ask(change(slider.valueAsNumber, shown)));
  return {
    element: framed(words, [slider], readout),
    show(settings) {
      shown = settings;
      show(place(settings));
    },
  };
}

/**
 * A slider and the display of its value.
 *
 * @param {ControlWords} words
 * @param {number} digits after the decimal point
 * @param {Record<string, string>} [attributes]
 */
function makeSlider(words, digits, attributes = {}) {
  const { min = 0, max = 1, step = 0.1 } = words;
  const slider = make("input", { type: "range", min, max, step, ...attributes });
  const readout = make("span", { class: "nst-lab-readout", "aria-hidden": "true" });
  const write = () => (readout.textContent = signed(slider.valueAsNumber.toFixed(digits)));
  slider.addEventListener("input", write);
  const show = (/** @type {number} */ place) => {
    slider.min = String(Math.min(min, Math.floor(place)));
    slider.max = String(Math.max(max, Math.ceil(place)));
    slider.value = String(place);
    write();
  };
  return { slider, readout, show };
}

/** With a true minus sign. @param {string} number */
function signed(number) {
  return number.replace("-", "−");
}

/**
 * A slider for each layer's weight.
 *
 * @param {ControlWords} words
 * @param {Surroundings} around
 * @returns {Control}
 */
function layerControl(words, { manifest, ask }) {
  const names = manifest.network.style_layers.map((layer) => layer.name);
  const colours = manifest.words.curves.colours.style;
  /** @type {Settings} */
  let shown;
  const rows = names.map((name, index) => {
    const id = freshId(name);
    const parts = makeSlider(words, 2, { id });
    const move = () => ({ ...shown.styleLayers, [name]: parts.slider.valueAsNumber });
    parts.slider.addEventListener("input", () => ask({ styleLayers: move() }));
    const swatch = make("i", { style: `background:${colours[index % colours.length]}` });
    const label = make("label", { for: id }, swatch, name);
    return { ...parts, name, row: make("div", {}, label, parts.slider, parts.readout) };
  });
  const legend = make("legend", { class: "nst-lab-label" }, words.label);
  const help = make("small", {}, words.help);
  const list = make("div", { class: "nst-lab-layers" }, ...rows.map(({ row }) => row));
  const marks = { class: "nst-lab-control", "data-name": words.name };
  return {
    element: make("fieldset", marks, legend, list, help),
    show(settings) {
      shown = settings;
      for (const { name, show } of rows) show(settings.styleLayers[name] ?? 0);
    },
  };
}

/** Conversions between a choice and a setting.
 * @type {Record<string, {get: (settings: Settings) => string,
 *     change: (value: string) => Partial<Settings>}>}
 */
const CHOICES = {
  start: { get: ({ start }) => start, change: (start) => ({ start }) },
  size: { get: ({ size }) => String(size), change: (value) => ({ size: Number(value) }) },
  content_layer: {
    get: ({ contentLayers }) => Object.keys(contentLayers).join(" + "),
    change: (layer) => ({ contentLayers: { [layer]: 1 } }),
  },
};

/**
 * @param {string} name
 * @param {ControlWords} words
 * @param {Surroundings} around
 * @returns {Control}
 */
function choiceControl(name, words, { manifest, ask }) {
  const { get, change } = CHOICES[name];
  const layers = manifest.network.content_layers.map((layer) => ({
    value: layer.name,
    label: layer.name,
  }));
  const list = make("select");
  for (const { value, label } of words.options ?? layers)
    list.append(make("option", { value }, label));
  list.addEventListener("change", () => ask(change(list.value)));
  return { element: framed(words, [list]), show: (settings) => select(list, get(settings)) };
}

/** Select a value, adding it to the list if it is missing. */
function select(/** @type {HTMLSelectElement} */ list, /** @type {string} */ value) {
  const known = [...list.options].some((option) => option.value === value);
  if (!known) list.append(make("option", { value }, value));
  list.value = value;
}

/**
 * A list of samples, a thumbnail of the selected one, and an upload for the reader's own.
 *
 * @param {"content" | "style"} name
 * @param {ControlWords} words
 * @param {Surroundings} around
 * @returns {Control}
 */
function pictureControl(name, words, { manifest, pictures, ask, take }) {
  const list = make("select");
  const thumbnail = make("img", { class: "dark-light", width: 72, height: 72, alt: "" });
  const file = make("input", { type: "file", accept: "image/*", class: "nst-lab-unseen" });
  const button = make("label", { class: "nst-lab-button" }, file, manifest.words.actions.upload);
  const credit = make("small");
  const row = make("div", { class: "nst-lab-chooser" }, thumbnail, make("div", {}, list, button));
  const element = framed(words, [list]);
  list.replaceWith(row);
  row.lastElementChild?.prepend(list);
  element.append(credit);
  list.addEventListener("change", () => ask({ [name]: list.value }));
  file.addEventListener("change", () => file.files?.[0] && take(name, file.files[0]));
  acceptDrops(element, (dropped) => take(name, dropped));
  return {
    element,
    show(settings) {
      const kinds = [...(words.samples ?? []), "own"];
      const offered = [...pictures].filter(([, entry]) => kinds.includes(entry.kind));
      if (list.options.length !== offered.length)
        list.replaceChildren(...offered.map(([value, e]) => make("option", { value }, e.title)));
      select(list, settings[name]);
      const chosen = pictures.get(settings[name]);
      Object.assign(thumbnail, { src: chosen?.address, alt: chosen?.alt });
      credit.textContent = chosen?.credit ?? "";
    },
  };
}

/**
 * Accept files dropped on an element.
 *
 * @param {HTMLElement} element
 * @param {(file: File) => void} take
 */
function acceptDrops(element, take) {
  const over = (/** @type {boolean} */ is) => element.classList.toggle("nst-lab-over", is);
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  element.addEventListener("dragleave", () => over(false));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
}
