/**
 * The lab: style transfer in the page, on the reader's machine.
 *
 * It wakes up each `<figure class="nst-lab">` (nst_teach/interactive/embed.py writes them, and tells
 * what the `data-` attributes mean). Nothing heavy is loaded before Start is pressed.
 *
 * @module lab
 */

import { makeControl } from "./controls.mjs";
import { make } from "./dom.mjs";
import { Engine, missing } from "./engine.mjs";
import { History } from "./history.mjs";
import { cover, fetched, fit, open, startPicture, toBytes } from "./images.mjs";
import * as wishes from "./settings.mjs";
import { View } from "./view.mjs";
import { fill } from "./words.mjs";

/** @import { Entry } from "./controls.mjs" */
/** @import { Answer, Picture, Step } from "./protocol.mjs" */
/** @import { Settings } from "./settings.mjs" */
/** @import { Action, Frame } from "./view.mjs" */
/** @import { Manifest } from "./words.mjs" */

const SIMPLE = 2; // a figure with no more controls than that shows only them, Start and Reset
const CURVE_EVERY = 120; // ms; faster than the eye can read a curve
const CALM_EVERY = 1000; // ms, for readers who asked for reduced motion
const SPEAK_EVERY = 15_000; // ms between two sentences for those who listen
const COPIED_FOR = 1500; // ms for which the button says so

/** The one lab of the page that may run: several would share the processor. @type {Lab | null} */
let active = null;

/** @type {Promise<Manifest> | undefined} */
let manifestOnce;

/** The samples and layers, and the words that the studio says too. @returns {Promise<Manifest>} */
async function readManifest() {
  const files = ["lab.json", "../vendor/studio_controls.json"];
  const answers = files.map((file) => fetched(new URL(file, import.meta.url).href));
  const [manifest, words] = await Promise.all(answers.map(async (answer) => (await answer).json()));
  return { ...manifest, words };
}

