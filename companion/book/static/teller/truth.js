// What the perfect reader of companion.village knows of the stored examples: how likely each next token truly is.

import { make, quoted } from "./parts.js";

export const UNKNOWN = "How likely each token truly is, is stored for the examples only, and for their beginnings.";
let loading = null;

async function fetched() {
  const answer = await fetch(new URL("truth.json", import.meta.url));
  if (!answer.ok) throw new Error(`truth.json did not come (${answer.status}); reload the page`);
  return answer.json();
}

/** The stored rows, fetched once: [{ids, odds: for each beginning {token's id: probability}}]. */
export function truths() {
  loading ??= fetched().catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

/** How likely each token truly is after these ids, without the beginning's; null where it is not stored. */
export function after(rows, ids) {
  const row = rows.find((one) => ids.every((id, t) => one.ids[t] === id));
  return row === undefined ? null : row.odds[ids.length];
}

/** What each token of a text costs, {text, bits, unavoidable} for each but the beginning's; null where the truth
 *  of the text is not stored. */
export function costsOf(rows, { ids, names, bits }) {
  const told = ids.slice(1);
  if (!told.length || after(rows, told) === null) return null;
  return told.map((id, t) => {
    const unavoidable = -Math.log2(after(rows, told.slice(0, t))[id] ?? 0);
    return { text: names[t + 1], bits: bits[t + 1], unavoidable };
  });
}

/** The bits that are unavoidable on average where these are the odds. */
export function entropy(odds) {
  return Object.values(odds).reduce((sum, p) => sum - p * Math.log2(p), 0);
}

/** Bits with one decimal, and without a minus before 0.0. */
export const inBits = (number) => (Math.abs(number) < 0.05 ? "0.0" : number.toFixed(1).replace("-", "−"));

/** What a token cost the model, and how much of that nobody could have avoided, in words. */
export function costInWords({ text, bits, unavoidable }) {
  if (unavoidable === Infinity) return `${quoted(text)} cannot come here in a story of the village.`;
  const avoidable = bits - unavoidable;
  const cost = `At ${quoted(text)}, the model pays ${inBits(bits)} bits: ${inBits(unavoidable)} unavoidable,`
    + ` ${inBits(avoidable)} avoidable.`;
  return inBits(avoidable).startsWith("−") ? `${cost} Below 0, it was lucky.` : cost;
}

/** The line that names the two bars. */
export function key(ofModel) {
  const color = (name) => make("span", { class: `color ${name}` });
  const model = make("span", { class: "pair" }, color("of-model"), ofModel);
  const truth = make("span", { class: "pair" }, color("of-truth"), "the truth, as the perfect reader knows it");
  return make("p", { class: "key" }, model, truth);
}
