// What the theme leaves open.
document.addEventListener("DOMContentLoaded", () => {
  // A folded cell is named by its summary, not by "Toggle hidden content".
  document.querySelectorAll("details.hide > summary").forEach((summary) => summary.removeAttribute("aria-label"));

  // What opens a part of the menu is an arrow alone; it is named by the link beside it.
  document.querySelectorAll(".bd-sidebar-primary summary").forEach((summary) => {
    const link = summary.closest("li")?.querySelector("a");
    summary.setAttribute("aria-label", `Pages of ${link?.textContent.trim()}`);
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
