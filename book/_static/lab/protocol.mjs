/**
 * The protocol between the page and its worker: the types of all messages.
 *
 * The page sends requests, the worker computes. A typical run:
 *
 *     page → worker    load        the addresses of the runtime and the graph
 *     worker → page    ready
 *     page → worker    begin       images and dials of a new run
 *     page → worker    run         continue until this step
 *     worker → page    step        after each step: the new image, and the losses before it
 *     page → worker    steer       other dials or another style, from the next step on
 *     page → worker    pause
 *     worker → page    paused      after the current step
 *     worker → page    failed      instead of any answer; the worker cannot be used any more
 *
 * Runs are numbered, so that the page can ignore late messages from an earlier one. Changes of the
 * dials are numbered too: each step reports the last change that it includes, so that the curve is
 * marked at the right place.
 *
 * @module protocol
 */

/**
 * An image in the layout of the course's tensors: all red values, then green, then blue, in [0, 1].
 * @typedef {object} Picture
 * @property {Float32Array} pixels 3 · height · width values
 * @property {number} height
 * @property {number} width
 */

/**
 * Everything that can be changed during a run.
 * @typedef {object} Dials
 * @property {Record<string, number>} contentLayers weight by layer; absent is 0
 * @property {Record<string, number>} styleLayers the same
 * @property {number} alpha weight of the content
 * @property {number} beta weight of the style
 * @property {number} learningRate of Adam
 */

/**
 * One evaluation: the total, and its parts, multiplied by their weights and by α or β.
 * @typedef {object} Losses
 * @property {number} total
 * @property {Record<string, number>} content by layer
 * @property {Record<string, number>} style by layer
 */

/**
 * A layer of the graph.
 * @typedef {object} Layer
 * @property {string} name such as relu4_2
 * @property {number} filters
 * @property {number} spacing pixels between two positions of the layer
 */

/**
 * @typedef {object} Network
 * @property {string} name
 * @property {number} stride the sides of a picture must be multiples of it
 * @property {Layer[]} content_layers
 * @property {Layer[]} style_layers
 * @property {string[]} default_content_layers
 * @property {string[]} default_style_layers
 */

/**
 * @typedef {{type: "load", runtime: string, wasm: string, graph: string, network: Network}} Load
 * @typedef {{type: "begin", run: number, start: Picture, content: Picture, style: Picture,
 *     dials: Dials}} Begin
 * @typedef {{type: "steer", turn: number, dials: Dials, content?: Picture, style?: Picture}} Steer
 * @typedef {{type: "run", until: number}} Run
 * @typedef {{type: "pause"}} Pause
 * @typedef {Load | Begin | Steer | Run | Pause} Request
 */

/**
 * @typedef {{type: "ready"}} Ready
 * @typedef {{type: "step", run: number, step: number, turn: number, pixels: Float32Array,
 *     losses: Losses}} Step
 * @typedef {{type: "paused", run: number, step: number}} Paused
 * @typedef {{type: "failed", reason: string}} Failed
 * @typedef {Ready | Step | Paused | Failed} Answer
 */

export {};
