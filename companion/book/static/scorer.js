// How Sphinx's search orders what it finds: a title before a term of the glossary, and that before the package.
// A term comes the earlier, the larger its share is that was searched.
// A result is [page, title, anchor, description, score, file, kind].
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([page, , anchor, , score, , kind]) => {
    if (kind === "title") return score + (anchor ? 20 : 40);
    if (kind === "index") return 10 + Math.round(score / 5);
    return page.startsWith("api/") ? score - 15 : score;
  },
};
