// The course's byte-level BPE tokenizer (chapter 1) in plain JavaScript: the same ids as Python's.

// White space as Unicode defines it, and as Python's `regex` takes \s; JavaScript's own \s differs.
const SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
// GPT-2's split pattern: no token crosses the pieces that it finds.
const PIECES = new RegExp(
  [
    "'(?:[sdmt]|ll|ve|re)",
    " ?\\p{L}+",
    " ?\\p{N}+",
    ` ?[^${SPACE}\\p{L}\\p{N}]+`,
    `[${SPACE}]+(?![^${SPACE}])`,
    `[${SPACE}]+`,
  ].join("|"),
  "gu",
);

/** Apply the merges to a piece in which each token is written as one character, its symbol.
 *  ranks: for each merged pair of symbols, the symbol that replaces it; a later merge has a greater one. */
export function mergePiece(word, ranks) {
  for (;;) {
    const first = leastPair([word], ranks);
    if (first === null) return word;
    word = word.replaceAll(first, ranks.get(first));
  }
}

/** Of all pairs of neighbors that have a merge, the one that was merged first; null without one. */
function leastPair(words, ranks) {
  let first = null;
  for (const word of words) {
    for (let i = 0; i + 1 < word.length; i++) {
      const pair = word.slice(i, i + 2);
      if (ranks.has(pair) && (first === null || ranks.get(pair) < ranks.get(first))) first = pair;
    }
  }
  return first;
}

export class Tokenizer {
  /** merges: pairs of texts in which each character is a byte; special: the special tokens' ids by name. */
  constructor({ merges, special_tokens }) {
    const tokens = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    this.ranks = new Map();
    const symbol = new Map(tokens.map((token, id) => [token, String.fromCharCode(id)]));
    for (const [a, b] of merges) {
      const made = String.fromCharCode(tokens.length);
      this.ranks.set(symbol.get(a) + symbol.get(b), made);
      symbol.set(a + b, made);
      tokens.push(a + b);
    }
    this.special = special_tokens;
    this.control = new Set(Object.values(special_tokens)); // the ids that end a text and are never shown
    this.bytes = tokens.map((token) => Uint8Array.from(token, (byte) => byte.charCodeAt(0)));
    for (const [name, id] of Object.entries(special_tokens)) this.bytes[id] = new TextEncoder().encode(name);
  }

  /** The pieces of a text, each byte of them written as one character. */
  pieces(text) {
    const found = text.match(PIECES) ?? [];
    return found.map((piece) => String.fromCharCode(...new TextEncoder().encode(piece)));
  }

  /** The ids of a text; special tokens' names in it are ordinary text. */
  encode(text) {
    return this.pieces(text).flatMap((piece) => ids(mergePiece(piece, this.ranks)));
  }

  /** One merge after the other on a whole text: [{ids of each piece, made: the new token's id or null}]. */
  mergeSteps(text) {
    let words = this.pieces(text);
    const steps = [{ pieces: words.map(ids), made: null }];
    for (let pair = leastPair(words, this.ranks); pair !== null; pair = leastPair(words, this.ranks)) {
      const made = this.ranks.get(pair);
      words = words.map((word) => word.replaceAll(pair, made));
      steps.push({ pieces: words.map(ids), made: made.charCodeAt(0), of: ids(pair) });
    }
    return steps;
  }

  /** A function from one id after the other to its text; bytes of an unfinished character wait, and special
   *  tokens are no text. */
  decoder() {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return (id) => (this.control.has(id) ? "" : decoder.decode(this.bytes[id], { stream: true }));
  }

  /** The text of these ids; bytes that are not UTF-8 show as U+FFFD. */
  decode(all) {
    const bytes = all.flatMap((id) => [...this.bytes[id]]);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }

  /** One token as a reader sees it: what is no text as its bytes. */
  spell(id) {
    const name = Object.keys(this.special).find((special) => this.special[special] === id);
    if (name) return name === "<|endoftext|>" ? "⟨end⟩" : name;
    const text = this.decode([id]);
    if (!text.includes("\ufffd") && !/\p{C}/u.test(text)) return text;
    return [...this.bytes[id]].map((byte) => `⟨${byte.toString(16).padStart(2, "0")}⟩`).join("");
  }
}

/** The ids that a word's symbols stand for. */
function ids(word) {
  return Array.from({ length: word.length }, (_, i) => word.charCodeAt(i));
}
