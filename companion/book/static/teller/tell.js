// The teller: the reader's first words, the model's story, and what it weighed at each word.

import { mark, plain, readPatterns } from "./marks.js";
import { ask, headChoices, make, megabytes, newId, percent, quoted } from "./parts.js";
import { slider, tool, weightsOf } from "./parts.js";

const ARCS = 8; // at most, from one word
const FAINT = 0.03; // the least weight that gets an arc
const SIGNS = [
  ["grammar", "a sentence of the village"],
  ["foreign", "no sentence of the village"],
  ["name-new", "a new name"],
  ["name-known", "a name told before"],
  ["name-unknown", "a name from nowhere"],
];
const sample = (name) => make("span", { class: `sample ${name}` }, make("span", { class: "word" }, "Aa"));
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function build(place) {
  const heat = slider("temperature", { min: 0, max: 2, step: 0.1, value: 0.8, shown: (v) => v.toFixed(1) });
  const topP = slider("top-p", { min: 0.05, max: 1, step: 0.05, value: 1, shown: (v) => v.toFixed(2) });
  const stop = make("button", { type: "button", ariaDisabled: "true" }, "Stop");
  stop.addEventListener("click", () => stop.ariaDisabled === "true" || ask("stop"));
  const form = {
    title: "The shipped model, in this page",
    label: "The first words",
    value: "Once",
    verb: "Tell a story",
    size: megabytes(place),
    more: [make("div", { class: "line" }, heat.row, topP.row)],
    beside: [stop],
  };
  let story = null;

  tool(place, form, async (prompt, shown, status) => {
    const begin = performance.now();
    const options = { prompt, temperature: Number(heat.field.value), topP: Number(topP.field.value) };
    options.paced = !still();
    stop.ariaDisabled = "false";
    try {
      story ??= new Story(shown, await ask("load"));
      story.clear();
      shown.hidden = false;
      status.textContent = "";
      let first = null;
      const kept = []; // without motion, the story comes whole
      const done = await ask("tell", options, (token) => {
        if (!token.given) first ??= performance.now() - begin;
        if (options.paced) story.add(token);
        else kept.push(token);
      });
      kept.forEach((token) => story.add(token));
      return story.finish(done, first);
    } finally {
      stop.ariaDisabled = "true";
    }
  });
}

/** A story on the page: its tokens, its marks, and what was weighed at the token that is looked at. */
class Story {
  constructor(place, { config, marks }) {
    this.patterns = readPatterns(marks);
    this.where = make("p", { class: "where", id: newId("where") });
    this.text = make("p", { class: "told", role: "group" });
    this.text.setAttribute("aria-label", "The story, word by word. Arrow keys move; Enter keeps a word.");
    this.arcs = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.arcs.setAttribute("class", "arcs");
    this.arcs.setAttribute("aria-hidden", "true");
    this.sheet = make("div", { class: "sheet" }, this.text, this.arcs);
    this.barsTitle = make("p", { class: "bars-title" });
    this.bars = make("ol", { class: "bars" });
    const choices = headChoices(config, config.n_layers - 2, "mean");
    [this.layer, this.head] = [choices.layer.field, choices.head.field];
    const legend = make("ul", { class: "legend" });
    legend.append(...SIGNS.map(([name, said]) => make("li", {}, sample(name), said)));
    const looks = make("div", { class: "line" }, choices.layer.row, choices.head.row);
    const title = make("p", { class: "bars-title" }, "Where it looked to choose this word");
    const panels = [make("div", {}, this.barsTitle, this.bars), make("div", {}, title, looks, this.where)];
    place.replaceChildren(this.sheet, legend, make("div", { class: "panels" }, ...panels));
    for (const field of [this.layer, this.head]) field.addEventListener("change", () => this.look(this.seen));
    this.text.addEventListener("pointerover", ({ target }) => this.point(target));
    this.text.addEventListener("pointerleave", () => this.look(this.kept ?? this.tokens.length - 1));
    this.text.addEventListener("focusin", ({ target }) => this.point(target));
    this.text.addEventListener("click", ({ target }) => this.keep(target));
    this.text.addEventListener("keydown", (event) => this.key(event));
    addEventListener("resize", () => this.draw());
    this.clear();
  }

  clear() {
    this.tokens = [];
    this.kept = null; // the token that a click or Enter chose
    this.seen = -1; // the token whose choice is shown
    this.beginning = make("span", { class: "token beginning" }, "⟨end⟩");
    this.beginning.title = "The token that ended the text before: every story begins with it";
    this.text.replaceChildren(this.beginning);
    this.arcs.replaceChildren();
    this.bars.replaceChildren();
    this.where.textContent = this.barsTitle.textContent = "";
  }

