/**
 * The display: the image, the curves, the buttons. It only shows things and reports which button is
 * pressed.
 *
 * @module view
 */

import { legend, svg } from "./curve.mjs";
import { freshId, make } from "./dom.mjs";
import { fill } from "./words.mjs";

/** @import { Point } from "./curve.mjs" */
/** @import { Mark } from "./settings.mjs" */
/** @import { Words } from "./words.mjs" */

/** @typedef {"go" | "step" | "reset" | "save" | "code" | "copy"} Action */
/** @typedef {{bytes: Uint8ClampedArray, width: number, height: number}} Frame */

export class View {
  /**
   * @param {HTMLElement} figure
   * @param {Words} words
   * @param {object} given
   * @param {HTMLElement[]} given.controls
   * @param {boolean} given.simple only start, reset and the controls
   * @param {(action: Action) => void} given.press
   * @param {(index: number) => void} given.scrub
   */
  constructor(figure, words, { controls, simple, press, scrub }) {
    this.words = words;
    this.figure = figure;
    /** @type {ReturnType<typeof makeStage>} */
    this.stage = makeStage(figure.querySelector("img") ?? make("img", { alt: "" }));
    this.stage.arrow.addEventListener("click", () => press("go"));
    this.buttons = makeButtons(words, press);
    this.status = make("div", { class: "nst-lab-status" });
    this.scrubber = makeScrubber(toolWords(words, "scrub"));
    this.scrubber.slider.addEventListener("input", () => scrub(this.scrubber.slider.valueAsNumber));
    this.code = makeCode(toolWords(words, "code"), this.buttons.copy);
    this.note = make("div", { class: "nst-lab-note", role: "alert", hidden: true });
    this.live = make("div", { class: "nst-lab-unseen", role: "status" });
    figure.prepend(this.assemble(controls, simple));
    figure.classList.add("nst-lab-alive");
  }

  /**
   * @param {HTMLElement[]} controls
   * @param {boolean} simple
   */
  assemble(controls, simple) {
    const { go, step, reset, save, code } = this.buttons;
    const buttons = row(...(simple ? [go, reset] : [go, step, reset]));
    const transport = make("div", { class: "nst-lab-transport" }, buttons, this.status);
    const panel = make("div", { class: "nst-lab-controls" }, ...controls);
    const tools = [this.scrubber.element, panel, row(save, code), this.code.element];
    const parts = [this.stage.element, transport, this.note, ...(simple ? [panel] : tools)];
    return make("div", { class: "nst-lab-body" }, ...parts, this.live);
  }

  /** Draw an image on the canvas, in place of the poster. @param {Frame} frame @param {string} alt */
  showPicture({ bytes, width, height }, alt) {
    if (this.stage.canvas.width !== width || this.stage.canvas.height !== height)
      Object.assign(this.stage.canvas, { width, height });
    const image = new ImageData(new Uint8ClampedArray(bytes), width, height);
    this.stage.canvas.getContext("2d")?.putImageData(image, 0, 0);
    this.stage.canvas.setAttribute("aria-label", alt);
    this.stage.canvas.hidden = false;
    this.stage.poster.hidden = true;
    const caption = this.figure.querySelector("figcaption");
    if (caption) caption.hidden = true; // it describes the poster
  }

  /** @param {Point[]} points @param {Mark[]} marks @param {number | null} cursor @param {string} description */
  showCurve(points, marks, cursor, description) {
    const { curves } = this.words;
    this.stage.curve.innerHTML = svg(points, curves, { marks, cursor, description });
    const text = points.length ? legend(points, curves) : "";
    if (this.stage.legend.innerHTML !== text) this.stage.legend.innerHTML = text;
  }

  /** @param {number[]} steps with a frame @param {number} index of the displayed one */
  showFrames(steps, index) {
    this.scrubber.slider.disabled = steps.length < 2;
    this.scrubber.slider.max = String(Math.max(0, steps.length - 1));
    this.scrubber.slider.value = String(index);
    const text = String(steps[index] ?? 0);
    this.scrubber.slider.setAttribute("aria-valuetext", fill(this.words.messages.picture_now, { step: text }));
    this.scrubber.readout.textContent = text;
  }

