// The cache growing: the keys and values that each layer keeps, word by word, and what they save.

import { ask, make, megabytes, quoted, stepper, tool } from "./parts.js";

const MOST = 48; // tokens shown
const ROWS = 32; // pixels for the C numbers of a key: each is a mean of some

export function build(place) {
  const form = {
    title: "The shipped model's cache, as it reads your sentence",
    label: "Your sentence",
    value: "Once the shepherd Otto and the dog Leo met at the orchard.",
    verb: "Read it",
    size: megabytes(place),
  };
  tool(place, form, async (text, shown) => {
    const read = await ask("read", { text, most: MOST });
    shown.hidden = false;
    show(shown, read);
    const cut = read.ids.length === MOST ? ` More than ${MOST} find no room here.` : "";
    return `Read, ${read.ids.length} tokens. The slider goes back to the first.${cut}`;
  });
}

/** Multiplications of the layers to read so many tokens, each once: in matrices, and in attention, which
 *  multiplies with a key and a value of every token so far. */
function products({ n_layers, d_model, d_ff }, tokens) {
  let sum = 0;
  const matrices = 4 * d_model ** 2 + 2 * d_model * d_ff;
  for (let t = 1; t <= tokens; t++) sum += n_layers * (matrices + 2 * t * d_model);
  return sum;
}

/** A picture of what one layer keeps: a column a token. */
function track(numbers, tokens, width, name) {
  const canvas = make("canvas", { width: tokens, height: ROWS, role: "img" });
  canvas.setAttribute("aria-label", name);
  const image = picture(numbers, tokens, width);
  const draw = (n) => {
    const brush = canvas.getContext("2d");
    brush.clearRect(0, 0, tokens, ROWS);
    brush.putImageData(image, 0, 0, 0, 0, n, ROWS);
  };
  return { canvas, draw };
}

function show(place, { names, layers, config }) {
  const last = names.length;
  const token = make("p", { class: "made" });
  const facts = make("p", { class: "facts" });
  const grid = make("div", { class: "tracks" });
  const tracks = layers.flatMap((pair, i) => {
    const two = pair.map((numbers, kind) => {
      const name = `${kind ? "Values" : "Keys"} of layer ${i}, a column a token`;
      return track(numbers, last, config.d_model, name);
    });
    const figures = two.map(({ canvas }, kind) =>
      make("figure", {}, canvas, make("figcaption", {}, kind ? "values" : "keys")));
    grid.append(make("span", { class: "layer" }, `layer ${i}`), ...figures);
    return two;
  });
  const each = 2 * config.n_layers * config.d_model * 4; // bytes of a token
  const million = (count) => `${(count / 1e6).toFixed(1)} million`;
  const draw = (n) => {
    tracks.forEach((one) => one.draw(n));
    token.textContent = `Token ${n}, ${quoted(names[n - 1])}: one more column everywhere, `
      + `${each.toLocaleString("en")} bytes.`;
    const cached = products(config, n);
    let anew = 0;
    for (let t = 1; t <= n; t++) anew += products(config, t);
    facts.textContent = `The cache holds ${config.n_layers} layers × 2 × ${n} tokens ×`
      + ` ${config.d_model} numbers × 4 bytes = ${(n * each).toLocaleString("en")} bytes. Token by token, the layers have done`
      + ` ${million(cached)} products; had each read all before it anew, ${million(anew)}:`
      + ` ${(anew / cached).toFixed(1)} times as many, ${million(anew - cached)} saved.`;
  };
  place.replaceChildren(grid, token, facts, ...stepper("tokens read", 1, last, draw));
}

/** Keys or values (T, C) as pixels, ROWS high and T wide: blue below 0, orange above. */
function picture(numbers, tokens, width) {
  const image = new ImageData(tokens, ROWS);
  const each = width / ROWS;
  const means = Array.from({ length: tokens * ROWS }, (_, i) => {
    const first = (i % tokens) * width + Math.floor(i / tokens) * each;
    return numbers.slice(first, first + each).reduce((a, b) => a + b) / each;
  });
  const largest = means.reduce((most, mean) => Math.max(most, Math.abs(mean)), 0);
  means.forEach((mean, i) => {
    const color = mean < 0 ? [0, 114, 178] : [230, 159, 0];
    image.data.set([...color, Math.round(255 * (0.08 + (0.92 * Math.abs(mean)) / largest))], 4 * i);
  });
  return image;
}
