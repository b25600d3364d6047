// Searching: headings and terms of the glossary come first, and words that are nowhere are corrected.
(() => {
  const MOST = 20; // results of a search

  const plain = (text) => ` ${text.toLowerCase().replaceAll("-", " ").trim()}`;
  const place = (result) => [result[0], result[2], result[3]].join();

  /** The headings that have the query's words in this order, and the glossary's terms. Sphinx asks for more: that
   *  the words are half of the heading, and that its hyphens are theirs. */
  function headingsWith(query) {
    const { alltitles, indexentries, docnames, filenames, titles } = Search._index;
    const words = plain(query);
    const found = [];
    const add = (text, file, id, name, most, kind) => {
      const score = Math.round((most * words.length) / plain(text).length);
      const result = [docnames[file], name, id ? `#${id}` : "", null, score, filenames[file], kind];
      result[4] = Scorer.score(result);
      found.push(result);
    };
    for (const [title, places] of Object.entries(alltitles)) {
      if (title.includes("★") || !plain(title).includes(words)) continue; // a star is an exercise's
      for (const [file, id] of places) {
        add(title, file, id, titles[file] === title ? title : `${titles[file]} > ${title}`, Scorer.title, "title");
      }
    }
    for (const [term, places] of Object.entries(indexentries)) {
      for (const [file, id] of places) {
        if (id.startsWith("term-") && plain(term).includes(words)) add(term, file, id, titles[file], 100, "index");
      }
    }
    return found;
  }

  /** What Sphinx found, the worst first, with these headings where their scores put them. Sphinx finds "loss" in
   *  "Glossary", too: such a title counts as text. */
  function merged(found, headings, query) {
    const isInside = (result) => result[6] === "title" && !plain(result[1]).includes(plain(query));
    const scores = new Map(found.map((result) => [place(result), isInside(result) ? 0 : result[4]]));
    const better = headings.filter((one) => !(scores.get(place(one)) >= one[4]));
    const places = new Set(better.map(place));
    const inside = found.filter(isInside).map((result) => [...result.slice(0, 4), Scorer.term, ...result.slice(5)]);
    const results = found.filter((result) => !isInside(result) && !places.has(place(result)));
    for (const one of [...inside, ...better]) {
      let at = results.length;
      while (at > 0 && results[at - 1][4] > one[4]) at -= 1;
      results.splice(at, 0, one);
    }
    return results;
  }

  /** How many letters must be added, dropped, replaced or exchanged with their neighbors to make b of a. */
  function distance(a, b) {
    const d = Array.from({ length: a.length + 1 }, (_, i) => [i]);
    for (let j = 1; j <= b.length; j += 1) d[0][j] = j;
    for (let i = 1; i <= a.length; i += 1) {
      for (let j = 1; j <= b.length; j += 1) {
        const other = a[i - 1] === b[j - 1] ? 0 : 1;
        d[i][j] = Math.min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + other);
        const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
        if (exchanged) d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
    return d[a.length][b.length];
  }

  /** The words of headings and of the glossary. */
  function knownWords() {
    const { alltitles, indexentries } = Search._index;
    const terms = Object.keys(indexentries).filter((term) => indexentries[term][0][1].startsWith("term-"));
    const words = [...Object.keys(alltitles), ...terms].flatMap((text) => splitQuery(text.toLowerCase()));
    return new Set(words.filter((word) => word.length > 3 && !stopwords.has(word)));
  }

  /** The query with the words of headings and terms that have its words' stems: "overfitting" for "overfiting". */
  function asHeadingsSpell(query) {
    const known = [...knownWords()];
    const stemmer = new Stemmer();
    const nearest = (word) => {
      const stem = stemmer.stemWord(word);
      const related = known.filter((one) => stemmer.stemWord(one) === stem);
      return related.sort((a, b) => distance(word, a) - distance(word, b))[0] ?? word;
    };
    return splitQuery(query.toLowerCase()).map(nearest).join(" ");
  }

  /** The query with the nearest known word in the place of each that is nowhere; null where there is none. */
  function suggestion(query) {
    const known = knownWords();
    const stemmer = new Stemmer();
    const isFound = (word) => Search.performTermsSearch(new Set([stemmer.stemWord(word)]), new Set()).length > 0;
    const words = splitQuery(query.toLowerCase());
    const better = words.map((word) => {
      if (stopwords.has(word) || isFound(word)) return word;
      const most = word.length < 6 ? 1 : 2;
      const near = [...known].filter((one) => Math.abs(one.length - word.length) <= most)
        .map((one) => [distance(word, one) + (one[0] === word[0] ? 0 : 0.5), one])
        .sort((a, b) => a[0] - b[0]);
      return near.length && near[0][0] <= most ? near[0][1] : word;
    });
    return better.some((word, i) => word !== words[i]) ? better.join(" ") : null;
  }

  /** A link to a page of the book. */
  function link(words, address) {
    const a = document.createElement("a");
    a.href = document.documentElement.dataset.content_root + address;
    a.textContent = words;
    return a;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const allResults = Search._performSearch;
    Search._performSearch = (query, ...words) => {
      const found = allResults(query, ...words);
      let headings = query.trim() ? headingsWith(query) : [];
      if (!headings.length && found.length) headings = headingsWith(asHeadingsSpell(query));
      return merged(found, headings, query).slice(-MOST); // the last one is shown first
    };
    const search = Search.query;
    const address = new URLSearchParams(location.search);
    const asTyped = address.has("as-typed") ? address.get("q") : null; // a search that is not to be corrected
    Search.query = (query) => {
      search(query);
      if (Search.output.children.length) return;
      const meant = query === asTyped ? null : suggestion(query);
      if (meant) search(meant);
      if (Search.output.children.length) {
        const corrected = document.createElement("p");
        const place = `search.html?q=${encodeURIComponent(query)}&as-typed`;
        corrected.append(`Results for ${meant}; search instead for `, link(query, place), ".");
        Search.status.before(corrected);
      } else {
        const glossary = link("glossary", "glossary.html");
        Search.status.replaceChildren("Nothing found. Try another word, or look in the ", glossary, ".");
      }
    };
  });
})();
