/**
 * The lab: style transfer in the page, in the reader's browser.
 *
 * It is attached to each `<figure class="nst-lab">` (nst_teach/interactive/embed.py writes them and
 * documents the `data-` attributes). Large files are loaded only when Start is pressed.
 *
 * @module lab
 */

import { makeControl } from "./controls.mjs";
import { make } from "./dom.mjs";
import { Engine, missing } from "./engine.mjs";
import { History } from "./history.mjs";
import { cover, fetched, fit, open, startPicture, toBytes } from "./images.mjs";
import * as settings from "./settings.mjs";
import { View } from "./view.mjs";
import { fill } from "./words.mjs";

/** @import { Entry } from "./controls.mjs" */
/** @import { Answer, Picture, Step } from "./protocol.mjs" */
/** @import { Settings } from "./settings.mjs" */
/** @import { Action, Frame } from "./view.mjs" */
/** @import { Manifest } from "./words.mjs" */

const SIMPLE = 2; // up to so many controls: a figure that shows only them, Start and Reset
const CURVE_EVERY = 120; // ms; a curve cannot be read faster
const CALM_EVERY = 1000; // ms, for readers who asked for reduced motion
const SPEAK_EVERY = 15_000; // ms between two announcements to screen readers
const COPIED_FOR = 1500; // ms for which the button says "Copied"

/** The lab of the page that is running: only one at a time, because they share the processor. @type {Lab | null} */
let active = null;

/** @type {Promise<Manifest> | undefined} */
let manifestOnce;

/** The samples, the layers, and the words that are shared with the studio. @returns {Promise<Manifest>} */
async function readManifest() {
  const files = ["lab.json", "../vendor/studio_controls.json"];
  const answers = files.map((file) => fetched(new URL(file, import.meta.url).href));
  const [manifest, words] = await Promise.all(answers.map(async (answer) => (await answer).json()));
  return { ...manifest, words };
}

/**
 * Attach a lab to a figure, or explain why that is impossible; the poster remains in any case.
 *
 * @param {HTMLElement} figure
 */
