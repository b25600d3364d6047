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
