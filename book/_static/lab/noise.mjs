/**
 * PyTorch's random numbers, so that a seed gives the same noise in the page and in Python.
 *
 * The generator is the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998).
 *
 * @module noise
 */

const WORDS = 624; // 32-bit numbers in the state
const SHIFT = 397; // distance between the numbers that are combined
const MATRIX = 0x9908b0df;
const UPPER = 0x80000000;
const LOWER = 0x7fffffff;
const DIGITS = 24; // bits of precision of a float32, all that torch.rand uses

/**
 * The initial state for a seed.
 * @param {number} seed a whole number, 0 or more, of at most 32 bits
 */
function seeded(seed) {
  const state = new Uint32Array(WORDS);
  state[0] = seed;
  for (let i = 1; i < WORDS; i++) {
    const before = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = Math.imul(1812433253, before) + i;
  }
  return state;
}

/**
 * Replace the state by the next 624 numbers.
 * @param {Uint32Array} state
 */
function twist(state) {
  for (let i = 0; i < WORDS; i++) {
    const joined = (state[i] & UPPER) | (state[(i + 1) % WORDS] & LOWER);
    state[i] = state[(i + SHIFT) % WORDS] ^ (joined >>> 1) ^ (joined & 1 ? MATRIX : 0);
  }
}

/**
 * Mix the bits of a number of the state (tempering).
 * @param {number} word
 */
function temper(word) {
  word ^= word >>> 11;
  word ^= (word << 7) & 0x9d2c5680;
  word ^= (word << 15) & 0xefc60000;
  return (word ^ (word >>> 18)) >>> 0;
}

/**
 * The values of `torch.rand(length, generator=torch.Generator().manual_seed(seed))`.
 *
 * @param {number} length
 * @param {number} seed
 * @returns {Float32Array} values in [0, 1)
 */
export function rand(length, seed) {
  const state = seeded(seed);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    if (i % WORDS === 0) twist(state);
    values[i] = (temper(state[i % WORDS]) & (2 ** DIGITS - 1)) / 2 ** DIGITS;
  }
  return values;
}
