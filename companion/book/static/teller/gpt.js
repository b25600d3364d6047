// A GPT-2 in plain JavaScript: one token in, a score for every next token out, with a key/value cache.
//
// Letters as in the course: C the width, H heads, D = C / H, T tokens so far, V tokens in the vocabulary.
// A matrix (rows, columns) is a Float32Array, row after row. Sums are kept in JavaScript's 64 bits and
// stored in 32, as the weights are.

/** The weights by name. buffer: a safetensors file, which begins with its table's length, and the table as JSON.
 *  A vector is stored as float32; a matrix as one int8 a number, with one float32 scale a row. */
export function readWeights(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const table = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const weights = {};
  for (const [name, { dtype, shape, data_offsets: [at] }] of Object.entries(table)) {
    const size = shape.reduce((product, n) => product * n);
    weights[name] = new (dtype === "I8" ? Int8Array : Float32Array)(buffer, 8 + length + at, size);
  }
  for (const [name, numbers] of Object.entries(weights)) {
    const scales = weights[`${name}.scales`];
    const columns = numbers.length / scales?.length;
    if (scales) weights[name] = Float32Array.from(numbers, (n, i) => n * scales[Math.floor(i / columns)]);
  }
  return weights;
}

/** A token's row plus its position's: -> (C). */
function embed(token, position, weights, width) {
  const rows = weights["embed.token.weight"]; // (V, C)
  const places = weights["embed.position.weight"]; // (context, C)
  const x = new Float32Array(width);
  for (let i = 0; i < width; i++) x[i] = rows[token * width + i] + places[position * width + i];
  return x;
}

/** Layer normalization: (C) -> (C), mean 0 and variance 1, then scaled and shifted. */
function layerNorm(x, weight, bias) {
  let mean = 0;
  let variance = 0;
  for (const number of x) mean += number / x.length;
  for (const number of x) variance += (number - mean) ** 2 / x.length;
  const scale = 1 / Math.sqrt(variance + 1e-5);
  return x.map((number, i) => (number - mean) * scale * weight[i] + bias[i]);
}

/** A linear map: x (n), weight (m, n), bias (m) or none -> (m). Here nearly all the time is spent. */
function linear(x, weight, bias) {
  const y = new Float32Array(weight.length / x.length);
  for (let row = 0, at = 0; row < y.length; row++) {
    let sum = bias ? bias[row] : 0;
    for (let i = 0; i < x.length; i++) sum += weight[at++] * x[i];
    y[row] = sum;
  }
  return y;
}

/** Two linear maps with a GELU (its tanh form) between them: (C) -> hidden (4 C) -> out (C). */
function mlp(x, part) {
  const hidden = linear(x, part("mlp.up_proj.weight"), part("mlp.up_proj.bias"));
  for (let i = 0; i < hidden.length; i++) {
    const h = hidden[i];
    hidden[i] = 0.5 * h * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (h + 0.044715 * h ** 3)));
  }
  return { hidden, out: linear(hidden, part("mlp.down_proj.weight"), part("mlp.down_proj.bias")) };
}

/** What one layer remembers: a key and a value (C) of each token so far, all heads side by side. */
class LayerCache {
  constructor(contextLength, width) {
    this.keys = new Float32Array(contextLength * width);
    this.values = new Float32Array(contextLength * width);
  }

  write(position, k, v) {
    this.keys.set(k, position * k.length);
    this.values.set(v, position * v.length);
  }
}

/** What the model remembers of the tokens that it has read, so that each is read once. */
export class KVCache {
  constructor({ n_layers, context_length, d_model }) {
    this.length = 0;
    this.layers = Array.from({ length: n_layers }, () => new LayerCache(context_length, d_model));
  }
}

/** Numbers -> shares that add up to 1, larger for larger ones. In place. */
function softmax(scores) {
  const largest = scores.reduce((a, b) => Math.max(a, b));
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += scores[i] = Math.exp(scores[i] - largest);
  for (let i = 0; i < scores.length; i++) scores[i] /= sum;
  return scores;
}

/** Scaled dot-product attention of the last token: q (C), length T -> out (C), and weights, H of (T).
 *  No mask: the cache holds this token and earlier ones, and nothing later. */
