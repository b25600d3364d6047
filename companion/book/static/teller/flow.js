// The whole model: the reader's words, part by part on their way to the next token.

import { ask, barLine, headChoices, make, megabytes, percent } from "./parts.js";
import { quoted, tokenLines, tool, weightsOf } from "./parts.js";
import { UNKNOWN, after, costInWords, costsOf, entropy, inBits, key, truths } from "./truth.js";

const ROWS = 8; // tokens whose vectors are drawn
const LOOKS = 6; // tokens at most in the list of where a head looks
const COLORS = 6; // of the tokens' chips
const OWN_WORDS = "Your own words: a word that the village never uses is cut into small pieces, and the model"
  + " goes on as if this were a story of its village, because it knows nothing else.";

/** Fill the parts, which stand in the page without scripts too: at once with what the model did with an example
 *  when the site was made, which loads little, and whenever the reader runs the model. */
export async function build(place) {
  const stored = await (await fetch(new URL("example.json", import.meta.url))).json();
  const rows = await truths();
  const list = place.querySelector(".flow");
  const views = {};
  for (const part of list.children) {
    views[part.dataset.part] = make("div", { class: "view" });
    part.append(views[part.dataset.part]);
  }
  const head = make("div", {});
  place.prepend(head);
  const form = {
    title: "The whole model at work, on your words",
    label: "Your words",
    value: stored.text,
    verb: "Run the model",
    size: megabytes(place),
    examples: JSON.parse(place.dataset.examples).slice(1),
  };
  const show = (text, trace) => {
    const take = (token) => runWith(text + token);
    drawTokens(views.tokens, trace, costsOf(rows, trace));
    drawStrips(views.embeddings, trace);
    drawBlocks(views.blocks, trace);
    drawProbabilities(views.probabilities, trace, after(rows, trace.ids.slice(1)), take);
    drawNext(views.next, trace, text, take);
    list.classList.add("ran");
    const { config } = trace;
    const tokens = trace.ids.length === 1 ? "1 token" : `${trace.ids.length} tokens`;
    return `${tokens} went through ${config.n_layers} blocks. The likeliest next token is`
      + ` ${quoted(trace.top[0][1])}, with ${percent(trace.top[0][2])}.`;
  };
  const { status, runWith } = tool(head, form, async (text) => {
    const said = show(text, await ask("trace", { text }));
    list.classList.remove("runs");
    list.getBoundingClientRect(); // so that the animation begins anew
    list.classList.add("runs");
    return said;
  });
  status.textContent = `Stored result; press “${form.verb}” for your own words. ${show(stored.text, stored)}`;
}

/** The tokens and their ids; below each token, where the truth is known, a bar with the bits that it cost. */
function drawTokens(view, { ids, names }, costs) {
  const chips = ids.map((id, t) => {
    const text = make("span", { class: "text" }, names[t].replaceAll(" ", "␣"));
    const number = make("span", { class: "id" }, String(id));
    const chip = make("span", { class: `chip color-${t % COLORS}` }, text, number);
    if (costs === null || t === 0) return chip;
    const { bits, unavoidable } = costs[t - 1];
    const bar = make("span", { class: "cost" });
    bar.style.setProperty("--unavoidable", Math.min(bits, unavoidable));
    bar.style.setProperty("--avoidable", Math.max(0, bits - unavoidable));
    return make("span", { class: "costly", title: costInWords(costs[t - 1]) }, chip, bar);
  });
  const pieces = make("p", { class: "pieces" }, ...chips);
  if (costs !== null) {
    view.replaceChildren(costKey(), pieces, make("p", { class: "where" }, costLine(costs)));
  } else {
    view.replaceChildren(pieces);
    if (names.length > 1) view.append(make("p", { class: "where" }, OWN_WORDS));
  }
}

/** What the bars below the tokens mean; it stands above them. */
function costKey() {
  const color = (name) => make("span", { class: `color ${name}` });
  const intro = make("span", {}, "The bar below a token: the bits that it cost the model, the fewer the better.");
  const unavoidable = make("span", { class: "pair" }, color("of-truth"), "unavoidable");
  const avoidable = make("span", { class: "pair" }, color("avoidable"), "avoidable");
  return make("p", { class: "key" }, intro, unavoidable, avoidable);
}

/** What all tokens cost, in words. */
function costLine(costs) {
  const sum = (name) => costs.reduce((all, cost) => all + cost[name], 0);
  const [bits, unavoidable] = [sum("bits"), sum("unavoidable")];
  const said = `Together they cost ${inBits(bits)} bits. The perfect reader, who knows how the village tells its`
    + ` stories, pays ${inBits(unavoidable)}.`;
  const avoidable = inBits(bits - unavoidable);
  if (avoidable.startsWith("−")) return `${said} Here the model was lucky and paid less.`;
  return `${said} So ${avoidable} bits were avoidable.`;
}

