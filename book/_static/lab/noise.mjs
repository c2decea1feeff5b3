/**
 * PyTorch's random numbers, so that a seed means the same noise in the page and in Python.
 *
 * The generator is the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998).
 *
 * @module noise
 */

const WORDS = 624; // the state: so many numbers of 32 bits
const SHIFT = 397; // how far away the number lies that each one is mixed with
const MATRIX = 0x9908b0df;
const UPPER = 0x80000000;
const LOWER = 0x7fffffff;
const DIGITS = 24; // bits that a float32 holds: all that torch.rand uses

/**
 * The state that belongs to a seed.
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
 * The next 624 numbers, in place of the last.
 * @param {Uint32Array} state
 */
function twist(state) {
  for (let i = 0; i < WORDS; i++) {
    const joined = (state[i] & UPPER) | (state[(i + 1) % WORDS] & LOWER);
    state[i] = state[(i + SHIFT) % WORDS] ^ (joined >>> 1) ^ (joined & 1 ? MATRIX : 0);
  }
}

/**
 * Spread the bits of one number of the state.
 * @param {number} word
 */
function temper(word) {
  word ^= word >>> 11;
  word ^= (word << 7) & 0x9d2c5680;
  word ^= (word << 15) & 0xefc60000;
  return (word ^ (word >>> 18)) >>> 0;
}

/**
 * What `torch.rand(length, generator=torch.Generator().manual_seed(seed))` gives.
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
