// What the theme leaves open.

const WAIT = 300; // milliseconds after a key until the search page searches, as the theme waits elsewhere

// Sphinx marks the words of the last search in whatever page comes next. Here a result's link carries them.
const fromSearch = new URLSearchParams(location.search).has("highlight");
if (!fromSearch) localStorage.removeItem("sphinx_highlight_terms");
document.addEventListener("click", ({ target }) => {
  const link = target.closest("#search-results ul.search a");
  const address = link && new URL(link.href);
  address?.searchParams.set("highlight", localStorage.getItem("sphinx_highlight_terms") ?? "");
  if (link) link.href = address;
});

// On the search page, Escape would take the results away: there the theme is not told of it.
const onSearchPage = location.pathname.endsWith("/search.html");
window.addEventListener("keydown", (event) => {
  if (onSearchPage && event.key === "Escape" && event.target.name === "q") event.stopImmediatePropagation();
}, true);

/** A formula inside a sentence, as a result's line can show it: "√D" for "\(\sqrt{D}\)". */
function inPlainText(formula) {
  return formula.replace(/\\[()]/g, "").replace(/\\sqrt/g, "√").replace(/\\d?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g, "$1/$2")
    .replace(/\\(?:cdot|times)/g, "·").replace(/\\(?:text|mathrm)/g, "").replace(/\\([a-z]+)/gi, "$1").replace(/\\./g, " ").replace(/[{}]/g, "");
}

/** The text from which a result's lines are taken: a term with its meaning, or else the page without menus. */
function searchedText(html, anchor) {
  const page = new DOMParser().parseFromString(html, "text/html");
  page.querySelectorAll(".headerlink, .cell_input, .cell_output, div.math, script, style, noscript").forEach((element) => element.remove());
  page.querySelectorAll("span.math").forEach((formula) => { formula.textContent = inPlainText(formula.textContent); });
  const found = anchor && page.getElementById(decodeURIComponent(anchor.slice(1)));
  if (!found) return page.querySelector(".bd-article")?.textContent ?? "";
  let meaning = found.matches("dt") ? found : null;
  while (meaning?.matches("dt")) meaning = meaning.nextElementSibling;
  return meaning ? `${found.textContent.trim()}: ${meaning.textContent.trim()}` : found.textContent;
}

/** Opens what hides the place that the address names, or the first word that was searched. */
function unfold() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const place = named ?? document.querySelector(".bd-article .highlighted");
  const inner = place?.querySelector(":scope > details.aside");
  if (inner) inner.open = true;
  for (let outer = place?.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
  if (named) named.scrollIntoView();
}
window.addEventListener("hashchange", unfold);

document.addEventListener("DOMContentLoaded", () => {
  Search.htmlToText = searchedText;
  if (fromSearch && !onSearchPage) SphinxHighlight.highlightSearchWords();

  // The index comes when a reader is about to search; search.html has it.
  const field = document.querySelector("#pst-search-dialog input");
  const index = `${document.documentElement.dataset.content_root}searchindex.js`;
  if (!onSearchPage) field?.addEventListener("focus", () => Search.loadIndex(index), { once: true });

  // The theme shows results while a reader types, but not on the search page.
  let waiting = null;
  document.querySelector(".bd-search-container input")?.addEventListener("input", ({ target }) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      document.getElementById("search-results").replaceChildren();
      if (target.value.trim()) Search.performSearch(target.value);
    }, WAIT);
  });

  // What is not on a chapter's main path is folded. A link to it unfolds it.
  document.querySelectorAll("#going-deeper > section, #questions-that-learners-ask, #terms").forEach((section) => {
    const summary = document.createElement("summary");
    summary.append(section.querySelector(":scope > :is(h2, h3)"));
    const minutes = section.querySelector(":scope > p:first-child > em:only-child");
    if (minutes) {
      minutes.parentElement.remove();
      minutes.textContent = minutes.textContent; // without links, which a summary may not hold
      summary.append(" ", minutes);
    }
    const details = document.createElement("details");
    details.className = "aside";
    details.append(summary, ...section.childNodes);
    section.append(details);
  });
  unfold();

  // A folded cell is named by its summary, not by "Toggle hidden content".
  document.querySelectorAll("details.hide > summary").forEach((summary) => summary.removeAttribute("aria-label"));

  // The column with the menu is a landmark, so that a screen reader can jump to it.
  const column = document.querySelector(".bd-sidebar-primary");
  column?.setAttribute("role", "complementary");
  column?.setAttribute("aria-label", "The book");

  // What opens a part of the menu is an arrow alone; it is named by the link beside it.
  document.querySelectorAll(".bd-sidebar-primary summary").forEach((summary) => {
    const link = summary.closest("li")?.querySelector("a");
    summary.setAttribute("aria-label", `Pages of ${link?.textContent.trim()}`);
  });

  // No line begins with the mark that follows a formula.
  document.querySelectorAll(".bd-article span.math").forEach((formula) => {
    const after = formula.nextSibling;
    const marks = after?.nodeType === Node.TEXT_NODE && after.nodeValue.match(/^[.,;:?!)]+/);
    if (!marks) return;
    after.splitText(marks[0].length);
    const together = document.createElement("span");
    together.style.whiteSpace = "nowrap";
    formula.replaceWith(together);
    together.append(formula, after);
  });

  // Browsers run no module from a file, and read no other page: what needs that says how to serve the book.
  if (location.protocol === "file:") {
    const served = (what) => {
      const command = document.createElement("code");
      command.textContent = "python -m http.server -d site";
      const note = document.createElement("p");
      note.className = "served";
      note.append(`${what} when the book is served: type `, command, " and open http://localhost:8000");
      return note;
    };
    document.querySelectorAll(".teller").forEach((place) => place.append(served("Here the model runs")));
    document.getElementById("search-results")?.before(served("Excerpts appear"));
  }

  // On a phone a figure's words are small; a button shows it as large as on a wide screen, to be scrolled.
  document.querySelectorAll(".bd-article figure:has(img)").forEach((figure) => {
    const frame = document.createElement("div");
    frame.className = "frame";
    const picture = figure.querySelector("a:has(> img), img");
    picture.replaceWith(frame);
    frame.append(picture);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.textContent = "Enlarge the figure";
    button.addEventListener("click", () => {
      const large = figure.classList.toggle("large");
      button.textContent = large ? "Fit the figure to the screen" : "Enlarge the figure";
    });
    frame.after(button);
  });

  // A notebook is to be saved; some servers would have it shown as text.
  document.querySelectorAll("a.btn-download-source-button").forEach((link) => link.setAttribute("download", ""));
});

// Paper cannot be clicked: open what is folded before printing, fold it again after.
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll(".bd-article details:not([open])")];
  opened.forEach((details) => (details.open = true));
});
window.addEventListener("afterprint", () => opened.forEach((details) => (details.open = false)));

// On a narrow screen an equation shrinks until it fits, to seven tenths; what is still wider scrolls.
const fitEquations = () =>
  document.querySelectorAll('.bd-article mjx-container[display="true"]').forEach((equation) => {
    const frame = equation.parentElement;
    const wide = () => Math.max(equation.scrollWidth, frame.scrollWidth) > frame.clientWidth;
    equation.style.fontSize = "";
    const size = parseFloat(getComputedStyle(equation).fontSize);
    for (let share = 0.97; wide() && share > 0.69; share -= 0.03) equation.style.fontSize = `${size * share}px`;
  });
window.addEventListener("load", () => window.MathJax?.startup?.promise.then(fitEquations));
window.addEventListener("resize", fitEquations);
document.addEventListener("toggle", fitEquations, true);
