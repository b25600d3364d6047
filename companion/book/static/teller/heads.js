// The map of a head: which earlier token each token of the reader's sentence looks at.

import { ask, headChoices, make, newId, percent, quoted, weightsOf, wordsField } from "./parts.js";

const MOST = 26; // tokens on a map

export function build(place) {
  const words = wordsField("Your sentence", "Once the shepherd Otto and the dog Leo met at the orchard.");
  const start = make("button", { type: "submit", class: "main" }, "Draw its maps");
  const size = make("span", { class: "hint" }, `loads ${(Number(place.dataset.bytes) / 1e6).toFixed(1)} MB, once`);
  const form = make("form", {}, words.row, make("p", { class: "row" }, start, size));
  const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  const shown = make("div", { class: "shown", hidden: true });
  const title = make("p", { class: "title", id: newId("title") }, "Any head of the shipped model, on your own sentence");
  place.setAttribute("role", "group");
  place.setAttribute("aria-labelledby", title.id);
  place.append(title, form, status, shown);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!words.field.value.trim()) {
      status.textContent = "The sentence is empty; write one.";
      return;
    }
    status.textContent = "Loading …";
    try {
      const read = await ask("read", { text: words.field.value, most: MOST });
      size.remove();
      shown.hidden = false;
      status.textContent = `${read.ids.length} tokens, the first of which ends the text before.`
        + (read.ids.length === MOST ? ` More than ${MOST} find no room on the map.` : "");
      show(shown, read);
    } catch (error) {
      status.textContent = `It failed: ${error.message}.`;
    }
  });
}

function show(place, { names, rows, config }) {
  const { layer, head } = headChoices(config, config.n_layers - 2, 0);
  const table = make("table", { class: "map" });
  const said = make("p", { class: "where" });
  said.setAttribute("aria-live", "polite");
  place.replaceChildren(make("div", { class: "row" }, layer.row, head.row), make("div", { class: "map-frame" }, table), said);
  const draw = () => {
    const heading = make("tr", {}, make("td"), ...names.map((name) => make("th", { scope: "col" }, make("span", {}, name))));
    const lines = rows.map((looked, i) => {
      const weights = weightsOf(looked, layer.field.value, head.field.value);
      const look = make("button", { type: "button" }, names[i]);
      const line = make("tr", {}, make("th", { scope: "row" }, look));
      names.forEach((name, t) => {
        const cell = make("td");
        if (t <= i) {
          cell.style.setProperty("--share", weights[t]);
          cell.title = `${quoted(names[i])} looks at ${quoted(name)}: ${percent(weights[t])}`;
          cell.className = "seen";
        }
        line.append(cell);
      });
      const tell = () => {
        table.querySelector("tr.told")?.classList.remove("told");
        line.classList.add("told");
        const most = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 5);
        const shares = most.filter((t) => weights[t] >= 0.01).map((t) => `${quoted(names[t])} ${percent(weights[t])}`);
        said.textContent = `${quoted(names[i])} looks at ${shares.join(", ")}.`;
      };
      line.addEventListener("pointerenter", tell);
      look.addEventListener("focus", tell);
      look.addEventListener("click", tell);
      return line;
    });
    table.replaceChildren(make("caption", {}, "A row is a token that looks, a column one that is looked at; each row adds up to 1."), make("tbody", {}, heading, ...lines));
    lines.at(-1).dispatchEvent(new PointerEvent("pointerenter"));
  };
  layer.field.addEventListener("change", draw);
  head.field.addEventListener("change", draw);
  draw();
}
