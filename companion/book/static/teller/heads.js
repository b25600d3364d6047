// The map of a head: which earlier token each token of the reader's sentence looks at.

import { ask, headChoices, make, megabytes, percent, quoted, tool, weightsOf } from "./parts.js";

const MOST = matchMedia("(max-width: 600px)").matches ? 14 : 26; // tokens on a map
const CAPTION = "A row is a token that looks, a column one that is looked at; each row adds up to 1.";

export function build(place) {
  const form = {
    title: "Any head of the shipped model, on your own sentence",
    label: "Your sentence",
    value: 'The fox Bram stopped at the mill. "Is this the',
    verb: "Draw its maps",
    size: megabytes(place),
  };
  tool(place, form, async (text, shown) => {
    const read = await ask("read", { text, most: MOST });
    shown.hidden = false;
    show(shown, read);
    const cut = read.ids.length === MOST ? ` More than ${MOST} find no room on the map.` : "";
    return `${read.ids.length} tokens, the first of which ends the text before.${cut}`;
  });
}

/** A row of the map: the token that looks, and a field for each token that it may look at. */
function mapRow(names, i, weights, tell) {
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
  line.addEventListener("pointerenter", () => tell(i));
  look.addEventListener("focus", () => tell(i));
  look.addEventListener("click", () => tell(i));
  return line;
}

function show(place, { names, rows, config }) {
  const { layer, head } = headChoices(config);
  const table = make("table", { class: "map" });
  const said = make("p", { class: "where", "aria-live": "polite" });
  const choices = make("div", { class: "line" }, layer.row, head.row);
  place.replaceChildren(choices, make("div", { class: "map-frame" }, table), said);
  const draw = () => {
    const maps = rows.map((looked) => weightsOf(looked, layer.field.value, head.field.value));
    const tell = (i) => {
      lines.forEach((line, n) => line.classList.toggle("told", n === i));
      const most = [...maps[i].keys()].sort((a, b) => maps[i][b] - maps[i][a]).slice(0, 5);
      const kept = most.filter((t) => maps[i][t] >= 0.01);
      const shares = kept.map((t) => `${quoted(names[t])} ${percent(maps[i][t])}`);
      said.textContent = `${quoted(names[i])} looks at ${shares.join(", ")}.`;
    };
    const lines = maps.map((weights, i) => mapRow(names, i, weights, tell));
    const columns = names.map((name) => make("th", { scope: "col" }, make("span", {}, name)));
    const body = make("tbody", {}, make("tr", {}, make("td"), ...columns), ...lines);
    table.replaceChildren(make("caption", {}, CAPTION), body);
    tell(lines.length - 1);
  };
  layer.field.addEventListener("change", draw);
  head.field.addEventListener("change", draw);
  draw();
}