/**
 * Bring a figure to life, or say why not; the poster stays in any case.
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
    this.settings = wishes.readSettings({ ...figure.dataset }, manifest);
    /** @type {"poster" | "loading" | "ready" | "running" | "paused" | "finished" | "failed"} */
    this.state = "poster";
    /** @type {Engine | undefined} */
    this.engine = undefined;
    /** @type {{content: Picture, style: Picture, start: Picture} | undefined} the run's pictures */
    this.goal = undefined;
    /** @type {Picture | undefined} where the run has got to */
    this.picture = undefined;
    this.run = 0; // the number of the run, so that late answers of an earlier one are told apart
    this.turn = 0; // how often the dials were turned, so that a mark finds its step
    this.past = this.nothing();
    /** @type {History<Frame>} the run that the cell has computed: the poster's */
    this.computed = History.computed(figure.dataset.curve);
    /** @type {number | null} the step that is looked at; null follows the run */
    this.looking = null;
    this.drawn = -Infinity; // when the curve was, in ms
    this.spoken = -Infinity; // when the last sentence was, in ms
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
    const names = wishes.readControls(figure.dataset.controls, this.words);
    const around = {
      manifest: this.manifest,
      pictures: this.pictures,
      ask: (/** @type {Partial<Settings>} */ wish) => void this.change(wish),
      take: (/** @type {"content" | "style"} */ name, /** @type {File} */ file) =>
        this.take(name, file),
    };
    return names.map((name) => makeControl(name, around));
  }

  /** @returns {History<Frame>} an empty curve */
  nothing() {
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

  /** Start, pause, resume, go on: what the main button says. */
  async go() {
    if (this.state === "running") return this.pause();
    if (this.state === "finished") this.past.extend(this.settings.steps);
    await this.wake();
    this.walk(this.past.target);
  }

  async oneStep() {
    await this.wake();
    if (this.past.isOver) this.past.extend(1);
    this.walk(this.past.step + 1);
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

  /** Keep the picture that is shown as a file. */
  save() {
    const { content, style } = this.settings;
    const link = make("a", { download: `${this.stem(content)}-${this.stem(style)}-${this.atStep()}.png` });
    this.view.stage.canvas.toBlob((blob) => {
      if (!blob) return;
      link.href = URL.createObjectURL(blob);
      link.click();
      URL.revokeObjectURL(link.href);
      this.view.say(fill(this.words.messages.saved, { file: link.download }));
    });
  }

  /** A picture's name without what a file name should not have. @param {string} name */
  stem(name) {
    return this.titleOf(name) && name.replace(/\.\w+$/, "").replace(/\W+/g, "_");
  }

  async copy() {
    await navigator.clipboard?.writeText(this.code());
    this.view.say(this.words.lab.copied);
    this.view.buttons.copy.textContent = this.words.lab.copied;
    setTimeout(() => (this.view.buttons.copy.textContent = this.words.lab.copy), COPIED_FOR);
  }

  /**
   * Use an own picture. It stays in this page: nothing is sent anywhere.
   *
   * @param {"content" | "style"} name
   * @param {File} file
   */
  async take(name, file) {
    try {
      await open(file);
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
    this.bitmaps.delete(file.name);
    await this.change({ [name]: file.name });
  }

  // What a changed setting does

  /** @param {Partial<Settings>} wish */
  async change(wish) {
    const before = this.settings;
    this.settings = { ...before, ...wish };
    this.showSettings();
    if (!this.goal) {
      this.past = this.nothing();
      return this.show();
    }
    try {
      if (wish.steps !== undefined) this.lengthen();
      else if (await this.startsOver(before)) await this.startOver(before);
      else await this.steer(before);
    } catch (error) {
      this.fail(reasonOf(error));
    }
  }

  lengthen() {
    this.past.resize(this.settings.steps);
    if (this.state === "running") this.walk(this.past.target);
    else if (this.state === "finished" && !this.past.isOver) this.set("paused");
    else this.show();
  }

  /** Whether a run cannot go on with the new settings: another start, or another shape. */
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
    const goesOn = this.state === "running";
    const reason = this.settings.start === before.start ? lab.other_shape : lab.other_start;
    await this.begin();
    this.set("ready");
    if (goesOn) this.walk(this.past.target);
    this.view.say(fill(messages.restarted, { reason }));
  }

  /** Go on with other dials, and mark the moment on the curve. @param {Settings} before */
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
    const dials = wishes.dials(this.wish());
    this.engine?.ask({ type: "steer", turn: this.turn, dials, ...pictures });
    this.mark(before);
  }

  /** @param {Settings} before */
  mark(before) {
    const moved = wishes.changes(
      this.wish(before), this.wish(), this.words, (name) => this.titleOf(name),
    );
    for (const change of moved) this.past.mark({ ...change, turn: this.turn });
    this.show();
  }

  /** The settings with a β that was left open filled in. */
  wish(settings = this.settings) {
    if (settings.beta !== null || !this.shape) return settings;
    return { ...settings, beta: wishes.openBeta(settings, this.manifest, this.shape) };
  }

  // The run

  /** Load what it takes, once, and lay out the first picture. */
  async wake() {
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

  /** A new run, at its first picture. */
  async begin() {
    const { content, style, size, start, seed } = this.settings;
    const { stride } = this.manifest.network;
    const [photo, painting] = await Promise.all([this.bitmap(content), this.bitmap(style)]);
    const target = cover(photo, fit(photo, size, stride));
    const first = startPicture(start, target, painting, seed);
    const model = cover(painting, fit(painting, size, stride));
    this.goal = { content: target, style: model, start: first };
    [this.past, this.looking] = [this.nothing(), null];
    this.run += 1;
    this.picture = first;
    this.past.frames.add(0, () => frameOf(first));
    this.showSettings();
    const dials = wishes.dials(this.wish());
    this.engine?.ask({ type: "begin", run: this.run, ...this.goal, dials });
  }

  /** The size of the picture that the content asks for, as far as it is known. */
  get shape() {
    if (this.goal) return this.goal.content;
    const sample = this.manifest.samples.find((s) => s.name === this.settings.content);
    return sample && fit(sample, this.settings.size, this.manifest.network.stride);
  }

  /** @param {number} until the step at which to stop */
  walk(until) {
    this.past.breathe();
    this.looking = null;
    this.set("running");
    this.engine?.ask({ type: "run", until });
  }

  /** @param {Answer} answer */
  hear(answer) {
    if (answer.type === "ready") this.loaded?.resolve(null);
    else if (answer.type === "failed") this.fail(answer.reason);
    else if (answer.run !== this.run) return; // of a run that is over
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
    this.engine = this.goal = undefined; // Start begins anew
    this.view.showNote(fill(this.words.messages.error, { reason }));
    this.set("failed");
  }

  // What is shown

  /** @param {Lab["state"]} state */
  set(state) {
    this.state = state;
    this.view.say(this.statusText());
    this.show();
  }

  /** Draw at the next frame, or less often. */
  soon() {
    this.drawing ??= setTimeout(
      () => requestAnimationFrame(() => this.show()),
      this.calm.matches ? CALM_EVERY : 0,
    );
  }

  /** Everything that changes while a run goes on. */
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
    for (const control of this.controls) control.show(this.wish());
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

  /** The run that is shown: the cell's, until there is one of this page. */
  get shown() {
    return this.picture ? this.past : this.computed;
  }

  /** One sentence on the curve. */
  summary() {
    const { step, percent } = this.shown;
    return percent === undefined ? "" : fill(this.words.lab.summary, { step, percent });
  }

  /** Tell those who listen how it goes, but not at every step. */
  speak() {
    const now = performance.now();
    if (now - this.spoken < SPEAK_EVERY) return;
    if (this.spoken > 0) this.view.say(this.summary());
    this.spoken = now;
  }

  /** The step of the picture that is shown. */
  atStep() {
    return this.looking ?? this.past.step;
  }

  /** What the picture shows, for those who cannot see it. */
  alt() {
    const { content, style, alpha } = this.settings;
    const template = alpha ? "poster_alt" : "poster_alt_texture";
    return fill(this.words.messages[template], {
      content: this.titleOf(content),
      style: this.pictures.get(style)?.alt ?? style,
      start: wishes.startLabel(this.words, this.settings),
    });
  }

  code() {
    return wishes.transferCall(this.wish(), {
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
 * The samples, as the controls show them.
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