  add(token) {
    const [space] = token.text.match(/^\s*/);
    const word = make("span", { class: "word" }, token.text.slice(space.length));
    const span = make("span", { class: token.given ? "token given" : "token", role: "button" }, space, word);
    span.tabIndex = this.tokens.length ? -1 : 0;
    span.setAttribute("aria-describedby", this.where.id);
    if (!token.text.trim()) span.setAttribute("aria-label", token.text ? "space" : "part of a character");
    span.dataset.token = this.tokens.length;
    this.tokens.push({ ...token, span });
    this.text.append(span);
    if (/^ ?["A-Z]/.test(token.text)) this.mark(false);
    if (this.kept === null) this.look(this.tokens.length - 1);
  }

  /** Mark the sentences; the last one only when the story is over. */
  mark(over) {
    const told = this.tokens.map(({ text }) => text).join("");
    const { where } = plain(told);
    let marks = mark(told, this.patterns);
    if (!over) marks = marks.slice(0, -1);
    let at = 0;
    const ends = this.tokens.map(({ text }) => (at += text.length)); // where each token ends in the text
    const holder = (i) => ends.findIndex((end) => end > i); // the token that holds a character
    for (const { span } of this.tokens) span.classList.remove(...SIGNS.map(([name]) => name), "last", "sign");
    for (const { start, end, grammar, names } of marks) {
      const last = holder(where[end - 1]);
      for (let i = holder(where[start]); i <= last; i++) {
        this.tokens[i].span.classList.add(grammar ? "grammar" : "foreign");
      }
      this.tokens[last].span.classList.add("last");
      for (const name of names) {
        const final = holder(where[name.end - 1]);
        for (let i = holder(where[name.start]); i <= final; i++) {
          this.tokens[i].span.classList.add(`name-${name.state}`);
        }
        this.tokens[final].span.classList.add("sign");
      }
    }
    return marks;
  }

  /** Mark all, and return what to say of the finished story. */
  finish({ ended, tokens, milliseconds }, first) {
    const marks = this.mark(true);
    const all = marks.flatMap(({ names }) => names);
    const count = (state) => all.filter((name) => name.state === state).length;
    const village = marks.filter(({ grammar }) => grammar).length;
    const ways = { end: "The story is over", stopped: "Stopped", full: "The model has no room for more" };
    const speed = first === null ? "" : ` First word after ${(first / 1000).toFixed(1)} s, then`
      + ` ${(milliseconds / tokens).toFixed(1)} ms of arithmetic a token.`;
    return `${ways[ended]}: ${village} of ${marks.length} sentences are the village's; names told before:`
      + ` ${count("known")}, names from nowhere: ${count("unknown")}.${speed}`;
  }

  point(target) {
    const span = target.closest("[data-token]");
    if (span) this.look(Number(span.dataset.token));
  }

  keep(target) {
    const span = target.closest("[data-token]");
    if (!span) return;
    const number = Number(span.dataset.token);
    this.tokens[this.kept]?.span.removeAttribute("aria-pressed");
    this.kept = this.kept === number ? null : number;
    if (this.kept !== null) span.setAttribute("aria-pressed", "true");
    this.look(number);
  }

  key(event) {
    const from = Number(event.target.dataset.token);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: this.tokens.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.keep(event.target);
    else if (this.tokens[to] === undefined) return;
    else {
      this.tokens[from].span.tabIndex = -1;
      this.tokens[to].span.tabIndex = 0;
      this.tokens[to].span.focus();
    }
    event.preventDefault();
  }

  /** Show what was weighed when this token was chosen. */
  look(number) {
    const token = this.tokens[number];
    if (token === undefined) return;
    this.tokens[this.seen]?.span.classList.remove("seen");
    this.seen = number;
    token.span.classList.add("seen");
    this.barsTitle.textContent = token.given
      ? `What could have come; you wrote ${quoted(token.text)}`
      : `What could have come; it chose ${quoted(token.text)}, ${percent(token.p)}`;
    this.bars.replaceChildren(...token.top.map(([id, text, p]) => {
      const bar = make("span", { class: "bar" });
      bar.style.setProperty("--share", p);
      const name = make("span", { class: "name" }, quoted(text));
      const share = make("span", { class: "share" }, percent(p));
      const line = make("li", {}, name, make("span", { class: "track" }, bar), share);
      if (id === token.id) line.className = "chosen";
      return line;
    }));
    this.draw();
  }

  /** The arcs from the token that is looked at, and the same in words. */
  draw() {
    const token = this.tokens[this.seen];
    if (token === undefined) return;
    const weights = weightsOf(token.looked, this.layer.value, this.head.value); // first the beginning's
    const spans = [this.beginning, ...this.tokens.map(({ span }) => span)];
    const most = [...weights.keys()].filter((t) => weights[t] >= FAINT);
    most.sort((a, b) => weights[b] - weights[a]).splice(ARCS);
    const name = (t) => (t ? quoted(this.tokens[t - 1].text) : "⟨end⟩");
    this.where.textContent = most.length
      ? `Before ${quoted(token.text)}: ${most.map((t) => `${name(t)} ${percent(weights[t])}`).join(", ")}.`
      : "Nowhere in particular.";
    const frame = this.sheet.getBoundingClientRect();
    this.arcs.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    const top = (span) => {
      const box = (span.querySelector(".word") ?? span).getBoundingClientRect();
      return [box.left + box.width / 2 - frame.left, box.top - frame.top + 3];
    };
    const [x, y] = top(token.span);
    this.arcs.replaceChildren(...most.map((t) => {
      const [there, up] = top(spans[t]);
      const lift = Math.min(y, up) - 8 - Math.min(40, Math.abs(x - there) / 8);
      const arc = document.createElementNS("http://www.w3.org/2000/svg", "path");
      arc.setAttribute("d", `M ${x} ${y} Q ${(x + there) / 2} ${Math.max(2, lift)} ${there} ${up}`);
      arc.setAttribute("stroke-width", 1 + 5 * weights[t]);
      arc.setAttribute("opacity", 0.35 + 0.65 * weights[t]);
      return arc;
    }));
  }
}
