// The cutter: the reader's own sentence, merged step by step as chapter 1 encodes it.

import { make, quoted, stepper, tool } from "./parts.js";
import { Tokenizer } from "./tokenizer.js";

const COLORS = 6;

async function loadTokenizer() {
  const answer = await fetch(new URL("../model/model.json", import.meta.url));
  if (!answer.ok) throw new Error(`model.json did not come (${answer.status}); reload the page`);
  return new Tokenizer((await answer.json()).tokenizer);
}

export function build(place) {
  const form = {
    title: "Your own sentence, cut by the shipped model's tokenizer",
    label: "Your sentence",
    value: "Mara found a red lantern.",
    verb: "Cut it",
    size: `${Math.ceil(Number(place.dataset.described) / 1000)} kB`,
  };
  let tokenizer = null;
  tool(place, form, async (text, shown) => {
    tokenizer ??= await loadTokenizer();
    shown.hidden = false;
    return show(shown, tokenizer, text);
  });
}

const count = (pieces) => pieces.reduce((sum, ids) => sum + ids.length, 0);

/** A token with its id. */
function chip(tokenizer, id, color, isNew) {
  const text = make("span", { class: "text" }, tokenizer.spell(id).replaceAll(" ", "␣"));
  const number = make("span", { class: "id" }, String(id));
  return make("span", { class: `chip color-${color % COLORS}${isNew ? " new" : ""}` }, text, number);
}

/** Show the last step, with controls for the others; returns what to say of it. */
function show(place, tokenizer, text) {
  const steps = tokenizer.mergeSteps(text);
  const last = steps.length - 1;
  const said = make("p", { class: "made" });
  const row = make("p", { class: "pieces" });
  const spell = (id) => quoted(tokenizer.spell(id));
  const draw = (n) => {
    const { pieces, made, of } = steps[n];
    row.replaceChildren(...pieces.map((ids, i) =>
      make("span", { class: "piece" }, ...ids.map((id) => chip(tokenizer, id, i, id === made)))));
    said.textContent = made === null
      ? `Before the first merge, ${pieces.length} pieces: ${count(pieces)} bytes, a token each.`
      : `Merge ${n}: ${spell(of[0])} and ${spell(of[1])} become ${spell(made)}, token ${made}, which the`
        + ` tokenizer learned as merge ${made - 255}. Now ${count(pieces)} tokens.`;
  };
  place.replaceChildren(row, said, ...stepper("merges done", 0, last, draw));
  const { pieces } = steps[last];
  const bytes = count(steps[0].pieces);
  return `${bytes} bytes, ${pieces.length} pieces, ${last} merges, ${count(pieces)} tokens.`;
}
