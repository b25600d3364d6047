// What the four tools of the pages share: elements, controls, and the way to the worker.

/** An element with properties (`class`, `data-…`, `aria-…` as attributes) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

let made = 0;
export const newId = (name) => `teller-${name}-${(made += 1)}`;

/** A field for words: {row, field}. */
export function wordsField(name, value) {
  const field = make("input", { id: newId("words"), type: "text", value, maxLength: 300, autocomplete: "off" });
  field.spellcheck = false;
  return { row: make("p", { class: "words" }, make("label", { htmlFor: field.id }, name), field), field };
}

/** A slider with its name and its value: {row, field}. */
export function slider(name, { min, max, step, value, shown = String }) {
  const id = newId("slider");
  const field = make("input", { id, type: "range", min, max, step, value });
  const output = make("output", { htmlFor: id }, shown(value));
  const update = () => {
    output.textContent = shown(Number(field.value));
    field.setAttribute("aria-valuetext", output.textContent);
  };
  field.addEventListener("input", update);
  field.update = update;
  return { row: make("p", { class: "slider" }, make("label", { htmlFor: id }, name), field, output), field };
}

/** A choice among a few: {row, field}. options: [value, name] pairs. */
export function choice(name, options, value) {
  const field = make("select", { id: newId("choice") });
  field.append(...options.map(([v, n]) => make("option", { value: v }, n)));
  field.value = value;
  return { row: make("p", { class: "choice" }, make("label", { htmlFor: field.id }, name), field), field };
}

/** The choices of a layer and of a head, the mean of all first where wanted. */
export function headChoices(config, layer, head) {
  const numbers = (n) => Array.from({ length: n }, (_, i) => [i, String(i + 1)]);
  const heads = [["mean", `all ${config.n_heads}, their mean`], ...numbers(config.n_heads)];
  return { layer: choice("layer", numbers(config.n_layers), layer), head: choice("head", heads, head) };
}

/** One head's weights, or the mean of all: looked[layer][head] (T) -> (T). */
export function weightsOf(looked, layer, head) {
  const rows = looked[layer];
  if (head !== "mean") return rows[Number(head)];
  return rows[0].map((_, t) => rows.reduce((sum, row) => sum + row[t], 0) / rows.length);
}

export const percent = (share) => `${share < 0.1 && share > 0 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`;

/** A token between quotes, its spaces in sight. */
export const quoted = (text) => (text.startsWith("⟨") ? text : `“${text.replaceAll(" ", "\u00a0")}”`);

let worker = null;
const waiting = new Map();

/** Have the worker do a task; report is called with what it sends meanwhile. */
export function ask(task, options = {}, report = () => {}) {
  if (worker === null) {
    worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { number, progress, result, error } }) => {
      const asked = waiting.get(number);
      if (progress) return asked.report(progress);
      waiting.delete(number);
      return error ? asked.reject(new Error(error)) : asked.resolve(result);
    };
    worker.onerror = () => {
      const all = [...waiting.values()];
      waiting.clear();
      worker = null;
      all.forEach(({ reject }) => reject(new Error("the model did not start; reload the page")));
    };
  }
  const number = (made += 1);
  const answer = new Promise((resolve, reject) => waiting.set(number, { resolve, reject, report }));
  worker.postMessage({ number, task, options });
  return answer;
}
