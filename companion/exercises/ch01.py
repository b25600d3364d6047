"""The checks of chapter 1, Tokenization."""

import copy
import functools
import random

import regex  # noqa: F401 - a mistake of 1.5 uses it

from companion.exercises.comparison import a, show
from companion.exercises.normalize import as_list, as_number
from companion.exercises.notation import Chapter, Problem
from companion.tokenization import GPT2_PATTERN, BPETokenizer, WordTokenizer  # noqa: F401 - edits use the pattern

chapter = Chapter()


# -- 1.1 ------------------------------------------------------------------
def separate_objects(*tokens):
    """Tokens that are other objects than equal ones, where Python makes such: tokens cut from a text are."""
    return ["".join(list(token)) for token in tokens]


def random_tokens(seed):
    rng = random.Random(seed)
    for k in (4, 7, 11, 130):
        for pair in [("a", "b"), ("a", "a"), ("ab", "a"), ("a", "bc")]:
            yield rng.choices(["a", "b", "ab", "bc", "c"], k=k), pair


@chapter.function(
    "1.1 One merge ★",
    inputs=r"""
        [], ("a", "b") || ["a"], ("a", "b") || ["a", "a", "a"], ("a", "a") || ["b", "a", "b"], ("a", "b")
        ["a", "b", "c", "a", "b"], ("a", "b")
        separate_objects("ab", "c", "a", "bc"), ("a", "bc")
        ["b", "a"], ("a", "b")
        ["A", "b", "a", "b"], ("a", "b")
        separate_objects("e", "\u0301", "é"), ("e", "\u0301")
        separate_objects("xa", "b", "a", "bx"), ("a", "b")
        separate_objects(" the", " ke", "y", "\n"), (" ke", "y")
        separate_objects(" ", "a", " ", " a"), (" ", "a")
        separate_objects("the", "the", "the"), ("the", "the")
        separate_objects("e\u0301", "t", "é", "t"), ("é", "t")
    """,
    cases=random_tokens,
    mistakes="""
        i += 2 => i += 1
            The second token of a merged pair is still there. After a merge, go on behind both.
        i += 2 => return merged + tokens[i + 2 :]
            Only the first pair was merged. One merge replaces the pair wherever it stands.
        i < len(tokens) => i < len(tokens) - 1
            The last token got lost: it has no neighbor to its right, and stays as it is.
        tokens[i : i + 2] == [first, second] => "".join(tokens[i : i + 2]) == first + second
            You merged two tokens that spell the same text as the pair, and are not the pair. Compare the
            tokens one by one, not what they spell together: to a model, `ab c` and `a bc` are different.
        = " ".join(tokens).replace(" ".join(pair), "".join(pair)).split()
            Tokens that are joined by spaces are hard to part again: one may hold a space itself, and `xa
            b` holds `a b`. Compare the tokens one by one.
    """,
    right="Training is this function and a count of pairs, over and over; encoding is this function alone.",
)
def merge_pair(tokens, pair):
    first, second = pair
    merged, i = [], 0
    while i < len(tokens):
        if tokens[i : i + 2] == [first, second]:
            merged.append(first + second)
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged


chapter.number(
    "1.2 Twice the tokens ★",
    wants="bytes_per_token()",
    answer=3.2 * 13 / 12,
    tolerance=0.012,
    mistakes="""
        6.4
            Twice the tokens are not twice the questions: 8,192 takes one halving more than 4,096.
        3.2
            Then each token would cost one question more and hold no more than before.
        3.2 * 12 / 13
            The wrong way round: a token that costs more questions must hold more bytes, not fewer.
        3.75
            That is what a byte costs now, in bits. The question is how many bytes a token must hold.
        3.5
            Nearly. Give it to two decimals.
    """,
    right="A doubled vocabulary has to earn one bit a token, here 8 % more bytes, before it gains anything.",
)

# -- 1.3 ------------------------------------------------------------------
END = "<|endoftext|>"
ROLES = ("<|instruction|>", "<|response|>")

TRAINED_ON = (
    "Mara found a key. Renée's key was old, and the fox didn't see it.\n"
    "\tThe key and the fox: 57 plums 🙂!\r\n" * 3 + "I asked <instruction> or <| response |>?"
)

