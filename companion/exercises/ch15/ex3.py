"""The check of exercise 15.3: Known by their words."""

import random
import re
from collections import Counter

from companion.exercises.exercise import Function


def bag(text):
    return frozenset(Counter(re.findall(r"\w+", text.lower())).items())


def leaked(train, test):
    seen = {bag(text) for text in train}
    return [i for i, text in enumerate(test) if bag(text) in seen]


HAND = ["Mara has the key. Bram sings.", "Bram sings."]


def cases(seed):
    rng = random.Random(seed)
    made = []
    if seed == 0:
        made += [
            ([], ["a"]),
            (["a"], []),
            (["a b"], ["b a"]),
            (["a b"], ["a b"]),
            (["a b"], ["b A"]),
            (["a b"], ["b A!"]),
            (["a b"], ["a b b"]),
            (["a b b"], ["a a b"]),
            (["a b b"], ["b a b", "a b"]),
            (["a b", "c"], ["c", "d", "b, a"]),
            (["ab c"], ["a bc"]),
            (["don't"], ["t, don"]),
            (["abc"], ["cab"]),
            (HAND, ["Bram has the key. Mara sings.", "Mara sings.", "Sings Bram?"]),
            (["a b c"], ["a b", "c b a"]),
            (["a b"], ["a b c", "b a"]),
            (["2 plums"], ["two plums", "Plums: 2"]),
            (["2 plums"], ["3 plums"]),
            (["Zoë"], ["Zo", "zoë"]),
            ([""], ["...", "a"]),
            (["a"], ["a", "a"]),
            (["a"], ["b", "b"]),
            (["a", "A"], ["a"]),
            (["a b"], ["a b", "b a"]),
            (["a"], ["...", "a"]),
            (["a_b"], ["a b", "b a_"]),
            (["a b", "c_"], ["a_b", "c", "C_"]),
            (["well-known"], ["known, well", "wellknown"]),
            (["known, well"], ["well-known"]),
            (["Straße"], ["STRASSE", "STRAẞE"]),
            (["a a"], ["a a a", "a"]),
            (["a a a"], ["a a"]),
            (["a b c d e f g h i j k"], ["a b c d e f g h i j l", "k j i h g f e d c b a"]),
            (["pot"], ["pots"]),
            (["the pot has it"], ["pot", "pot it", "it pot has the"]),
            (["bus"], ["bu"]),
        ]
    words = "key map hat Mara Bram has gave the to sings".split()
    for _ in range(5):
        train = [" ".join(rng.choices(words, k=rng.randint(2, 6))) for _ in range(rng.randint(3, 8))]
        test = [" ".join(rng.choices(words, k=rng.randint(2, 6))) + "." for _ in range(rng.randint(2, 7))]
        for text in rng.sample(train, 2):
            again = text.split()
            rng.shuffle(again)
            test.insert(rng.randint(0, len(test)), " ".join(again).capitalize() + rng.choice(".!?"))
        made.append((train, test))
    return made


def with_bags(make):
    def wrong(train, test):
        seen = [make(text) for text in train]
        return [i for i, text in enumerate(test) if make(text) in seen]

    return wrong


def words_of(text):
    return re.findall(r"\w+", text.lower())


def subset(train, test):
    known = set()
    for text in train:
        known |= set(words_of(text))
    return [i for i, text in enumerate(test) if set(words_of(text)) <= known]


def contained(train, test):
    return [
        i
        for i, text in enumerate(test)
        if any(not Counter(words_of(text)) - Counter(words_of(t)) for t in train)
    ]


CASE = "Capitals count as small letters."
EXERCISE = Function(
    number="15.3",
    title="Known by their words",
    stars=1,
    wants="leaked(train, test)",
    cases=cases,
    oracle=leaked,
    mistakes=[
        (
            with_bags(lambda text: text),
            "Those are the texts that are there word for word. Twins have another order.",
        ),
        (
            with_bags(lambda text: sorted(text.split())),
            f"Marks are no part of a word: `\\w+` finds words. {CASE}",
        ),
        (
            with_bags(lambda text: sorted(text.lower().split())),
            "Marks are no part of a word: `\\w+` finds words.",
        ),
        (with_bags(lambda text: sorted(re.findall(r"\w+", text))), CASE),
        (
            with_bags(lambda text: set(words_of(text))),
            "How often a word stands there counts, too, not only whether.",
        ),
        (with_bags(lambda text: len(words_of(text))), "That compares the number of words."),
        (with_bags(lambda text: sorted(text.lower())), "Those are the letters. Words are to be compared."),
        (with_bags(words_of), "The order of the words should not matter."),
        (subset, "A text is wanted whose words all stand in one training text, as often, and no others."),
        (contained, "It must have the training text's words exactly, not a part of them."),
        (
            lambda train, test: [test[i] for i in leaked(train, test)],
            "The indices are wanted, not the texts.",
        ),
        (
            lambda train, test: [i in leaked(train, test) for i in range(len(test))],
            "The indices are wanted, a list.",
        ),
        (
            lambda train, test: leaked(test, train),
            "Those are indices of training texts. Which of the test's are known?",
        ),
        (lambda train, test: len(leaked(train, test)), "That is how many. Which are they?"),
    ],
    right="What a count of words cannot tell from a training text, it has learned by heart. Whoever shuffles "
    "rows looks for such first.",
)
