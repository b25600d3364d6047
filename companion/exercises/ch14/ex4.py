"""The check of exercise 14.4: What the word alone says."""

import random
from collections import Counter

from companion.exercises.exercise import Function


def by_word(train, test):
    counts, overall = {}, Counter(label for _, label in train)
    for word, label in train:
        counts.setdefault(word, Counter())[label] += 1
    usual = best(overall)
    return sum(label == (best(counts[word]) if word in counts else usual) for word, label in test) / len(test)


def best(counts):
    """The label that comes most often; of several the smallest."""
    return min(counts, key=lambda label: (-counts[label], label))


def cases(seed):
    by_hand = [
        ([("key", 1), ("key", 1), ("key", 0), ("pot", 2)], [("key", 1), ("key", 0), ("pot", 2), ("pot", 1)]),
        ([("key", 1)], [("key", 1)]),
        ([("key", 1)], [("key", 0)]),
        ([("key", 1), ("pot", 0), ("pot", 0)], [("map", 0), ("map", 1), ("map", 2)]),  # a new word
        ([("key", 1), ("key", 0)], [("key", 0), ("key", 0), ("key", 1)]),  # a tie
        ([("key", 0), ("key", 1)], [("key", 0), ("key", 0), ("key", 1)]),
        ([("key", 3), ("pot", 1)], [("map", 1), ("map", 3), ("map", 3)]),  # a new word, and a tie
        (
            [("a", 0), ("a", 1), ("a", 1), ("b", 0), ("b", 0), ("b", 0)],
            [("a", 0), ("a", 1), ("b", 0), ("c", 0)],
        ),
        ([("a", 2), ("a", 2), ("b", 5)], [("b", 5), ("b", 5), ("b", 2), ("a", 5)]),
        ([("a", 0), ("b", 2), ("c", 2)], [("a", 0), ("a", 2), ("d", 2), ("d", 0), ("d", 1)]),
        (
            [("a", 0), ("b", 1), ("b", 1), ("c", 0), ("d", 0), ("a", 1)],
            [("b", 0), ("z", 0), ("z", 1), ("a", 0)],
        ),
        ([("pot", 1), ("key", 3)], [("map", 1)]),  # the smallest of equals is the first seen
        ([("a", 1), ("a", 2), ("b", 2)], [("a", 1)]),  # a tie, though one of the two is frequent elsewhere
        ([("a", 1), ("a", 1), ("b", 2)], [("a", 1), ("c", 1)]),  # words of test count for new ones, too
        ([("a", 10), ("a", 9)], [("a", 9)]),
        ([("b", 10), ("a", 9)], [("c", 9)]),
        ([("a", 12), ("b", 11), ("b", 11)], [("a", 12), ("b", 11), ("c", 11)]),
        ([("a", 300), ("a", 300), ("b", 44)], [("a", 300), ("a", 44), ("b", 44)]),
        ([("Key", 1), ("key", 2), ("key", 2)], [("Key", 1)]),
        ([(" key", 1), ("key", 2), ("key", 2)], [(" key", 1)]),
    ]
    rng = random.Random(seed)
    made = by_hand if seed == 0 else []
    for n, m, first in ((12, 7, 0), (30, 11, 0), (40, 12, 997)):
        words = ["key", "pot", "map", "fan", "cup"][: rng.randint(3, 5)]
        draw = lambda words=words, first=first: (rng.choice(words), first + rng.randrange(4))  # noqa: E731
        new = ("kite", first + rng.randrange(4))
        made.append(([draw() for _ in range(n)], [draw() for _ in range(m)] + [new]))
    return made


def majority(train, test):
    usual = best(Counter(label for _, label in train))
    return sum(label == usual for _, label in test) / len(test)


def new_is_wrong(train, test):
    known = {word for word, _ in train}
    return sum(by_word(train, [pair]) for pair in test if pair[0] in known) / len(test)


