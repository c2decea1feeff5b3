/**
 * Adam (Kingma and Ba, 2015), as in PyTorch, for an image.
 *
 * @module adam
 */

const DECAY_OF_MEAN = 0.9; // the paper's β₁, unrelated to the weight β of the style
const DECAY_OF_SQUARE = 0.999; // β₂
const TINY = 1e-8; // ε, against division by zero

/** Updates one image; keeps running means of the gradient and of its square for each value. */
export class Adam {
  /** @param {number} length the number of values of the image */
  constructor(length) {
    this.mean = new Float32Array(length);
    this.square = new Float32Array(length);
    this.steps = 0;
  }

  /**
   * Update `image` in place by one step, and clamp it to [0, 1].
   *
   * @param {Float32Array} image
   * @param {Float32Array} gradient of the loss, at `image`
   * @param {number} rate the learning rate
   */
  step(image, gradient, rate) {
    this.steps += 1;
    const stride = rate / (1 - DECAY_OF_MEAN ** this.steps);
    const scale = 1 / Math.sqrt(1 - DECAY_OF_SQUARE ** this.steps);
    const { mean, square } = this;
    for (let i = 0; i < image.length; i++) {
      const g = gradient[i];
      mean[i] += (g - mean[i]) * (1 - DECAY_OF_MEAN);
      square[i] = DECAY_OF_SQUARE * square[i] + (1 - DECAY_OF_SQUARE) * g * g;
      const moved = image[i] - (stride * mean[i]) / (Math.sqrt(square[i]) * scale + TINY);
      image[i] = Math.min(1, Math.max(0, moved));
    }
  }
}