  /** @param {string} text */
  showStatus(text) {
    this.status.textContent = text;
  }

  /** Announce to screen readers. @param {string} text */
  announce(text) {
    this.live.textContent = text;
  }

  /** Show a message until the next action; an empty text removes it. @param {string} text */
  showNote(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  /** @param {string} label of the main button @param {boolean} busy whether all buttons are disabled */
  showButtons(label, busy) {
    this.buttons.go.textContent = label;
    this.stage.arrow.hidden = busy || label !== this.words.actions.start || this.stage.poster.hidden;
    for (const name of /** @type {const} */ (["go", "step", "reset"]))
      this.buttons[name].disabled = busy;
    this.figure.toggleAttribute("aria-busy", busy);
  }

  /** Show the code, or hide it again. @param {string} text */
  toggleCode(text) {
    this.code.text.textContent = text;
    this.code.element.hidden = !this.code.element.hidden;
    this.buttons.code.setAttribute("aria-expanded", String(!this.code.element.hidden));
  }

  /** @param {string} text */
  showCode(text) {
    this.code.text.textContent = text;
  }
}

/** The poster or the canvas, with the curves next to it. @param {HTMLImageElement} poster */
function makeStage(poster) {
  poster.classList.add("dark-light"); // otherwise the theme dims it on a dark page
  const canvas = make("canvas", { role: "img", hidden: true });
  const arrow = make("span", { class: "nst-lab-arrow", "aria-hidden": "true" }, "▶");
  const picture = make("div", { class: "nst-lab-picture" }, poster, canvas, arrow);
  const curve = make("div", { class: "nst-lab-curve" });
  const legendRow = make("div", { class: "nst-lab-legend" });
  const element = make("div", { class: "nst-lab-stage" }, picture, make("div", {}, curve, legendRow));
  return { element, poster, canvas, arrow, curve, legend: legendRow };
}

/** @param {Words} words @param {(action: Action) => void} press */
function makeButtons({ actions, lab }, press) {
  const button = (/** @type {Action} */ name, /** @type {string} */ label, look = "") => {
    const made = make("button", { type: "button", class: `nst-lab-button ${look}` }, label);
    made.addEventListener("click", () => press(name));
    return made;
  };
  const code = button("code", actions.copy);
  code.setAttribute("aria-expanded", "false");
  return {
    go: button("go", actions.start, "nst-lab-main"),
    step: button("step", actions.step),
    reset: button("reset", actions.reset),
    save: button("save", actions.save),
    copy: button("copy", lab.copy),
    code,
  };
}

/** @param {{label: string, help: string}} words */
function makeScrubber({ label, help }) {
  const id = freshId("scrub");
  const slider = make("input", { type: "range", id, min: 0, max: 0, value: 0, disabled: true });
  const readout = make("span", { class: "nst-lab-readout", "aria-hidden": "true" });
  const name = make("label", { for: id, title: help }, label);
  const element = make("div", { class: "nst-lab-scrubber" }, name, slider, readout);
  return { element, slider, readout };
}

/** @param {{label: string, help: string}} words @param {HTMLElement} button */
function makeCode({ label, help }, button) {
  // Not a <pre>: the theme takes those that have nothing to scroll yet out of the tab order.
  const text = make("code", { tabindex: 0, role: "group", "aria-label": label });
  const foot = row(button, make("small", {}, help));
  const element = make("div", { class: "nst-lab-code", hidden: true }, text, foot);
  return { element, text };
}

/** @param {...HTMLElement} children */
function row(...children) {
  return make("div", { class: "nst-lab-row" }, ...children);
}

/** @param {Words} words @param {string} name */
function toolWords({ tools }, name) {
  return tools.find((tool) => tool.name === name) ?? { label: name, help: "" };
}
