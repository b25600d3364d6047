// The cutter: the reader's own sentence, merged step by step as chapter 1 encodes it.

import { make, newId, quoted, slider, wordsField } from "./parts.js";
import { Tokenizer } from "./tokenizer.js";

const COLORS = 6;

async function loadTokenizer() {
  const answer = await fetch(new URL("../model/model.json", import.meta.url));
  if (!answer.ok) throw new Error(`model.json did not come (${answer.status}); reload the page`);
  return new Tokenizer((await answer.json()).tokenizer);
}

export function build(place) {
  const words = wordsField("Your sentence", "Mara found a red lantern.");
  const start = make("button", { type: "submit", class: "main" }, "Cut it");
  const size = make("span", { class: "hint" }, `loads ${Math.ceil(Number(place.dataset.described) / 1000)} kB, once`);
  const form = make("form", {}, words.row, make("p", { class: "row" }, start, size));
  const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  const shown = make("div", { class: "shown", hidden: true });
  const title = make("p", { class: "title", id: newId("title") }, "Your own sentence, cut by the shipped model's tokenizer");
  place.setAttribute("role", "group");
  place.setAttribute("aria-labelledby", title.id);
  place.append(title, form, status, shown);
  let tokenizer = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      tokenizer ??= await loadTokenizer();
      size.remove();
      shown.hidden = false;
      status.textContent = show(shown, tokenizer, words.field.value);
    } catch (error) {
      status.textContent = `It failed: ${error.message}.`;
    }
  });
}

/** Show the last step, with controls for the others; returns what to say of it. */
function show(place, tokenizer, text) {
  const steps = tokenizer.mergeSteps(text);
  const last = steps.length - 1;
  const step = slider("merges done", { min: 0, max: last, step: 1, value: last, shown: (n) => `${n} of ${last}` });
  const back = make("button", { type: "button" }, "One back");
  const on = make("button", { type: "button" }, "One on");
  const said = make("p", { class: "made" });
  const row = make("p", { class: "pieces" });
  place.replaceChildren(row, said, step.row, make("p", { class: "row" }, back, on));

  const draw = () => {
    const n = Number(step.field.value);
    const { pieces, made, of } = steps[n];
    row.replaceChildren(...pieces.map((ids, i) => make("span", { class: "piece" }, ...ids.map((id) => {
      const text = make("span", { class: "text" }, tokenizer.spell(id).replaceAll(" ", "␣"));
      return make("span", { class: `chip color-${i % COLORS}${id === made ? " new" : ""}` }, text, make("span", { class: "id" }, String(id)));
    }))));
    const tokens = pieces.reduce((sum, ids) => sum + ids.length, 0);
    said.textContent = made === null
      ? `Before the first merge, ${pieces.length} pieces: ${tokens} bytes, a token each.`
      : `Merge ${n}: ${quoted(tokenizer.spell(of[0]))} and ${quoted(tokenizer.spell(of[1]))} become`
        + ` ${quoted(tokenizer.spell(made))}, token ${made}, the tokenizer's merge number ${made - 255}. Now ${tokens} tokens.`;
    back.disabled = n === 0;
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
  const { pieces } = steps[last];
  const tokens = pieces.reduce((sum, ids) => sum + ids.length, 0);
  return `${new TextEncoder().encode(text).length} bytes, ${pieces.length} pieces, ${last} merges, ${tokens} tokens.`;
}