PLAIN = ["", "a key", " a key ", "the  fox", "\tthe\n\nfox\r\n", "The KEY"]
UNUSUAL = ["e\u0301 is é", "½ ﬁ ключ 🙂", "…\0<unk>"]
NAMES = [END, "<|response|>", "a<|instruction|>b", "<|pad|> <|end|>", "<|resp<|response|>onse|>"]
CUT_NAMES = ["<|", "a<|response|"]
HIDDEN = ["a\xa0fox\u200b\ufeff", "&lt;|response|&gt; %20"]
LONG = ["the key and " * 30, "the fox and " * 180]
TYPED = PLAIN + UNUSUAL + NAMES + CUT_NAMES + HIDDEN + LONG


@functools.cache
def tokenizers():
    """Of every kind, with their special tokens in different orders, and not the same ones."""
    return (
        BPETokenizer.train(TRAINED_ON, 300, special_tokens=(*ROLES, END)),
        WordTokenizer.train(TRAINED_ON, (ROLES[0], "<unk>", ROLES[1], "<|pad|>")),
        WordTokenizer.train(TRAINED_ON, ("<unk>", *ROLES[::-1]), pattern="(?s)."),
        BPETokenizer.train(TRAINED_ON, 280, special_tokens=(END, ROLES[1], "<|end|>", ROLES[0])),
    )


def typed_texts(seed):
    rng = random.Random(seed)
    parts = ["the", " key", " Renée", "  ", "\n", *ROLES, END, "<|", "|>", "Zoë"]
    for i, text in enumerate([] if seed else TYPED):
        yield 0, text
        yield 1 + i % 3, text
    for number in range(4):
        for k in (3, 6):
            yield number, "".join(rng.choices(parts, k=k))


def request_tokens(answer, number, text):
    tokenizer = copy.deepcopy(tokenizers()[number])
    found = answer(tokenizer, text)
    if isinstance(found, str):
        raise Problem("You return a text, and a model reads ids: let the tokenizer make them.")
    ids = as_list(found)
    numbers = None if ids is None else [as_number(i) for i in ids]
    if numbers is None or None in numbers:
        raise Problem(f"It must return a flat list of the tokenizer's ids; this is {show(found, 60)}.")
    for i in numbers:
        if i not in range(tokenizer.vocab_size):
            raise Problem(
                f"This tokenizer has the ids 0 to {tokenizer.vocab_size - 1}, and no {show(i, 20)}."
            )
    return [readable(token) for token in tokenizer.tokens(numbers)]


def readable(token):
    """A token as text; one that is part of a character stays bytes."""
    try:
        return token if isinstance(token, str) else token.decode()
    except UnicodeDecodeError:
        return token


@chapter.function(
    "1.3 What a user may not say ★★",
    cases=typed_texts,
    call=request_tokens,
    shown="{f}(tokenizer, {1}), as tokens",
    mistakes="""
        = tokenizer.encode(ROLES[0] + text + ROLES[1], "all")
            The user wrote the name of a special token, and got its id: now the model believes that somebody
            else is speaking. What you put around the text and what the user typed must not be encoded alike.
        = tokenizer.encode(ROLES[0] + text + ROLES[1], ROLES)
            The user wrote the name of a role, and got its id. Allowing fewer special tokens does not
            help as long as yours and the user's stand in one text: encode them apart.
        = tokenizer.encode(ROLES[0] + text + ROLES[1])
            The roles are spelled out, letter by letter: a special token's name is ordinary text unless
            it is allowed. Here you need not encode it at all: `tokenizer.special_tokens` knows its id.
        - ids = tokenizer.encode(text)
        + for name in tokenizer.special_tokens:
        +     text = text.replace(name, "")
        + ids = tokenizer.encode(text)
            Something that the user typed is missing. It may be a question about that very token; and a
            name can be written so that a new one appears when the first is taken out.
        = it[:-1]
            The model is not told that it is its turn: the id of `<|response|>` comes last.
        encode(text) => encode(text.strip())
            Spaces and line ends around the text are gone. It must arrive exactly as it was typed.
    """,
    right="Whatever a user types, it cannot end its own turn: who speaks is told by ids, not by text.",
)
def request(tokenizer, text):
    begin, end = (tokenizer.special_tokens[role] for role in ROLES)
    ids = tokenizer.encode(text)
    return [begin, *ids, end]


