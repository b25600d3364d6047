// The cache growing: the keys and values that each layer keeps, word by word, and what they save.

import { ask, make, newId, quoted, slider, wordsField } from "./parts.js";

const MOST = 48; // tokens shown
const ROWS = 32; // pixels for the C numbers of a key: each is a mean of some

export function build(place) {
  const words = wordsField("Your sentence", "Once the shepherd Otto and the dog Leo met at the orchard.");
  const start = make("button", { type: "submit", class: "main" }, "Read it");
  const size = make("span", { class: "hint" }, `loads ${(Number(place.dataset.bytes) / 1e6).toFixed(1)} MB, once`);
  const form = make("form", {}, words.row, make("p", { class: "row" }, start, size));
  const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  const shown = make("div", { class: "shown", hidden: true });
  const title = make("p", { class: "title", id: newId("title") }, "The shipped model's cache, as it reads your sentence");
  place.setAttribute("role", "group");
  place.setAttribute("aria-labelledby", title.id);
  place.append(title, form, status, shown);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    status.textContent = "Loading …";
    try {
      const read = await ask("read", { text: words.field.value, most: MOST });
      size.remove();
      shown.hidden = false;
      status.textContent = `Read, ${read.ids.length} tokens. The slider goes back to the first.`;
      show(shown, read);
    } catch (error) {
      status.textContent = `It failed: ${error.message}.`;
    }
  });
}

/** Multiplications to read the tokens after `from` up to `to`: in matrices, once a token, and in attention,
 *  which multiplies with a key and a value of every token so far. */
export function products({ n_layers, d_model, d_ff }, from, to) {
  let sum = 0;
  for (let t = from + 1; t <= to; t++) sum += n_layers * (4 * d_model ** 2 + 2 * d_model * d_ff + 2 * t * d_model);
  return sum;
}

function show(place, { names, layers, config }) {
  const last = names.length;
  const step = slider("tokens read", { min: 1, max: last, step: 1, value: last, shown: (n) => `${n} of ${last}` });
  const back = make("button", { type: "button" }, "One back");
  const on = make("button", { type: "button" }, "One on");
  const token = make("p", { class: "made" });
  const facts = make("p", { class: "facts" });
  const canvases = layers.map((pair, i) => pair.map((numbers, kind) => {
    const canvas = make("canvas", { width: last, height: ROWS, role: "img" });
    canvas.setAttribute("aria-label", `${kind ? "Values" : "Keys"} of layer ${i + 1}, a column a token`);
    return { canvas, image: picture(numbers, last, config.d_model) };
  }));
  const grid = make("div", { class: "tracks" });
  canvases.forEach((pair, i) => {
    grid.append(make("span", { class: "layer" }, `layer ${i + 1}`));
    pair.forEach(({ canvas }, kind) => grid.append(make("figure", {}, canvas, make("figcaption", {}, kind ? "values" : "keys"))));
  });
  place.replaceChildren(grid, token, facts, step.row, make("p", { class: "row" }, back, on));

  const draw = () => {
    const n = Number(step.field.value);
    for (const { canvas, image } of canvases.flat()) {
      const brush = canvas.getContext("2d");
      brush.clearRect(0, 0, last, ROWS);
      brush.putImageData(image, 0, 0, 0, 0, n, ROWS);
    }
    const bytes = 2 * config.n_layers * config.d_model * 4;
    token.textContent = `Token ${n}, ${quoted(names[n - 1])}: one more column everywhere, ${bytes.toLocaleString("en")} bytes.`;
    const without = Array.from({ length: n }, (_, i) => products(config, 0, i + 1)).reduce((a, b) => a + b);
    const million = (count) => `${(count / 1e6).toFixed(1)} million`;
    facts.textContent = `The cache holds ${config.n_layers} layers × 2 × ${n} tokens × ${config.d_model} numbers × 4 bytes =`
      + ` ${(n * bytes).toLocaleString("en")} bytes. Word by word, the layers have done ${million(products(config, 0, n))}`
      + ` products; had every word read all before it anew, ${million(without)}: ${(without / products(config, 0, n)).toFixed(1)} times as many.`;
    back.disabled = n === 1;
    on.disabled = n === last;
  };
  const move = (by) => {
    step.field.value = Number(step.field.value) + by;
    step.field.update();
    draw();
  };
  back.addEventListener("click", () => move(-1));
  on.addEventListener("click", () => move(1));
  step.field.addEventListener("input", draw);
  step.field.update();
  draw();
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
