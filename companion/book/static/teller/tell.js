// The teller: the reader's first words, the model's story, and what it weighed at each word.

import { mark, plain, readPatterns } from "./marks.js";
import { ask, barLine, headChoices, make, megabytes, newId, percent, quoted } from "./parts.js";
import { slider, tokenLines, tool, weightsOf } from "./parts.js";
import { UNKNOWN, after, costInWords, inBits, key, truths } from "./truth.js";

const LOOKS = 8; // bars at most for where the model looked
const FAINT = 0.03; // the least weight that gets a bar
const DARK = 2; // avoidable bits from which a word's strip is darkest
const SIGNS = [
  ["grammar", "worded as in the village (whether it is true is not checked here)"],
  ["foreign", "not worded as in the village"],
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
    examples: JSON.parse(place.dataset.examples),
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
      story ??= new Story(shown, await ask("load"), await truths());
      story.clear(options);
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
  constructor(place, { config, marks }, rows) {
    this.rows = rows;
    this.patterns = readPatterns(marks);
    this.where = make("ol", { class: "bars where", id: newId("where") });
    this.text = make("p", { class: "told", role: "group" });
    this.text.setAttribute("aria-label", "The story, word by word. Arrow keys move; Enter keeps a word.");
    this.sheet = make("div", { class: "sheet" }, this.text);
    this.barsTitle = make("p", { class: "bars-title" });
    this.bars = make("ol", { class: "bars" });
    this.barsKey = make("div");
    this.truth = make("p", { class: "where", id: newId("truth") });
    const choices = headChoices(config);
    [this.layer, this.head] = [choices.layer.field, choices.head.field];
    const legend = make("ul", { class: "legend" });
    legend.append(...SIGNS.map(([name, said]) => make("li", {}, sample(name), said)));
    const paid = make("li", {}, sample("paid"), `avoidable bits; darkest from ${DARK}`);
    paid.querySelector(".word").style.setProperty("--paid", 1);
    this.paidSign = paid;
    legend.append(paid);
    const looks = make("div", { class: "line" }, choices.layer.row, choices.head.row);
    const title = make("p", { class: "bars-title" }, "Where it looked to choose this word");
    const panels = [
      make("div", {}, this.barsTitle, this.barsKey, this.bars, this.truth),
      make("div", {}, title, looks, this.where),
    ];
    place.replaceChildren(this.sheet, legend, make("div", { class: "panels" }, ...panels));
    for (const field of [this.layer, this.head]) field.addEventListener("change", () => this.look(this.seen));
    this.text.addEventListener("pointerover", ({ target }) => this.point(target));
    this.text.addEventListener("pointerleave", () => this.look(this.kept ?? this.tokens.length - 1));
    this.text.addEventListener("focusin", ({ target }) => this.point(target));
    this.text.addEventListener("click", ({ target }) => this.keep(target));
    this.text.addEventListener("keydown", (event) => this.key(event));
  }

  clear({ temperature, topP }) {
    this.drawnAt = temperature === 1 && topP === 1 ? "" : ` at temperature ${temperature}, top-p ${topP}`;
    this.tokens = [];
    this.kept = null; // the token that a click or Enter chose
    this.seen = -1; // the token whose choice is shown
    this.beginning = make("span", { class: "token beginning" }, "⟨end⟩");
    this.beginning.title = "The token that ended the text before: every story begins with it";
    this.text.replaceChildren(this.beginning);
    this.bars.replaceChildren();
    this.where.replaceChildren();
    this.barsTitle.textContent = "";
    this.barsKey.replaceChildren();
    this.truth.textContent = "";
    this.paidSign.hidden = true;
  }

  add(token) {
    const [space] = token.text.match(/^\s*/);
    const word = make("span", { class: "word" }, token.text.slice(space.length));
    const span = make("span", { class: token.given ? "token given" : "token", role: "button" }, space, word);
    span.tabIndex = this.tokens.length ? -1 : 0;
    span.setAttribute("aria-describedby", `${this.truth.id} ${this.where.id}`);
    const odds = after(this.rows, this.tokens.map(({ id }) => id));
    const unavoidable = odds && -Math.log2(odds[token.id] ?? 0);
    if (odds) {
      word.style.setProperty("--paid", Math.min(1, Math.max(0, token.bits - unavoidable) / DARK));
      this.paidSign.hidden = false;
    }
    if (!token.text.trim()) span.setAttribute("aria-label", token.text ? "space" : "part of a character");
    span.dataset.token = this.tokens.length;
    this.tokens.push({ ...token, span, odds, unavoidable });
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
    if (this.kept === null) this.look(this.mostTelling());
    const ways = { end: "The story is over", stopped: "Stopped", full: "The model has no room for more" };
    const speed = first === null ? "" : ` First word after ${(first / 1000).toFixed(1)} s, then`
      + ` ${(milliseconds / tokens).toFixed(1)} ms of arithmetic a token.`;
    return `${ways[ended]}: ${village} of ${marks.length} sentences are worded as the village's;`
      + ` names told before: ${count("known")}, names from nowhere: ${count("unknown")}.${this.paid()}${speed}`;
  }

  /** What the reader's words cost, if the truth is known for them. */
  paid() {
    const given = this.tokens.filter((token) => token.given);
    if (!given.length || !given.every(({ odds, id }) => odds?.[id])) return "";
    const sum = (name) => given.reduce((all, token) => all + token[name], 0);
    const [bits, unavoidable] = [sum("bits"), sum("unavoidable")];
    const rest = inBits(Number(inBits(bits)) - Number(inBits(unavoidable))); // the printed numbers add up
    return ` The words that you gave cost the model ${inBits(bits)} bits: ${inBits(unavoidable)} unavoidable,`
      + ` ${rest} avoidable.`;
  }

  /** The token to look at first: the last name that was told before, or else the boldest draw. In a story that
   *  the model only read, the one with the most avoidable bits. */
  mostTelling() {
    const avoidable = ({ bits, unavoidable }) => bits - unavoidable;
    if (this.tokens.length && this.tokens.every(({ given, odds }) => given && odds)) {
      const most = this.tokens.reduce((a, b) => (avoidable(b) > avoidable(a) ? b : a));
      return this.tokens.indexOf(most);
    }
    const drawn = [...this.tokens.keys()].filter((i) => !this.tokens[i].given);
    const known = drawn.filter((i) => this.tokens[i].span.classList.contains("name-known"));
    const bold = drawn.reduce((a, b) => (this.tokens[b].p < this.tokens[a].p ? b : a), drawn[0]);
    return known.at(-1) ?? bold ?? this.tokens.length - 1;
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
    const lines = tokenLines(token.top, token.odds);
    lines[token.top.findIndex(([id]) => id === token.id)]?.classList.add("chosen");
    this.bars.replaceChildren(...lines);
    this.barsKey.replaceChildren(...(token.odds ? [key(`the model${token.given ? "" : this.drawnAt}`)] : []));
    this.truth.textContent = token.odds ? costInWords(token) : UNKNOWN;
    this.draw();
  }

  /** Where the model looked: a bar above each word of the story, and the largest weights as a list. */
  draw() {
    const token = this.tokens[this.seen];
    if (token === undefined) return;
    const weights = weightsOf(token.looked, this.layer.value, this.head.value); // first the beginning's
    const spans = [this.beginning, ...this.tokens.map(({ span }) => span)];
    spans.forEach((span, t) => span.style.setProperty("--weight", weights[t] >= FAINT ? weights[t] : 0));
    const most = [...weights.keys()].filter((t) => weights[t] >= FAINT);
    most.sort((a, b) => weights[b] - weights[a]).splice(LOOKS);
    const name = (t) => (t ? quoted(this.tokens[t - 1].text) : "⟨end⟩");
    this.where.replaceChildren(...most.map((t) => barLine(name(t), weights[t])));
  }
}
