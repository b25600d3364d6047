// Two of the judge's questions, asked in plain JavaScript: is it a sentence of the village, and was each name
// in it told before? The patterns come from companion.village; the mirror of tests/support/marks.py.

// What Python's str.split() takes for white space.
const WHITE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;
const WORD = /[\p{L}\p{N}_]+/gu;
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** The patterns as regular expressions. data: marks.json. A pattern is by turns a text and a kind of word;
 *  "+name" is a name that its sentence introduces. */
export function readPatterns({ kinds, patterns, longest }) {
  const made = patterns.map((parts) => {
    const source = parts.map((part, i) => {
      if (i % 2 === 0) return escaped(part);
      return `(${kinds[part.replace("+", "")].map(escaped).join("|")})(?![\\p{L}\\p{N}_])`;
    });
    return { regex: new RegExp(`${source.join("")}(?= |$)`, "dyu"), slots: parts.filter((_, i) => i % 2) };
  });
  return { made, many: new RegExp(`(?:[^ ]+ ){${longest}}`, "y"), people: new Set(kinds.name) };
}

/** A text with one space between two words, and where each of its characters stood before. */
export function plain(text) {
  let out = "";
  const where = [];
  const put = (part, at) => {
    for (let i = 0; i < part.length; i++) where.push(at + i);
    out += part;
  };
  let start = 0;
  for (const gap of [...text.matchAll(WHITE), { index: text.length, 0: "" }]) {
    const word = text.slice(start, gap.index);
    if (word && out) put(" ", start - 1);
    put(word, start);
    start = gap.index + gap[0].length;
  }
  return { text: out, where };
}

/** The marks of a text: for each sentence where it begins and ends, whether it is one of the village, and its
 *  names with their places: "new" where it introduces them, "known" where told before, else "unknown". Names in
 *  what is no sentence of the village are told, too. */
export function mark(told, { made, many, people }) {
  const { text } = plain(told);
  const introduced = new Set();
  const marks = [];
  for (let start = 0; start < text.length; ) {
    const found = firstMatch(made, text, start);
    const names = [];
    let end = start + (found ? found.match[0].length : unknownLength(text, start, many));
    found?.slots.forEach((slot, i) => {
      if (!slot.endsWith("name")) return;
      const word = found.match[i + 1];
      const state = slot === "+name" ? "new" : introduced.has(word) ? "known" : "unknown";
      if (state === "new") introduced.add(word);
      names.push({ word, start: found.match.indices[i + 1][0], end: found.match.indices[i + 1][1], state });
    });
    const sentence = text.slice(start, end);
    if (!found) for (const [word] of sentence.matchAll(WORD)) if (people.has(word)) introduced.add(word);
    marks.push({ sentence, start, end, grammar: Boolean(found), names });
    start = end + 1;
  }
  return marks;
}

/** The pattern that the text is at `start`, or null. */
function firstMatch(made, text, start) {
  for (const { regex, slots } of made) {
    regex.lastIndex = start;
    const match = regex.exec(text);
    if (match) return { match, slots };
  }
  return null;
}

/** The length of what is no sentence of the village: to the next full stop, or so many words. */
function unknownLength(text, start, many) {
  many.lastIndex = start;
  const run = many.exec(text);
  const rest = run ? run[0].slice(0, -1) : text.slice(start);
  const stop = /[.!?]"?(?= [A-Z"]|$)/.exec(rest);
  return stop ? stop.index + stop[0].length : rest.length;
}
