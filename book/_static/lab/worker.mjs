/**
 * The run itself, in its own thread, so that the page remains responsive. See protocol.mjs.
 *
 * @module worker
 */

import { Adam } from "./adam.mjs";
import { Graph } from "./graph.mjs";
import { fetched } from "./images.mjs";

/** @import { Answer, Begin, Dials, Load, Picture, Request, Steer } from "./protocol.mjs" */

const GZIP = [0x1f, 0x8b]; // the first two bytes of a gzip file

/** @type {Graph} */
let graph;
/** @type {{run: number, picture: Picture, adam: Adam, dials: Dials, turn: number, step: number}} */
let current;
let until = 0; // the step at which to stop
let running = false;

/**
 * @param {Answer} answer
 * @param {Transferable[]} [transferred]
 */
function send(answer, transferred = []) {
  self.postMessage(answer, { transfer: transferred });
}

/**
 * The bytes of a file, decompressed unless the server has already done so.
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
  ort.env.wasm.numThreads = 1; // more threads need headers that static hosts do not send
  ort.env.wasm.wasmBinary = binary;
  const options = { executionProviders: ["wasm"], logSeverityLevel: 3 }; // errors only
  const session = await ort.InferenceSession.create(model, options);
  graph = new Graph(session, ort.Tensor, network);
  send({ type: "ready" });
}

/** @param {Begin} request */
async function begin({ run, start, content, style, dials }) {
  await graph.setContent(content);
  await graph.setStyle(style);
  current = { run, picture: start, adam: new Adam(start.pixels.length), dials, turn: 0, step: 0 };
  [until, running] = [0, false];
}

/** @param {Steer} request */
async function steer({ turn, dials, content, style }) {
  if (content) await graph.setContent(content);
  if (style) await graph.setStyle(style);
  Object.assign(current, { dials, turn });
}

/** One step: evaluate, update, report. */
async function takeStep() {
  const { run, turn, picture, adam, dials } = current;
  const { losses, gradient } = await graph.evaluate(picture, dials);
  if (!Number.isFinite(losses.total)) throw new Error("the loss is not finite");
  adam.step(picture.pixels, gradient, dials.learningRate);
  current.step += 1;
  const pixels = picture.pixels.slice();
  send({ type: "step", run, step: current.step, turn, pixels, losses }, [pixels.buffer]);
}

/**
 * Requests, which are processed in order, and never in the middle of a step.
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
      else if (running && current.step < until) await takeStep();
      else break;
      await pendingMessages();
    }
    if (running) pause();
  } catch (error) {
    send({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
  awake = false;
}

function pause() {
  running = false;
  send({ type: "paused", run: current.run, step: current.step });
}

/** @param {Request} request */
async function serve(request) {
  if (request.type === "load") await load(request);
  else if (request.type === "begin") await begin(request);
  else if (request.type === "steer") await steer(request);
  else if (request.type === "run") [running, until] = [true, request.until];
  else if (request.type === "pause" && running) pause();
}

/** Lets pending messages arrive between two steps. Browsers delay timers, but not channels. */
const channel = new MessageChannel();
/** @type {() => void} */
let proceed = () => {};
channel.port1.onmessage = () => proceed();

/** @returns {Promise<void>} */
function pendingMessages() {
  return new Promise((resolve) => {
    proceed = resolve;
    channel.port2.postMessage(null);
  });
}

self.onmessage = ({ data }) => {
  waiting.push(data);
  if (!awake) work();
};
