// The model's own thread, so that the page stays live. Files are fetched when first asked for.

import { GPT, KVCache, nextTokenProbabilities, readWeights, throwDart } from "./gpt.js";
import { Tokenizer } from "./tokenizer.js";

const files = new URL("../model/", import.meta.url);
const PACE = 33; // milliseconds between two tokens that are shown one by one
let loading = null;
let running = null; // the story that is being told

async function fetched(name) {
  const answer = await fetch(new URL(name, files));
  if (!answer.ok) throw new Error(`${name} did not come (${answer.status}); reload the page`);
  return answer;
}

async function load() {
  const [described, buffer, marks] = await Promise.all([
    fetched("model.json").then((answer) => answer.json()),
    fetched("weights.safetensors").then((answer) => answer.arrayBuffer()),
    fetched("marks.json").then((answer) => answer.json()),
  ]);
  const model = new GPT(described.config, readWeights(buffer));
  return { model, tokenizer: new Tokenizer(described.tokenizer), marks, config: described.config };
}

/** What is loaded; a failed load is tried again when next asked for. */
function loaded() {
  loading ??= load().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** The ten likeliest tokens: [id, its text, its probability]. By the scores where probabilities are equal. */
function likeliest(probs, logits, tokenizer) {
  const order = [...probs.keys()].sort((a, b) => probs[b] - probs[a] || logits[b] - logits[a]);
  return order.slice(0, 10).map((id) => [id, tokenizer.spell(id), probs[id]]);
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const tasks = {
  /** Load everything; answer with what the page needs to show it. */
  async load() {
    const { config, marks } = await loaded();
    return { config, marks };
  },

  /** Tell a story token by token, each with its probability, the bits that it costs, the ten likeliest,
   *  and where heads looked. */
  async tell({ prompt, temperature, topP, paced }, report) {
    const me = (running = {});
    const { model, tokenizer, config } = await loaded();
    const end = tokenizer.special["<|endoftext|>"];
    const given = [end, ...tokenizer.encode(prompt)];
    if (given.length >= config.context_length) {
      const most = config.context_length - 2;
      throw new RangeError(`the first words are ${given.length - 1} tokens, ${most} fit; shorten them`);
    }
    const cache = new KVCache(config);
    const text = tokenizer.decoder();
    let spent = 0;
    let token = end;
    let ended = "full";
    for (let t = 1; t <= config.context_length; t++) {
      const begin = performance.now();
      const { logits, looked } = model.forward(token, cache);
      const own = nextTokenProbabilities(logits, 1, 1);
      const isGiven = t < given.length; // then nothing is drawn
      const probs = isGiven ? own : nextTokenProbabilities(logits, temperature, topP);
      token = isGiven ? given[t] : throwDart(probs, Math.random());
      spent += performance.now() - begin;
      if (tokenizer.control.has(token)) {
        ended = "end";
        break;
      }
      const bits = -Math.log2(own[token]); // whatever the temperature is
      const top = likeliest(probs, logits, tokenizer);
      report({ id: token, given: isGiven, text: text(token), p: probs[token], bits, top, looked });
      await pause(paced && !isGiven ? Math.max(0, PACE - (performance.now() - begin)) : 0);
      if (running !== me) {
        ended = "stopped";
        break;
      }
    }
    return { ended, tokens: cache.length, milliseconds: spent };
  },

  stop() {
    running = null;
  },

  /** Read a text: its tokens, the bits that each cost the model (the first one nothing), the vector of each of
   *  them before the first block, what happened at the last token, and the ten likeliest next tokens. `would`
   *  has, for the stream before and after each block, the token that the model would think likeliest if it
   *  ended there. */
  async trace({ text }) {
    const { model, tokenizer, config } = await loaded();
    const ids = [tokenizer.special["<|endoftext|>"], ...tokenizer.encode(text)];
    if (ids.length > config.context_length) {
      throw new RangeError(`the text is ${ids.length - 1} tokens, ${config.context_length - 1} fit; shorten it`);
    }
    const cache = new KVCache(config);
    const read = ids.map((id) => model.forward(id, cache));
    const { logits, stream, looked, hidden } = read.at(-1);
    const top = (scores) => likeliest(nextTokenProbabilities(scores, 1, 1), scores, tokenizer);
    const would = stream.map((x) => top(model.logits(x))[0]);
    const names = ids.map((id) => tokenizer.spell(id));
    const embedded = read.map((one) => one.stream[0]);
    const bits = ids.map((id, t) => (t ? -Math.log2(nextTokenProbabilities(read[t - 1].logits, 1, 1)[id]) : 0));
    return { ids, names, bits, embedded, looked, hidden, would, top: top(logits), config };
  },

  /** Read a text: its tokens, where each head looked at each of them, and the cache that results. */
  async read({ text, most }) {
    const { model, tokenizer, config } = await loaded();
    const ids = [tokenizer.special["<|endoftext|>"], ...tokenizer.encode(text)].slice(0, most);
    const cache = new KVCache(config);
    const rows = ids.map((id) => model.forward(id, cache).looked);
    const held = ids.length * config.d_model;
    const layers = cache.layers.map(({ keys, values }) => [keys.slice(0, held), values.slice(0, held)]);
    return { ids, names: ids.map((id) => tokenizer.spell(id)), rows, layers, config };
  },
};

onmessage = async ({ data: { number, task, options } }) => {
  try {
    const result = await tasks[task](options, (progress) => postMessage({ number, progress }));
    postMessage({ number, result });
  } catch (error) {
    postMessage({ number, error: error.message });
  }
};