chapter.number(
    "1.4 Tokens that never occur ★★",
    wants="never_used()",
    answer=108 / 767,
    tolerance=0.0006,
    mistakes="""
        315 / 1024
            You counted all ids. Single bytes that no story holds are there so that no text is ever
            unknown; the question is about the 767 that training made.
        109 / 768
            You counted `<|endoftext|>` among the merged tokens. Its id is 1023, the last; it is no merge.
        314 / 767
            You counted single bytes among the unused, too. Only tokens of two bytes and more were merged.
        100 * 108 / 767 || 14.08
            That is in percent. Give it as a share, between 0 and 1.
    """,
    right="Every seventh merge only led to a longer token; of these a model will learn at most that they never "
    "come.",
)


# -- 1.5 ------------------------------------------------------------------
def random_words(seed):
    rng = random.Random(seed)
    for length, n_tokens in ((6, 3), (9, 5), (14, 8)):
        more = {"".join(rng.choices("abc", k=rng.randint(2, 4))) for _ in range(n_tokens)}
        tokens = ["a", "b", "c", *sorted(more)]
        rng.shuffle(tokens)
        yield "".join(rng.choices("abc", k=length)), tokens


def longest_anywhere(text, tokens):
    if not text:
        return []
    best = max((token for token in tokens if token in text), key=len)
    before, _, after = text.partition(best)
    return [*longest_anywhere(before, tokens), best, *longest_anywhere(after, tokens)]


@chapter.function(
    "1.5 Longest first ★★",
    inputs=r"""
        "", ["a"] || "a", ["a"]
        "anan", ["a", "n", "an", "ana"]
        "key", ["k", "key", "e", "ke", "y"]
        "abcd", ["a", "b", "c", "d", "bcd", "ab"]
        "aabab", ["b", "ab", "aab", "a", "ba"]
        "ab.", ["a.", "a", "b", "."]
        "a.b?a", ["b?", "a", "b", ".", "?"]
        "aAba", ["a", "A", "b", "ab"]
        " a b ", [" ", "a", "b", "a b", "b "]
        "a\nb\r\n", ["a", "b", "\n", "\r", "a\n", "b\r"]
        "e\u0301té ete\u0301s", ["e", "\u0301", "é", "t", "s", " ", "e\u0301", "te"]
        "ключ 🙂", [*"ключ 🙂", "кл", " 🙂", "ключ"]
        "key keys", ["k", "e", "y", "s", " ", "keys"]
        " lantern", [*" lantern", " lant", " lantern", "tern"]
        "found a lamplighter", [*sorted(set("found a lamplighter")), "found a lamplight", "lamplighter"]
        "ab" * 160 + "c", ["a", "b", "c", "ab", "bc"]
        "a" * 50 + "b", ["a", "b", "a" * 45, "aab"]
    """,
    cases=random_words,
    mistakes="""
        max(fitting, key=len) => min(fitting, key=len)
            You took the shortest token that fits. Of those that the rest of the text begins with, the
            longest is wanted.
        max(fitting, key=len) => fitting[0]
            You took the first in the list that fits; a longer one that fits stands behind it.
        : longest_anywhere
            You took the longest token that stands anywhere in the text. Here the text is read from the
            left: first the longest token that it begins with, then the same for what is left.
        = regex.findall("|".join(sorted(tokens, key=len, reverse=True)), text)
            In a regular expression, marks such as `.` and `?` have meanings of their own: `a.` fits
            `ab`, too. `regex.escape` makes them mean themselves.
        - fitting = [token for token in tokens if text.startswith(token)]
        - longest = max(fitting, key=len)
        + longest = text[0]
        + while longest != text and text[: len(longest) + 1] in tokens:
        +     longest = text[: len(longest) + 1]
            You stop at the first beginning that is no token. A longer one may be one again: `keys` can
            be a token where `ke` is none.
    """,
    right="Another way to use the same tokens, and other ids: a tokenizer is its vocabulary and its rule.",
)
def longest_first(text, tokens):
    cut = []
    while text:
        fitting = [token for token in tokens if text.startswith(token)]
        longest = max(fitting, key=len)
        cut.append(longest)
        text = text[len(longest) :]
    return cut