/** A vector as a strip of colors: blue below 0, orange above. */
function strip(numbers, name, kind = "vector") {
  const canvas = make("canvas", { width: numbers.length, height: 1, role: "img", class: kind });
  canvas.setAttribute("aria-label", name);
  const image = new ImageData(numbers.length, 1);
  const largest = numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 1e-9);
  numbers.forEach((number, i) => {
    const color = number < 0 ? [0, 114, 178] : [230, 159, 0];
    image.data.set([...color, Math.round((255 * Math.abs(number)) / largest)], 4 * i);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** The vectors of the last tokens, before the first block. */
function drawStrips(view, { names, embedded, config }) {
  const first = Math.max(0, names.length - ROWS);
  const rows = names.slice(first).flatMap((name, i) => [
    make("span", { class: "text" }, name.replaceAll(" ", "␣")),
    strip(embedded[first + i], `the ${config.d_model} numbers of ${name}`),
  ]);
  const left = first === 1 ? "The first token is" : `The first ${first} tokens are`;
  const more = first ? ` ${left} not drawn.` : "";
  const said = `A row for each token, with its ${config.d_model} numbers: blue below 0, orange above.${more}`;
  view.replaceChildren(make("div", { class: "strips" }, ...rows), make("p", { class: "where" }, said));
}

/** A button for each block, which opens it, and says what the model would answer after it. */
function drawBlocks(view, trace) {
  const { looked, would } = trace;
  const opened = make("div", { class: "opened" });
  const buttons = looked.map((_, layer) => {
    const [, token, share] = would[layer + 1];
    const guess = make("small", {}, `its best guess so far: ${quoted(token)} ${percent(share)}`);
    return make("button", { type: "button" }, `After block ${layer + 1} of ${looked.length}`, guess);
  });
  const open = (layer) => {
    buttons.forEach((button, i) => button.setAttribute("aria-expanded", String(i === layer)));
    opened.replaceChildren(...(layer === null ? [] : insideOf(trace, layer)));
  };
  buttons.forEach((button, layer) => button.addEventListener("click", () =>
    open(button.getAttribute("aria-expanded") === "true" ? null : layer)));
  view.replaceChildren(make("div", { class: "blocks" }, ...buttons), opened);
  open(looked.length - 1);
}

/** A block from inside: where its heads look from the last token, and the units of its MLP. */
function insideOf({ names, looked, hidden, config }, layer) {
  const last = names.at(-1);
  const { row, field } = headChoices(config, layer).head;
  const list = make("ol", { class: "bars" });
  const draw = () => {
    const weights = weightsOf(looked, layer, field.value);
    const most = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, LOOKS);
    list.replaceChildren(...most.map((t) => barLine(quoted(names[t]), weights[t])));
  };
  field.addEventListener("change", draw);
  draw();
  const units = hidden[layer];
  const active = units.filter((unit) => unit > 0.1).length;
  const title = (words) => make("p", { class: "bars-title" }, words);
  const attention = make("div", {}, title(`Attention: where ${quoted(last)} looks`), row, list);
  const picture = strip(units, `the ${units.length} hidden units of the MLP`, "units");
  const said = make("p", { class: "where" }, `${active} of the ${units.length} hidden units are above 0.1.`);
  const mlp = make("div", {}, title(`MLP: what it computes from ${quoted(last)}`), picture, said);
  return [make("div", { class: "panels" }, attention, mlp)];
}

/** The likeliest next tokens, with their true probabilities if these are known. A click takes one of them. */
function drawProbabilities(view, { top }, odds, take) {
  const lines = tokenLines(top, odds);
  top.forEach(([, text], i) => {
    if (text.startsWith("⟨")) return;
    const button = make("button", { type: "button", class: "take" }, ...lines[i].childNodes);
    button.addEventListener("click", () => take(text));
    lines[i].replaceChildren(button);
  });
  const bars = make("ol", { class: "bars" }, ...lines);
  if (odds === null) {
    view.replaceChildren(bars, make("p", { class: "where" }, UNKNOWN));
    return;
  }
  const bits = inBits(entropy(odds));
  const said = bits === "0.0" ? "The perfect reader is sure of the next token, so all bits here are avoidable."
    : `On average, ${bits} bits are unavoidable here: the perfect reader pays them too.`;
  view.replaceChildren(key("the model"), bars, make("p", { class: "where" }, said));
}

/** The text so far, and a button that draws one of the ten by their probabilities and runs the longer text. */
function drawNext(view, { top }, text, take) {
  const words = top.filter(([, token]) => !token.startsWith("⟨"));
  const draw = make("button", { type: "button" }, "Draw one and run again");
  draw.addEventListener("click", () => {
    let dart = Math.random() * words.reduce((sum, [, , share]) => sum + share, 0);
    const drawn = words.find(([, , share]) => (dart -= share) < 0) ?? words[0];
    take(drawn[1]);
  });
  const said = make("span", { class: "or" }, "from the ten above; or click on the one that you want");
  const hadFocus = view.contains(document.activeElement);
  view.replaceChildren(make("p", { class: "so-far" }, `${text} …`), make("p", { class: "line" }, draw, said));
  if (hadFocus) draw.focus({ preventScroll: true });
}
