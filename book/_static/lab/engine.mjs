/**
 * The page's interface to the worker: sends requests, receives answers. See protocol.mjs.
 *
 * @module engine
 */

/** @import { Answer, Network, Request } from "./protocol.mjs" */

const RUNTIME = "../vendor/onnxruntime/ort.wasm.bundle.min.mjs";
const WASM = "../vendor/onnxruntime/ort.wasm.gz";

/** Features that a browser must support, by their names in messages. */
const NEEDS = {
  WebAssembly: () => typeof WebAssembly === "object",
  "module workers": () => typeof Worker === "function",
  DecompressionStream: () => typeof DecompressionStream === "function",
  createImageBitmap: () => typeof createImageBitmap === "function",
};

/** The first missing feature, if any. */
export function missing() {
  return Object.entries(NEEDS).find(([, is]) => !is())?.[0];
}

export class Engine {
  /** @param {(answer: Answer) => void} hear */
  constructor(hear) {
    this.worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => hear(data);
    this.worker.onerror = (event) => {
      event.preventDefault(); // the error is shown to the reader
      hear({ type: "failed", reason: event.message || "the worker could not be started" });
    };
  }

  /** @param {string} graph file name @param {Network} network */
  load(graph, network) {
    const [runtime, wasm, file] = [RUNTIME, WASM, graph].map(
      (name) => new URL(name, import.meta.url).href,
    );
    this.ask({ type: "load", runtime, wasm, graph: file, network });
  }

  /** @param {Request} request */
  ask(request) {
    this.worker.postMessage(request);
  }

  close() {
    this.worker.terminate();
  }
}
