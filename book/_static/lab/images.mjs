/**
 * Conversion between pictures and arrays of numbers.
 *
 * @module images
 */

import { rand } from "./noise.mjs";

/** @import { Picture } from "./protocol.mjs" */

const GREY = 0.5; // as nst_teach.starts.GREY
const FULL = 255;
const LEAST_BLOCKS = 2; // of `stride` pixels, so that the deepest layer has several positions

/**
 * Height and width for a longer side of about `side`: multiples of `stride`, because the network
 * halves the image four times.
 *
 * @param {{width: number, height: number}} given the size of the picture
 * @param {number} side
 * @param {number} stride
 */
export function fit(given, side, stride) {
  const scale = side / Math.max(given.width, given.height);
  const whole = (/** @type {number} */ length) =>
    stride * Math.max(LEAST_BLOCKS, Math.round((length * scale) / stride));
  return { height: whole(given.height), width: whole(given.width) };
}

/**
 * The largest centred part of a picture that has the proportions of `size`.
 *
 * @param {{width: number, height: number}} given
 * @param {{width: number, height: number}} size
 */
export function middle(given, size) {
  const scale = Math.min(given.width / size.width, given.height / size.height);
  const [width, height] = [size.width * scale, size.height * scale];
  return { x: (given.width - width) / 2, y: (given.height - height) / 2, width, height };
}

/**
 * The values of an image with one byte for each of R, G, B and opacity.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image
 * @returns {Picture}
 */
export function fromBytes({ data, width, height }) {
  const area = width * height;
  const pixels = new Float32Array(3 * area);
  for (let i = 0; i < area; i++)
    for (let channel = 0; channel < 3; channel++)
      pixels[channel * area + i] = data[4 * i + channel] / FULL;
  return { pixels, height, width };
}

/**
 * Bytes for a canvas: the image rounded, fully opaque.
 *
 * @param {Picture} picture
 */
export function toBytes({ pixels, height, width }) {
  const area = width * height;
  const data = new Uint8ClampedArray(4 * area); // clamps and rounds
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++)
      data[4 * i + channel] = FULL * pixels[channel * area + i];
    data[4 * i + 3] = FULL;
  }
  return data;
}

/**
 * Scale a picture until it covers `size`, crop the centre, and blend it with white.
 *
 * @param {ImageBitmap} bitmap
 * @param {{width: number, height: number}} size
 * @returns {Picture}
 */
export function cover(bitmap, size) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, size);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!pen) throw new Error("this browser does not support 2D canvases");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, size.width, size.height);
  pen.imageSmoothingQuality = "high";
  const { x, y, width, height } = middle(bitmap, size);
  pen.drawImage(bitmap, x, y, width, height, 0, 0, size.width, size.height);
  return fromBytes(pen.getImageData(0, 0, size.width, size.height));
}

/**
 * The initial image, of the content's size.
 *
 * @param {string} start "content", "noise", "grey" or "style"
 * @param {Picture} content
 * @param {ImageBitmap} style
 * @param {number} seed of the noise
 * @returns {Picture}
 */
export function startPicture(start, content, style, seed) {
  const { height, width, pixels } = content;
  if (start === "noise") return { height, width, pixels: rand(pixels.length, seed) };
  if (start === "grey") return { height, width, pixels: pixels.slice().fill(GREY) };
  if (start === "style") return cover(style, { height, width });
  return { height, width, pixels: pixels.slice() };
}

/**
 * A file or an address as a bitmap, rotated according to its EXIF data.
 *
 * @param {Blob | string} source
 */
export async function open(source) {
  const blob = typeof source === "string" ? await (await fetched(source)).blob() : source;
  return createImageBitmap(blob, { imageOrientation: "from-image" });
}

/**
 * `fetch`, which raises an error if the file is missing.
 *
 * @param {string} address
 */
export async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} could not be loaded (${response.status})`);
  return response;
}
