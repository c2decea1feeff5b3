/**
 * What the page and its worker say to each other: the types of all messages, in one place.
 *
 * The page asks, the worker computes. A run goes like this:
 *
 *     page → worker    load        where the runtime and the graph are
 *     worker → page    ready
 *     page → worker    begin       pictures and dials of a new run
 *     page → worker    run         go on until this step
 *     worker → page    step        after each step: the new picture, the losses before it
 *     page → worker    steer       other dials or another style; they hold from the next step
 *     page → worker    pause
 *     worker → page    paused      the step in hand is done
 *     worker → page    failed      in place of any answer; the worker is of no more use
 *
 * Every run has a number. The page forgets what arrives from an earlier one. Every turn of the dials
 * has a number too: a step says which turn it has seen, so that the curve marks the right place.
 *
 * @module protocol
 */

/**
 * A picture as the course's tensors have it: all red values, then green, then blue, in [0, 1].
 * @typedef {object} Picture
 * @property {Float32Array} pixels 3 · height · width values
 * @property {number} height
 * @property {number} width
 */

/**
 * Everything that can be turned while a run goes on.
 * @typedef {object} Dials
 * @property {Record<string, number>} contentLayers weight by layer; absent is 0
 * @property {Record<string, number>} styleLayers the same
 * @property {number} alpha weight of the content
 * @property {number} beta weight of the style
 * @property {number} learningRate of Adam
 */

/**
 * One evaluation, every part as it enters the total: weighted, and multiplied by α or β.
 * @typedef {object} Losses
 * @property {number} total
 * @property {Record<string, number>} content by layer
 * @property {Record<string, number>} style by layer
 */

/**
 * A layer that the graph reads.
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
