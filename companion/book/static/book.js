// What the theme leaves open.
document.addEventListener("DOMContentLoaded", () => {
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

  // Browsers run no module from a file: the tools in which the model runs say what they need.
  if (location.protocol === "file:") {
    document.querySelectorAll(".teller").forEach((place) => {
      place.append("Here the model runs when the book is served: python -m http.server -d site");
    });
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
