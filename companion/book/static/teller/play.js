// Puts the tools where the page has a place for them. Nothing of the model is fetched before a click.

const tools = {
  flow: "./flow.js",
  tell: "./tell.js",
  cut: "./cut.js",
  heads: "./heads.js",
  cache: "./cache.js",
};

for (const place of document.querySelectorAll(".teller[data-widget]")) {
  const { build } = await import(tools[place.dataset.widget]);
  build(place);
}

// A line under a chapter's title leads to its tool.
if (document.getElementById("tool")) {
  const link = document.createElement("a");
  link.href = "#tool";
  link.textContent = "Try it live on this page.";
  const line = document.createElement("p");
  line.append(link);
  document.querySelector(".bd-article h1").after(line);
}