function attend(q, cache, length, heads) {
  const width = q.length;
  const D = width / heads;
  const out = new Float32Array(width);
  const weights = [];
  for (let first = 0; first < width; first += D) {
    const scores = new Float64Array(length); // q times each key, over the root of D: (T)
    for (let t = 0; t < length; t++) {
      for (let d = first; d < first + D; d++) scores[t] += q[d] * cache.keys[t * width + d];
      scores[t] /= Math.sqrt(D);
    }
    softmax(scores);
    for (let d = first; d < first + D; d++) {
      let sum = 0; // of the values, each by its weight
      for (let t = 0; t < length; t++) sum += scores[t] * cache.values[t * width + d];
      out[d] = sum;
    }
    weights.push(Float32Array.from(scores));
  }
  return { out, weights };
}

/** Causal self-attention of one new token: x (C) -> (C). Its key and value are filed in the cache. */
function attention(x, position, part, cache, heads) {
  const [q, k, v] = ["q", "k", "v"].map((name) =>
    linear(x, part(`attn.${name}_proj.weight`), part(`attn.${name}_proj.bias`)));
  cache.write(position, k, v);
  const { out, weights } = attend(q, cache, position + 1, heads);
  return { out: linear(out, part("attn.o_proj.weight"), part("attn.o_proj.bias")), weights };
}

/** A block: what comes from other positions is added to the stream, then what each position computes. */
function block(x, position, part, cache, heads) {
  const normed = layerNorm(x, part("norm_1.weight"), part("norm_1.bias"));
  const { out, weights } = attention(normed, position, part, cache, heads);
  x = x.map((number, i) => number + out[i]);
  const computed = mlp(layerNorm(x, part("norm_2.weight"), part("norm_2.bias")), part);
  return { x: x.map((number, i) => number + computed.out[i]), weights, hidden: computed.hidden };
}

/** Embedding, blocks, norm, and a score for every token: the embedding's rows serve as the head. */
export class GPT {
  constructor(config, weights) {
    this.config = config;
    this.weights = weights;
  }

  /** Read one more token: -> logits (V) for the one after it, and what happened on the way: the residual
   *  stream (C) before the first block and after each, where each layer's heads looked, and each MLP's hidden
   *  units (4 C). */
  forward(token, cache) {
    const { d_model, n_heads, context_length } = this.config;
    const position = cache.length;
    if (position >= context_length) throw new RangeError(`the model reads ${context_length} tokens at most`);
    let x = embed(token, position, this.weights, d_model);
    const stream = [x];
    const looked = []; // by layer, by head: (T)
    const hidden = [];
    cache.layers.forEach((layer, i) => {
      const part = (name) => this.weights[`blocks.${i}.${name}`];
      const after = block(x, position, part, layer, n_heads);
      x = after.x;
      stream.push(x);
      looked.push(after.weights);
      hidden.push(after.hidden);
    });
    cache.length += 1;
    return { logits: this.logits(x), stream, looked, hidden };
  }

  /** A score for every token: x (C) -> (V). */
  logits(x) {
    const normed = layerNorm(x, this.weights["norm.weight"], this.weights["norm.bias"]);
    return linear(normed, this.weights["embed.token.weight"]);
  }
}

/** The place of the largest number, the first of equal ones. */
export function argmax(numbers) {
  return numbers.reduce((best, number, i) => (number > numbers[best] ? i : best), 0);
}

/** Keep the fewest tokens that hold topP of the probability, and renormalize. */
function cut(probs, topP) {
  const order = [...probs.keys()].sort((a, b) => probs[b] - probs[a]);
  const kept = new Float64Array(probs.length);
  let before = 0; // what the likelier ones hold
  for (const token of order) {
    if (before >= topP - 1e-6) break; // a rounded sum
    kept[token] = probs[token];
    before += probs[token];
  }
  return kept.map((p) => p / before);
}

/** Probabilities of the next token: logits (V) -> (V). Temperature 0 puts all on the likeliest. */
export function nextTokenProbabilities(logits, temperature, topP) {
  if (temperature === 0) {
    const best = argmax(logits);
    return Float64Array.from(logits, (_, i) => (i === best ? 1 : 0));
  }
  const probs = softmax(Float64Array.from(logits, (score) => score / temperature));
  return topP < 1 ? cut(probs, topP) : probs;
}

/** A token by a dart in [0, 1): the one on whose stretch of the line it lands. */
export function throwDart(probs, dart) {
  let line = 0;
  let last = 0;
  for (let token = 0; token < probs.length; token++) {
    line += probs[token];
    if (probs[token] > 0) last = token;
    if (dart < line) return token;
  }
  return last; // rounding can put a dart at the very end
}
