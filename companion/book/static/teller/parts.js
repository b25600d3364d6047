// What the tools of the pages share: elements, controls, and the way to the worker.

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

const MOST = 360; // characters of the reader's words
const LONG = 200; // characters from which a button names an example by its first words

/** A field for words, as high as they need: {row, field}. Enter sends its form. */
function wordsField(name, value) {
  const id = newId("words");
  const field = make("textarea", { id, rows: Math.ceil(value.length / 60), value, autocomplete: "off" });
  field.spellcheck = false;
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    field.form.requestSubmit();
  });
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

/** A tool in its place: a title, a field for words, a button, and room for what it shows.
 *
 *  run(words, shown) does the work when the button is pressed and returns what the status line says of it;
 *  size: what the first press loads, in words; examples: words that a click puts into the field, and runs;
 *  more: rows below the field; beside: what follows the button. Returns {status, runWith}: the status line, and
 *  a function that runs other words and leaves the field as it is. */
export function tool(place, { title, label, value, verb, size, examples = [], more = [], beside = [] }, run) {
  const words = wordsField(label, value);
  const offered = new Set([value, ...examples]);
  const chips = make("p", { class: "line examples" }, make("span", { class: "or" }, "or try"));
  const offer = (text) => {
    const name = text.length > LONG ? `a whole story: ${text.split(" ", 4).join(" ")} …` : text;
    const chip = make("button", { type: "button", class: "example" }, name);
    chip.addEventListener("click", () => {
      const typed = words.field.value.trim();
      if (typed && !offered.has(typed)) offer(typed); // so that it is not lost
      words.field.value = text;
      form.requestSubmit();
    });
    offered.add(text);
    chips.append(chip);
  };
  examples.forEach(offer);
  if (examples.length) more = [chips, ...more];
  const start = make("button", { type: "submit", class: "main" }, verb);
  const loads = make("span", { class: "hint" }, `loads ${size}, once`);
  const form = make("form", {}, words.row, ...more, make("p", { class: "line" }, start, ...beside, loads));
  const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  const shown = make("div", { class: "shown", hidden: true });
  const heading = make("p", { class: "title", id: newId("title") }, title);
  place.setAttribute("role", "group");
  place.setAttribute("aria-labelledby", heading.id);
  place.append(heading, form, status, shown);
  const runWith = async (text) => {
    if (start.ariaDisabled === "true") return; // and not `disabled`, which would take the focus away
    start.ariaDisabled = "true";
    status.textContent = loads.isConnected ? "Loading …" : "";
    try {
      status.textContent = await run(text, shown, status);
      loads.remove();
    } catch (error) {
      status.textContent = `It failed: ${error.message}.`;
    }
    start.ariaDisabled = "false";
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { length } = words.field.value;
    if (length <= MOST) runWith(words.field.value);
    else status.textContent = `These are ${length} characters, and ${MOST} fit. Nothing was cut; shorten them.`;
  });
  return { status, runWith };
}

/** A bar as long as the share. */
function barOf(share, kind) {
  const bar = make("span", { class: `bar ${kind}` });
  bar.style.setProperty("--share", share);
  return make("span", { class: "track" }, bar);
}

/** A line with a name, a bar as long as the share, and the share as percent; below them the true share, where
 *  it is known. */
export function barLine(name, share, truth = null) {
  const line = make("li", {}, make("span", { class: "name" }, name));
  line.append(barOf(share, "of-model"), make("span", { class: "share" }, percent(share)));
  if (truth === null) return line;
  line.className = "two";
  line.append(" ", barOf(truth, "of-truth"), make("span", { class: "share" }, `true\u00a0${percent(truth)}`));
  return line;
}

/** A line for each of the likeliest tokens, [id, text, share]. Where the odds are known, {id: probability}, each
 *  line has the true share too, and one more line is for all other tokens. */
export function tokenLines(top, odds) {
  if (odds === null) return top.map(([, text, share]) => barLine(quoted(text), share));
  const lines = top.map(([id, text, share]) => barLine(quoted(text), share, odds[id] ?? 0));
  const rest = (shares) => Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0));
  const others = rest(top.map(([, , share]) => share));
  return [...lines, barLine("all others", others, rest(top.map(([id]) => odds[id] ?? 0)))];
}

/** A slider over steps, with buttons for one back and one on: rows. draw(n) shows a step, at first the last. */
export function stepper(name, first, last, draw) {
  const step = slider(name, { min: first, max: last, step: 1, value: last, shown: (n) => `${n} of ${last}` });
  const back = make("button", { type: "button" }, "One back");
  const on = make("button", { type: "button" }, "One on");
  const show = () => {
    const n = Number(step.field.value);
    back.disabled = n === first;
    on.disabled = n === last;
    draw(n);
  };
  const move = (by) => {
    step.field.value = Number(step.field.value) + by;
    step.field.update();
    show();
  };
  back.addEventListener("click", () => move(-1));
  on.addEventListener("click", () => move(1));
  step.field.addEventListener("input", show);
  step.field.update();
  show();
  return [step.row, make("p", { class: "line" }, back, on)];
}

export const megabytes = (place) => `${(Number(place.dataset.bytes) / 1e6).toFixed(1)} MB`;

/** For each layer, the head that matters most: without it, the model loses most at names that were told before.
 *  The last layer's matters most of all. A test of the site measures them. */
const HEADS = [3, 2, 1, 1];

/** The choices of a layer and of a head, counted from 0 as in Python, the mean of all heads first. Whoever
 *  chooses a layer gets the head that matters in it. */
export function headChoices(config, at = config.n_layers - 1) {
  const numbers = (n) => Array.from({ length: n }, (_, i) => [i, String(i)]);
  const heads = [["mean", `all ${config.n_heads}, their mean`], ...numbers(config.n_heads)];
  const layer = choice("layer", numbers(config.n_layers), at);
  const head = choice("head", heads, HEADS[at]);
  layer.field.addEventListener("change", () => (head.field.value = HEADS[layer.field.value]));
  return { layer, head };
}

/** One head's weights, or the mean of all: looked[layer][head] (T) -> (T). */
export function weightsOf(looked, layer, head) {
  const rows = looked[layer];
  if (head !== "mean") return rows[Number(head)];
  return rows[0].map((_, t) => rows.reduce((sum, row) => sum + row[t], 0) / rows.length);
}

/** A share as percent, with a decimal where it is small. Its space does not break. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1\u00a0%";
  return `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)}\u00a0%`;
}

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
