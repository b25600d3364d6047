"""The check of exercise 16.3: Half right."""

import random
import re
import string
from collections import Counter

from companion.exercises.exercise import Function


def words(text):
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return kept.split()


def f1(said, truth):
    a, b = words(said), words(truth)
    common = sum((Counter(a) & Counter(b)).values())
    if not common:
        return 0.0
    precision, recall = common / len(a), common / len(b)
    return 2 * precision * recall / (precision + recall)


def cases(seed):
    rng, made = random.Random(seed), []
    if seed == 0:
        made += [
            ("Mara has it.", "Mara has the key."),
            ("Mara.", "Mara has the key."),
            ("Mara has the key.", "Mara."),
            ("Mara", "mara!"),
            ("Mara has it", "mara has it"),
            ("Mara!", "Mara"),
            ("", "Mara."),
            ("...", "Mara."),
            ("Otto.", "Mara."),
            ("the the the", "the key"),
            ("the key", "the the the"),
            ("key the has Mara", "Mara has the key."),
            ("It's Mara's.", "Its Maras"),
            ("a b c d", "a b"),
            ("a b", "a b c d"),
            ("well-known", "wellknown"),
            ("", ""),
            ("...", "..."),
            ("...", "!?"),
            ("Mara - no", "Mara no"),
            ("-", "!"),
            ("Mara  has it", "Mara has it"),
            ("Mara\nhas it", "Mara has it"),
            ("Mara\thas it", "Mara has it"),
            (" Mara has it\n", "mara  HAS\r\nit"),
            ("five\u00a0plums", "five plums"),
            ("the_key", "thekey"),
            ("a\\b", "ab"),
            ("[a]^b", "ab"),
            ("100% (or $5) @ #1 <a> {b} ~c `d` |e| =f +g *h &i /j", "100 or 5 1 a b c d e f g h i j"),
            ("5 plums", "6 plums"),
            ("K\u00e4se", "Kse"),
            ("\u00c4PFEL", "\u00e4pfel"),
            ("\u201cMara\u201d", "Mara"),
            ("plums", "plum"),
            ("he has it", "the mill has it"),
            ("the key the mill", "the key the mill"),
            ("the the the", "the the the"),
            ("a b c d e f g h i", "a b c d e f g h x"),
            (" ".join("abcdefghijklmnopqrst"), " ".join("abcdefghijklmnopqrsx")),
            ("so " * 9, "so " * 11),
        ]
    for _ in range(5):
        vocabulary = "Mara Otto has the key is at mill five plums".split()
        a, b = (" ".join(rng.choices(vocabulary, k=rng.randint(1, 7))) + "." for _ in range(2))
        made.append((a, b))
    return made


def shares(make):
    def wrong(said, truth):
        a, b = words(said), words(truth)
        common = sum((Counter(a) & Counter(b)).values())
        return make(common, len(a), len(b))

    return wrong


def with_split(clean):
    def wrong(said, truth):
        a, b = clean(said), clean(truth)
        common = sum((Counter(a) & Counter(b)).values())
        return 2 * common / (len(a) + len(b)) if common else 0.0

    return wrong


def of_sets(said, truth):
    a, b = set(words(said)), set(words(truth))
    return 2 * len(a & b) / (len(a) + len(b)) if a & b else 0.0


def common_once(said, truth):
    a, b = words(said), words(truth)
    common = len({*a} & {*b})
    return 2 * common / (len(a) + len(b)) if common else 0.0


def exact(said, truth):
    return float(words(said) == words(truth))


def all_in(said, truth):
    a, b = words(said), words(truth)
    common = sum(word in b for word in a)
    return 2 * common / (len(a) + len(b)) if common else 0.0


def said_so(said, truth):
    a, b = words(said), words(truth)
    common = sum(word in a for word in b)
    return 2 * common / (len(a) + len(b)) if common else 0.0


def spaced(text):
    return "".join(" " if c in string.punctuation else c for c in text.lower()).split()


def plain(text):
    return "".join(c for c in text.lower() if c not in string.punctuation)


CUT = "Marks are taken out, and what is left and right of one stays together: it cuts no word in two."
EXERCISE = Function(
    number="16.3",
    title="Half right",
    stars=2,
    wants="f1(said, truth)",
    cases=cases,
    oracle=f1,
    mistakes=[
        (
            shares(lambda c, a, b: c / a if a else 0.0),
            "That is the precision: how much of what was said is right.",
        ),
        (shares(lambda c, a, b: c / b if b else 0.0), "That is the recall: of the truth, how much was said."),
        (
            shares(lambda c, a, b: (c / a + c / b) / 2 if a else 0.0),
            "That is the plain mean. F1 is 2pr / (p + r).",
        ),
        (
            shares(lambda c, a, b: c / (a + b - c) if a else 0.0),
            "That is the overlap over the union, not F1.",
        ),
        (of_sets, "Words count, not kinds of words: three times 'the' are three words, in p and in r."),
        (common_once, "A word that stands twice in both texts is twice in common."),
        (all_in, "A word that was said three times and is true once has one in common, not three."),
        (said_so, "A word that is true three times and was said once is once in common, not three times."),
        (with_split(spaced), CUT),
        (with_split(lambda text: re.findall(r"\w+", text.lower())), CUT),
        (
            with_split(lambda text: [word.strip(string.punctuation) for word in text.lower().split()]),
            "Marks go from inside a word, too, and one that stands alone leaves no word behind.",
        ),
        (with_split(lambda text: plain(text).split(" ")), "`split(' ')` leaves empty words; `split()` none."),
        (exact, "That is right or wrong. Half right is wanted."),
        (with_split(lambda text: text.split()), "Marks and capitals count for nothing: take them out first."),
        (with_split(lambda text: text.lower().split()), "Marks count for nothing: take them out first."),
        (
            with_split(lambda text: "".join(c for c in text if c not in string.punctuation).split()),
            "Capitals count for nothing.",
        ),
    ],
    right="SQuAD scores so, but leaves out *a*, *an* and *the*. It forgives a word too few or too many, and "
    "here it pays 0.75 for the right sentence with the wrong name. Word for word is stricter, and here it is "
    "fair.",
)