def new_is(label_of):
    """A word that `train` does not have gets another label."""

    def wrong(train, test):
        table = {}
        for word, label in train:
            table.setdefault(word, Counter())[label] += 1
        table = {word: best(counts) for word, counts in table.items()}
        rest = label_of(train, table)
        return sum(label == table.get(word, rest) for word, label in test) / len(test)

    return wrong


def new_left_out(train, test):
    known = {word for word, _ in train}
    rest = [pair for pair in test if pair[0] in known]
    return by_word(train, rest) if rest else 0.0


def last_seen(train, test):
    seen, usual = dict(train), best(Counter(label for _, label in train))
    return sum(label == seen.get(word, usual) for word, label in test) / len(test)


def tie_to(pick):
    """Ties otherwise."""

    def wrong(train, test):
        def top(labels):
            counts = Counter(labels)
            return pick([label for label in counts if counts[label] == max(counts.values())])

        words = {word for word, _ in train}
        usual = top([label for _, label in train])
        table = {word: top([label for other, label in train if other == word]) for word in words}
        return sum(label == table.get(word, usual) for word, label in test) / len(test)

    return wrong


def tie_to_frequent(train, test):
    """Of a word's labels that come equally often the one that is most frequent in all."""
    overall = Counter(label for _, label in train)
    usual, table = best(overall), {}
    for word, label in train:
        table.setdefault(word, Counter())[label] += 1
    for word, counts in table.items():
        table[word] = min(counts, key=lambda label, n=counts: (-n[label], -overall[label], label))
    return sum(label == table.get(word, usual) for word, label in test) / len(test)


def words_as(change):
    def wrong(train, test):
        changed = [[(change(word), label) for word, label in pairs] for pairs in (train, test)]
        return by_word(*changed)

    return wrong


def on_itself(train, test):
    return by_word(test, test)


def on_train(train, test):
    return by_word(train, train)


EXERCISE = Function(
    number="14.4",
    title="What the word alone says",
    stars=2,
    wants="by_word(train, test)",
    cases=cases,
    oracle=by_word,
    mistakes=[
        (majority, "That is the most frequent label of all. Each word has one of its own."),
        (new_is_wrong, "A word that `train` does not have gets the label that is most frequent there."),
        (
            new_is(lambda train, table: 0),
            "A word that `train` does not have gets the label that is most frequent there, not 0.",
        ),
        (
            new_is(lambda train, table: best(Counter(table.values()))),
            "For a new word you counted each known word once. Its label is the most frequent in all pairs of "
            "`train`.",
        ),
        (new_left_out, "All pairs of `test` count, those with new words, too."),
        (last_seen, "You took the last label that a word had. The most frequent one is wanted."),
        (tie_to(max), "Of labels that come equally often the smallest is wanted; yours is the largest."),
        (
            tie_to(lambda labels: labels[0]),
            "Of labels that come equally often the smallest is wanted, not the first.",
        ),
        (
            tie_to(lambda labels: labels[-1]),
            "Of labels that come equally often the smallest is wanted, not the last.",
        ),
        (
            tie_to(lambda labels: min(labels, key=str)),
            "The smallest number is wanted; as text, 10 comes before 9.",
        ),
        (
            tie_to_frequent,
            "Of a word's labels that come equally often the smallest counts, whatever other words have.",
        ),
        (words_as(str.lower), "`Key` and `key` are two words. Take them as they are."),
        (words_as(str.strip), "A word with a space before it is another one. Take them as they are."),
        (on_itself, "You looked into the labels of `test`. The table is made from `train` alone."),
        (on_train, "That is the share on `train`. It is wanted on `test`."),
        (lambda train, test: by_word(train, test) * len(test), "That is a count. The share is wanted."),
        (lambda train, test: 1 - by_word(train, test), "That is the share of wrong labels."),
        (
            lambda train, test: 100 * by_word(train, test),
            "Is that in percent? The share is wanted, from 0 to 1.",
        ),
    ],
    right="What a probe reads beyond this share was not in the word itself.",
)