# -- 1.6 ------------------------------------------------------------------
LETTERS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def texts_with_numbers(seed):
    rng = random.Random(seed)
    words = ["key", "keys", "plum", "plums", "and", "found"]
    for n_words, merges in ((9, 4), (14, 7)):
        number = str(rng.randint(100, 999))
        pieces = [number if i % 3 == 0 else rng.choice(words) for i in range(n_words)]
        yield " ".join(pieces), 257 + merges, f"{rng.choice(words)} {number} {rng.randint(0, 99)}"


def cut_text(answer, text, vocab_size, probe):
    tokenizer = answer(text, vocab_size)
    for name in ("encode", "decode", "vocab_size"):
        if not hasattr(tokenizer, name):
            raise Problem(
                f"What you return, {a(tokenizer)}, has no `{name}`: return the trained tokenizer itself."
            )
    ids = tokenizer.encode(probe)
    of_text = tokenizer.encode(text)
    return {
        "vocab_size": tokenizer.vocab_size,
        "tokens": [tokenizer.decode([i]) for i in ids],
        "tokens of the text": [tokenizer.decode([i]) for i in of_text],
    }


# In the inputs, the texts with unusual digits are long, so that they are tried after the plain ones.
@chapter.function(
    "1.6 Digits, one by one ★★★",
    inputs=r"""
        "57 57 57 keys", 260, " 57"
        "57 57 57 keys", 260, "57 keys"
        "7 7 7 keys keys found", 261, "keys 7"
        "ab 12ab 12ab cd", 258, "12ab" || "½ " * 14 + "cups", 259, "½ ½" || "x² " * 11 + "key", 259, "x²"
        "٣٣ " * 10 + "key", 259, "٣٣"
        "it's 5 it's that's he's", 261, "it's 5"
        "a   key   key   keys", 260, "a   key 7"
        "Key KEY key KEY Key KEYS 8", 260, "KEY 8"
        "$5 $5 5% 5% 5%: $$ %%", 259, "$5 5%"
        "key\n\nkey\n7\nkey\n\n\tkeys", 260, "key\n\n7\t8"
        "naïve 5 🙂🙂 naïve 5 🙂 naïve", 265, "naïve 🙂 5"
        "IV ⅣⅣ " * 8 + "cups", 260, "ⅣⅣ IV"
        "e\u0301t\u00e9 e\u0301t\u00e9 5 e\u0301 \u00e9", 260, "e\u0301 \u00e9"
        "\n\n key 7 key\n\n\n\n", 260, "\n\n\n"
        "²½ " * 14 + "cups", 260, "²½ ½²"
        "the key was in the old mill " * 4 + "and 12 brown plums and 34 brown hats" * 2, 282, "brown 12"
    """,
    cases=texts_with_numbers,
    call=cut_text,
    shown="{f}({0}, {1}), then encode({2})",
    mistakes=r"""
        r"\p{N}" => r" ?\p{N}+"
            Two digits became one token, as in GPT-2. If your pattern has a part for single digits, does
            it come too late? At each place, the first alternative that fits is taken.
        [LETTERS, r"\p{N}", REST] => [r"\p{N}", GPT2_PATTERN] || [r"\d", GPT2_PATTERN] || ["[0-9]", GPT2_PATTERN]
            A number at the very start is split, and one behind a space is not: there, at the space,
            GPT-2's own part for numbers still fits, and takes all the digits with it.
        r"\p{N}" => r" ?\p{N}"
            The digits stand alone, but the first still has its space: one digit, two ids, depending on
            where it stands. The space must be a piece of its own.
        r"\p{N}" => "[0-9]" || r"\d"
            Does your pattern take this for a digit? `[0-9]` and `\d` do not find ² or ½, which then fit
            no part of it; `\p{N}` finds them all.
        LETTERS => r" ?\p{L}+"
            What follows an apostrophe is cut in another way than by `GPT2_PATTERN`. Change what concerns
            digits, and nothing else.
        - return BPETokenizer.train(text, vocab_size, pattern=pattern)
        + tokenizer = BPETokenizer.train(text, vocab_size)
        + tokenizer.pattern = pattern
        + return tokenizer
            You split the digits when encoding, and not when training: merges went to numbers that can
            now never come, and the words lack them.
    """,
    right="Now every number is cut in the same way, digit by digit, and a digit's id says nothing but the "
    "digit.",
)
def digit_tokenizer(text, vocab_size):
    pattern = "|".join([LETTERS, r"\p{N}", REST])
    return BPETokenizer.train(text, vocab_size, pattern=pattern)
