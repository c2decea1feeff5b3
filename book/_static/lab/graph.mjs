/**
 * The course's loss and gradient as a graph, run by onnxruntime.
 *
 * tools/lab_graph.py makes the file and says what its inputs and outputs are. Nothing here knows
 * what is inside.
 *
 * @module graph
 */

/** @import { Dials, Layer, Losses, Network, Picture } from "./protocol.mjs" */

/**
 * What is used of onnxruntime's tensors and sessions.
 * @typedef {{data: any, dims: readonly number[]}} Tensor
 * @typedef {new (type: "float32", data: Float32Array, dims: number[]) => Tensor} TensorClass
 * @typedef {{run(feeds: Record<string, Tensor>, wanted: string[]):
 *     Promise<Record<string, Tensor>>}} Session
 */

const LOSSES = ["total", "content_losses", "style_losses", "gradient"];

export class Graph {
  /**
   * @param {Session} session
   * @param {TensorClass} Tensor
   * @param {Network} network
   */
  constructor(session, Tensor, network) {
    this.session = session;
    this.Tensor = Tensor;
    this.network = network;
    /** @type {Record<string, Tensor>} */
    this.targets = {};
  }

  /**
   * Take the forms of this picture as what the content is compared with.
   * @param {Picture} picture
   */
  async aimAtContent(picture) {
    await this.aim(picture, this.network.content_layers, "features", "content_target");
  }

  /**
   * Take the Gram matrices of this picture as what the style is compared with.
   * @param {Picture} picture
   */
  async aimAtStyle(picture) {
    await this.aim(picture, this.network.style_layers, "gram", "gram_target");
  }

  /**
   * The losses of a picture, and the gradient of their total.
   *
   * @param {Picture} picture
   * @param {Dials} dials
   * @returns {Promise<{losses: Losses, gradient: Float32Array}>}
   */
  async evaluate(picture, dials) {
    const feeds = { ...this.inputs(picture, dials), ...this.targets };
    const found = await this.session.run(feeds, LOSSES);
    const { content_layers, style_layers } = this.network;
    const losses = {
      total: found.total.data[0],
      content: weigh(content_layers, found.content_losses, dials.contentLayers, dials.alpha),
      style: weigh(style_layers, found.style_losses, dials.styleLayers, dials.beta),
    };
    return { losses, gradient: found.gradient.data };
  }

  /**
   * The picture and the dials as the graph's inputs.
   * @param {Picture} picture
   * @param {Dials} dials
   * @returns {Record<string, Tensor>}
   */
  inputs({ pixels, height, width }, dials) {
    const { content_layers, style_layers } = this.network;
    return {
      image: new this.Tensor("float32", pixels, [1, 3, height, width]),
      content_weights: this.list(content_layers.map((l) => dials.contentLayers[l.name] ?? 0)),
      style_weights: this.list(style_layers.map((l) => dials.styleLayers[l.name] ?? 0)),
      alpha: this.number(dials.alpha),
      beta: this.number(dials.beta),
      total_variation: this.number(0),
    };
  }

  /**
   * Run a picture through the graph and keep what it answers as targets.
   * @param {Picture} picture
   * @param {Layer[]} layers
   * @param {string} output
   * @param {string} input
   */
  async aim(picture, layers, output, input) {
    const off = { contentLayers: {}, styleLayers: {}, alpha: 0, beta: 0, learningRate: 0 };
    const feeds = { ...this.inputs(picture, off), ...this.nothing(picture) };
    const wanted = layers.map((layer) => `${output}_${layer.name}`);
    const found = await this.session.run(feeds, wanted);
    for (const { name } of layers) this.targets[`${input}_${name}`] = found[`${output}_${name}`];
  }

  /**
   * Targets of zeros, for a run that only looks.
   * @param {Picture} picture
   */
  nothing({ height, width }) {
    const { content_layers, style_layers } = this.network;
    const contents = content_layers.map(({ name, filters, spacing }) => [
      `content_target_${name}`,
      this.zeros([1, filters, height / spacing, width / spacing]),
    ]);
    const styles = style_layers.map(({ name, filters }) => [
      `gram_target_${name}`,
      this.zeros([1, filters, filters]),
    ]);
    return Object.fromEntries([...contents, ...styles]);
  }

  /** @param {number[]} shape */
  zeros(shape) {
    const length = shape.reduce((product, side) => product * side, 1);
    return new this.Tensor("float32", new Float32Array(length), shape);
  }

  /** @param {number[]} values */
  list(values) {
    return new this.Tensor("float32", Float32Array.from(values), [values.length]);
  }

  /** @param {number} value */
  number(value) {
    return new this.Tensor("float32", Float32Array.of(value), []);
  }
}

/**
 * Each layer's share of the total; layers that are turned off have none.
 *
 * @param {Layer[]} layers
 * @param {Tensor} losses
 * @param {Record<string, number>} weights
 * @param {number} factor α or β
 * @returns {Record<string, number>}
 */
function weigh(layers, losses, weights, factor) {
  const shares = layers.map(({ name }, i) => [name, factor * (weights[name] ?? 0) * losses.data[i]]);
  return Object.fromEntries(shares.filter(([name]) => factor && weights[name]));
}
