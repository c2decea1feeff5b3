/**
 * The course's loss and gradient as a graph, run by onnxruntime.
 *
 * tools/lab_graph.py writes the file and documents its inputs and outputs.
 *
 * @module graph
 */

/** @import { Dials, Layer, Losses, Network, Picture } from "./protocol.mjs" */

/**
 * The part of onnxruntime's interface that is used here.
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
   * Use the features of this image as content targets.
   * @param {Picture} picture
   */
  async setContent(picture) {
    await this.setTargets(picture, this.network.content_layers, "features", "content_target");
  }

  /**
   * Use the Gram matrices of this image as style targets.
   * @param {Picture} picture
   */
  async setStyle(picture) {
    await this.setTargets(picture, this.network.style_layers, "gram", "gram_target");
  }

  /**
   * The losses of an image, and the gradient of their total.
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
   * The image and the dials as inputs of the graph.
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
   * Run an image through the graph and keep its features or Gram matrices as targets.
   * @param {Picture} picture
   * @param {Layer[]} layers
   * @param {string} output
   * @param {string} input
   */
  async setTargets(picture, layers, output, input) {
    const off = { contentLayers: {}, styleLayers: {}, alpha: 0, beta: 0, learningRate: 0 };
    const feeds = { ...this.inputs(picture, off), ...this.zeroTargets(picture) };
    const wanted = layers.map((layer) => `${output}_${layer.name}`);
    const found = await this.session.run(feeds, wanted);
    for (const { name } of layers) this.targets[`${input}_${name}`] = found[`${output}_${name}`];
  }

  /**
   * Targets of zeros, for a run that only computes features.
   * @param {Picture} picture
   */
  zeroTargets({ height, width }) {
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
 * The weighted loss of each layer, without the layers of weight 0.
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
