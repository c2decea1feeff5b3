/**
 * The run itself, in a thread of its own, so that the page stays quick. See protocol.mjs.
 *
 * @module worker
 */

import { Adam } from "./adam.mjs";
import { Graph } from "./graph.mjs";
import { fetched } from "./images.mjs";

/** @import { Answer, Begin, Dials, Load, Picture, Request, Steer } from "./protocol.mjs" */

const GZIP = [0x1f, 0x8b]; // the first two bytes of such a file

/** @type {Graph} */
let graph;
/** @type {{run: number, picture: Picture, adam: Adam, dials: Dials, turn: number, step: number}} */
let walk;
let until = 0; // the step at which to stop
let walking = false;

/**
 * @param {Answer} answer
 * @param {Transferable[]} [handedOver]
 */
function say(answer, handedOver = []) {
  self.postMessage(answer, { transfer: handedOver });
}

/**
 * A file's bytes. Some servers unpack .gz on their own: then there is nothing left to do.
 *
 * @param {string} address
 */
async function bytes(address) {
  const response = await fetched(address);
  const data = await response.arrayBuffer();
  const [first, second] = new Uint8Array(data, 0, 2);
  if (first !== GZIP[0] || second !== GZIP[1]) return data;
  const unpacked = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).arrayBuffer();
}

/** @param {Load} request */
async function load({ runtime, wasm, graph: file, network }) {
  const [ort, binary, model] = await Promise.all([import(runtime), bytes(wasm), bytes(file)]);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1; // more need headers that static hosts do not send
  ort.env.wasm.wasmBinary = binary;
  const options = { executionProviders: ["wasm"], logSeverityLevel: 3 }; // errors only
  const session = await ort.InferenceSession.create(model, options);
  graph = new Graph(session, ort.Tensor, network);
  say({ type: "ready" });
}

/** @param {Begin} request */
async function begin({ run, start, content, style, dials }) {
  await graph.aimAtContent(content);
  await graph.aimAtStyle(style);
  walk = { run, picture: start, adam: new Adam(start.pixels.length), dials, turn: 0, step: 0 };
  [until, walking] = [0, false];
}

/** @param {Steer} request */
async function steer({ turn, dials, content, style }) {
  if (content) await graph.aimAtContent(content);
  if (style) await graph.aimAtStyle(style);
  Object.assign(walk, { dials, turn });
}

/** One step: evaluate, move, tell. */
async function stride() {
  const { run, turn, picture, adam, dials } = walk;
  const { losses, gradient } = await graph.evaluate(picture, dials);
  if (!Number.isFinite(losses.total)) throw new Error("the loss is no longer a number");
  adam.step(picture.pixels, gradient, dials.learningRate);
  walk.step += 1;
  const pixels = picture.pixels.slice();
  say({ type: "step", run, step: walk.step, turn, pixels, losses }, [pixels.buffer]);
}

/**
 * Requests, one after the other and in their order: none can change a step that is under way.
 * @type {Request[]}
 */
const waiting = [];
let awake = false;

async function work() {
  awake = true;
  try {
    for (;;) {
      const request = waiting.shift();
      if (request) await serve(request);
      else if (walking && walk.step < until) await stride();
      else break;
      await breath();
    }
    if (walking) rest();
  } catch (error) {
    say({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
  awake = false;
}

function rest() {
  walking = false;
  say({ type: "paused", run: walk.run, step: walk.step });
}

/** @param {Request} request */
async function serve(request) {
  if (request.type === "load") await load(request);
  else if (request.type === "begin") await begin(request);
  else if (request.type === "steer") await steer(request);
  else if (request.type === "run") [walking, until] = [true, request.until];
  else if (request.type === "pause" && walking) rest();
}

/** Let messages in. A channel, because browsers make timers wait. */
const channel = new MessageChannel();
/** @type {() => void} */
let breathe = () => {};
channel.port1.onmessage = () => breathe();

/** @returns {Promise<void>} */
function breath() {
  return new Promise((resolve) => {
    breathe = resolve;
    channel.port2.postMessage(null);
  });
}

self.onmessage = ({ data }) => {
  waiting.push(data);
  if (!awake) work();
};