export async function mount(figure) {
  try {
    manifestOnce ??= readManifest();
    const manifest = await manifestOnce;
    const what = missing();
    if (what) throw new Error(fill(manifest.words.lab.missing, { what }));
    Object.assign(figure, { lab: new Lab(figure, manifest) });
  } catch (error) {
    figure.append(make("p", { class: "nst-lab-note", role: "alert" }, reasonOf(error)));
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  return error instanceof Error ? error.message : String(error);
}

export class Lab {
  /**
   * @param {HTMLElement} figure
   * @param {Manifest} manifest
   */
  constructor(figure, manifest) {
    this.manifest = manifest;
    this.words = manifest.words;
    this.pictures = entries(manifest);
    /** @type {Map<string, Promise<ImageBitmap>>} */
    this.bitmaps = new Map();
    this.settings = settings.readSettings({ ...figure.dataset }, manifest);
    /** @type {"poster" | "loading" | "ready" | "running" | "paused" | "finished" | "failed"} */
    this.state = "poster";
    /** @type {Engine | undefined} */
    this.engine = undefined;
    /** @type {{content: Picture, style: Picture, start: Picture} | undefined} the images of the run */
    this.goal = undefined;
    /** @type {Picture | undefined} where the run has got to */
    this.picture = undefined;
    this.run = 0; // the number of the run, to recognise late answers from an earlier one
    this.turn = 0; // the number of changes of the dials, to place the marks
    this.past = this.emptyHistory();
    /** @type {History<Frame>} the run of the cell, which made the poster */
    this.computed = History.computed(figure.dataset.curve);
    /** @type {number | null} the displayed step; null follows the run */
    this.looking = null;
    this.drawn = -Infinity; // when the curve was last drawn, in ms
    this.spoken = -Infinity; // when the last announcement was made, in ms
    /** @type {number | undefined} the timer of the next drawing */
    this.drawing = undefined;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.controls = this.makeControls(figure);
    /** @type {View} */
    this.view = new View(figure, this.words, {
      controls: this.controls.map((control) => control.element),
      simple: this.controls.length <= SIMPLE,
      press: (action) => void this.press(action),
      scrub: (index) => this.scrub(index),
    });
    this.showSettings();
    this.show();
  }

  /** @param {HTMLElement} figure */
  makeControls(figure) {
    const names = settings.readControls(figure.dataset.controls, this.words);
    const around = {
      manifest: this.manifest,
      pictures: this.pictures,
      ask: (/** @type {Partial<Settings>} */ changed) => void this.change(changed),
      take: (/** @type {"content" | "style"} */ name, /** @type {File} */ file) =>
        this.take(name, file),
    };
    return names.map((name) => makeControl(name, around));
  }

  /** @returns {History<Frame>} an empty curve */
  emptyHistory() {
    return new History(this.settings.steps);
  }

  // What the reader does

  /** @param {Action} action */
  async press(action) {
    this.view.showNote("");
    try {
      if (action === "go") await this.go();
      else if (action === "step") await this.oneStep();
      else if (action === "reset") await this.reset();
      else if (action === "save") this.save();
      else if (action === "code") this.view.toggleCode(this.code());
      else if (action === "copy") await this.copy();
    } catch (error) {
      this.fail(reasonOf(error));
    }
  }

  /** The main button: start, pause, resume or go on. */
  async go() {
    if (this.state === "running") return this.pause();
    if (this.state === "finished") this.past.extend(this.settings.steps);
    await this.prepare();
    this.runUntil(this.past.target);
  }

  async oneStep() {
    await this.prepare();
    if (this.past.isOver) this.past.extend(1);
    this.runUntil(this.past.step + 1);
  }

  pause() {
    this.engine?.ask({ type: "pause" });
  }

  async reset() {
    if (this.engine) await this.begin();
    else this.showSettings();
    this.set(this.engine ? "ready" : "poster");
  }

  /** @param {number} index of a frame */
  scrub(index) {
    const { steps } = this.past.frames;
    this.looking = index === steps.length - 1 ? null : steps[index];
    this.show();
  }

  /** Save the displayed image as a file. */
  save() {
    const { content, style } = this.settings;
    const link = make("a", { download: `${this.stem(content)}-${this.stem(style)}-${this.atStep()}.png` });
    this.view.stage.canvas.toBlob((blob) => {
      if (!blob) return;
      link.href = URL.createObjectURL(blob);
      link.click();
      URL.revokeObjectURL(link.href);
      this.view.announce(fill(this.words.messages.saved, { file: link.download }));
    });
  }

  /** The name of a picture, without characters unsuitable for a file name. @param {string} name */
  stem(name) {
    return this.titleOf(name) && name.replace(/\.\w+$/, "").replace(/\W+/g, "_");
  }

  async copy() {
    await navigator.clipboard?.writeText(this.code());
    this.view.announce(this.words.lab.copied);
    this.view.buttons.copy.textContent = this.words.lab.copied;
    setTimeout(() => (this.view.buttons.copy.textContent = this.words.lab.copy), COPIED_FOR);
  }

  /**
   * Use a picture of the reader's own. It stays in this page: nothing is sent anywhere.
   *
   * @param {"content" | "style"} name
   * @param {File} file
   */
  async take(name, file) {
    const bitmap = open(file);
    try {
      await bitmap;
    } catch {
      const reason = this.words.lab.not_a_picture;
      this.view.showNote(fill(this.words.messages.upload_failed, { file: file.name, reason }));
      return;
    }
    this.view.showNote("");
    const address = URL.createObjectURL(file);
    const [title, alt] = [file.name, fill(this.words.lab.own, { file: file.name })];
    const credit = this.words.lab.own_help;
    this.pictures.set(file.name, { title, alt, kind: "own", credit, address });
    this.bitmaps.set(file.name, bitmap); // read once: the pages' policy lets nothing fetch a file
    await this.change({ [name]: file.name });
  }

  // The effects of changed settings

  /** @param {Partial<Settings>} changed */
  async change(changed) {
    const before = this.settings;
    this.settings = { ...before, ...changed };
    this.showSettings();
    if (!this.goal) {
      this.past = this.emptyHistory();
      return this.show();
    }
    try {
      if (changed.steps !== undefined) this.changeLength();
      else if (await this.startsOver(before)) await this.startOver(before);
      else await this.steer(before);
    } catch (error) {
      this.fail(reasonOf(error));
    }
  }

  changeLength() {
    this.past.resize(this.settings.steps);
    if (this.state === "running") this.runUntil(this.past.target);
    else if (this.state === "finished" && !this.past.isOver) this.set("paused");
    else this.show();
  }

  /** Whether the run cannot be continued with the new settings: another start, or another shape. */
  async startsOver(/** @type {Settings} */ before) {
    const { start, seed, size, content } = this.settings;
    if (start !== before.start || seed !== before.seed || size !== before.size) return true;
    if (content === before.content || !this.goal) return false;
    const shape = fit(await this.bitmap(content), size, this.manifest.network.stride);
    return shape.height !== this.goal.content.height || shape.width !== this.goal.content.width;
  }

  /** @param {Settings} before */
  async startOver(before) {
    const { messages, lab } = this.words;
    const wasRunning = this.state === "running";
    const reason = this.settings.start === before.start ? lab.other_shape : lab.other_start;
    await this.begin();
    this.set("ready");
    if (wasRunning) this.runUntil(this.past.target);
    this.view.announce(fill(messages.restarted, { reason }));
  }

  /** Continue with other dials, and mark the change on the curve. @param {Settings} before */
  async steer(before) {
    const { content, style, size } = this.settings;
    const { stride } = this.manifest.network;
    const goal = /** @type {NonNullable<typeof this.goal>} */ (this.goal);
    if (content !== before.content)
      goal.content = cover(await this.bitmap(content), goal.content);
    if (style !== before.style) {
      const bitmap = await this.bitmap(style);
      goal.style = cover(bitmap, fit(bitmap, size, stride));
    }
    const pictures = {
      content: content === before.content ? undefined : goal.content,
      style: style === before.style ? undefined : goal.style,
    };
    this.turn += 1;
    const dials = settings.dials(this.resolved());
    this.engine?.ask({ type: "steer", turn: this.turn, dials, ...pictures });
    this.mark(before);
  }

  /** @param {Settings} before */
  mark(before) {
    const moved = settings.changes(
      this.resolved(before), this.resolved(), this.words, (name) => this.titleOf(name),
    );
    for (const change of moved) this.past.mark({ ...change, turn: this.turn });
    this.show();
  }

  /** The settings, with the default β filled in if none was given. */
  resolved(given = this.settings) {
    if (given.beta !== null || !this.shape) return given;
    return { ...given, beta: settings.defaultBeta(given, this.manifest, this.shape) };
  }

  // The run

  /** Load the engine, once, and prepare the initial image. */
  async prepare() {
    if (active && active !== this) active.pause();
    active = this;
    if (this.engine) return;
    this.set("loading");
    await new Promise((resolve, reject) => {
      this.loaded = { resolve, reject };
      this.engine = new Engine((answer) => this.hear(answer));
      this.engine.load(this.manifest.graph, this.manifest.network);
    });
    await this.begin();
  }

  /** Begin a new run, at its initial image. */
  async begin() {
    const { content, style, size, start, seed } = this.settings;
    const { stride } = this.manifest.network;
    const [photo, painting] = await Promise.all([this.bitmap(content), this.bitmap(style)]);
    const target = cover(photo, fit(photo, size, stride));
    const first = startPicture(start, target, painting, seed);
    const model = cover(painting, fit(painting, size, stride));
    this.goal = { content: target, style: model, start: first };
    [this.past, this.looking] = [this.emptyHistory(), null];
    this.run += 1;
    this.picture = first;
    this.past.frames.add(0, () => frameOf(first));
    this.showSettings();
    const dials = settings.dials(this.resolved());
    this.engine?.ask({ type: "begin", run: this.run, ...this.goal, dials });
  }

  /** The size of the content image, if it is known. */
  get shape() {
    if (this.goal) return this.goal.content;
    const sample = this.manifest.samples.find((s) => s.name === this.settings.content);
    return sample && fit(sample, this.settings.size, this.manifest.network.stride);
  }

  /** @param {number} until the step at which to stop */
  runUntil(until) {
    this.past.breathe();
    this.looking = null;
    this.set("running");
    this.engine?.ask({ type: "run", until });
  }

  /** @param {Answer} answer */
  hear(answer) {
    if (answer.type === "ready") this.loaded?.resolve(null);
    else if (answer.type === "failed") this.fail(answer.reason);
    else if (answer.run !== this.run) return; // from an earlier run
    else if (answer.type === "step") this.record(answer);
    else this.set(this.past.isOver ? "finished" : "paused");
  }

  /** @param {Step} answer */
  record({ step, turn, pixels, losses }) {
    const { height, width } = /** @type {Picture} */ (this.picture);
    const picture = { pixels, height, width };
    this.past.record(step, losses, performance.now(), turn);
    this.past.frames.add(step, () => frameOf(picture));
    this.picture = picture;
    this.speak();
    this.soon();
  }

  /** @param {string} reason */
  fail(reason) {
    this.loaded?.reject(new Error(reason));
    this.engine?.close();
    this.engine = this.goal = undefined; // Start begins a new run
    this.view.showNote(fill(this.words.messages.error, { reason }));
    this.set("failed");
  }

  // Display

  /** @param {Lab["state"]} state */
  set(state) {
    this.state = state;
    this.view.announce(this.statusText());
    this.show();
  }

  /** Draw at the next frame, or less often. */
  soon() {
    this.drawing ??= setTimeout(
      () => requestAnimationFrame(() => this.show()),
      this.calm.matches ? CALM_EVERY : 0,
    );
  }

  /** Update everything that changes during a run. */
  show() {
    clearTimeout(this.drawing);
    this.drawing = undefined;
    const { steps } = this.past.frames;
    const index = this.looking === null ? steps.length - 1 : steps.indexOf(this.looking);
    if (this.picture && index >= 0) this.showFrame();
    this.view.showFrames(steps, Math.max(index, 0));
    this.view.showStatus(this.statusText());
    this.view.showButtons(this.mainLabel(), this.state === "loading");
    this.showCurve();
    if (!this.view.code.element.hidden) this.view.showCode(this.code());
  }

  showFrame() {
    const picture = /** @type {Picture} */ (this.picture);
    const kept = this.looking === null ? undefined : this.past.frames.at(this.looking);
    const step = this.atStep();
    const alt = `${this.alt()} ${fill(this.words.messages.picture_now, { step })}`;
    this.view.showPicture(kept ?? frameOf(picture), alt);
  }

  showCurve() {
    const every = this.calm.matches ? CALM_EVERY : CURVE_EVERY;
    const now = performance.now();
    if (this.state === "running" && now - this.drawn < every) return;
    this.drawn = now;
    const { points, marks } = this.shown;
    this.view.showCurve(points, marks, this.looking, this.summary());
  }

  showSettings() {
    for (const control of this.controls) control.show(this.resolved());
  }

  mainLabel() {
    const { start, pause, resume, more } = this.words.actions;
    if (this.state === "running") return pause;
    if (this.state === "paused") return resume;
    return this.state === "finished" ? more : start;
  }

  statusText() {
    const { messages, lab } = this.words;
    const { step, target } = this.shown;
    const { pace, left } = this.past;
    const values = {
      step,
      steps: target,
      rate: pace.toFixed(pace < 10 ? 1 : 0),
      left: duration(left),
      megabytes: this.manifest.megabytes,
    };
    const texts = {
      poster: this.computed.step ? lab.computed : lab.offer,
      loading: lab.loading,
      ready: messages.ready,
      running: pace ? messages.running : messages.preparing,
      paused: messages.paused,
      finished: messages.finished,
      failed: "",
    };
    return fill(texts[this.state], values);
  }

  /** The displayed run: the cell's, until one is started in this page. */
  get shown() {
    return this.picture ? this.past : this.computed;
  }

  /** A summary of the curve in one sentence. */
  summary() {
    const { step, percent } = this.shown;
    return percent === undefined ? "" : fill(this.words.lab.summary, { step, percent });
  }

  /** Announce the progress to screen readers, but not at every step. */
  speak() {
    const now = performance.now();
    if (now - this.spoken < SPEAK_EVERY) return;
    if (this.spoken > 0) this.view.announce(this.summary());
    this.spoken = now;
  }

  /** The step of the displayed image. */
  atStep() {
    return this.looking ?? this.past.step;
  }

  /** The alternative text of the displayed image. */
  alt() {
    const { content, style, alpha } = this.settings;
    const template = alpha ? "poster_alt" : "poster_alt_texture";
    return fill(this.words.messages[template], {
      content: this.titleOf(content),
      style: this.pictures.get(style)?.alt ?? style,
      start: settings.startLabel(this.words, this.settings),
    });
  }

  code() {
    return settings.transferCall(this.resolved(), {
      steps: this.past.step || this.settings.steps,
      marks: this.past.marks,
      picture: (name) => JSON.stringify(name),
    });
  }

  /** @param {string} name */
  titleOf(name) {
    return this.pictures.get(name)?.title ?? name;
  }

  /** A picture, decoded once. @param {string} name */
  bitmap(name) {
    const known = this.bitmaps.get(name);
    if (known) return known;
    const bitmap = open(/** @type {Entry} */ (this.pictures.get(name)).address);
    this.bitmaps.set(name, bitmap);
    return bitmap;
  }
}

/**
 * The samples, as entries for the controls.
 *
 * @param {Manifest} manifest
 * @returns {Map<string, Entry>}
 */
function entries({ samples }) {
  return new Map(
    samples.map(({ name, title, alt, kind, credit, file }) => [
      name,
      { title, alt, kind, credit, address: new URL(file, import.meta.url).href },
    ]),
  );
}

/** @param {Picture} picture @returns {Frame} */
function frameOf(picture) {
  return { bytes: toBytes(picture), width: picture.width, height: picture.height };
}

/** @param {number} seconds */
function duration(seconds) {
  if (!Number.isFinite(seconds)) return "…";
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
