"""The check of exercise 13.6: Without the shortcut."""

import random
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from companion.exercises.ch13.shared import Asked
from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record


def balanced(examples, shortcut):
    return kept(examples, shortcut)


def kept(
    examples,
    shortcut,
    group=lambda example: len(example.choices),
    many=lambda K, hits, misses: min(hits, misses // (K - 1)),
    per=lambda K, m: (m, m * (K - 1)),
    choose=lambda places, n: places[:n],
    hit=lambda example, guess: guess == example.answer,
):
    """A right answer; each part of it can be given otherwise.

    group: an example -> with which others it is counted. many: how many hits are kept. per: how many misses.
    """
    groups = defaultdict(lambda: {True: [], False: []})
    for i, example in enumerate(examples):
        groups[group(example)][bool(hit(example, shortcut(example)))].append(i)
    places = []
    for places_of in groups.values():
        K = len(examples[(places_of[True] + places_of[False])[0]].choices)
        hits, misses = per(K, many(K, len(places_of[True]), len(places_of[False])))
        places += choose(places_of[True], hits) + choose(places_of[False], misses)
    return [examples[i] for i in sorted(places)]


PLACES = ("inn", "mill", "barn", "lane", "pond", "hill")


def last_named(example):
    return max(example.choices, key=example.prompt.rindex)


def first_choice(example):
    return example.choices[0]


def first_named(example):
    return min(example.choices, key=example.prompt.index)


SHORTCUTS = {"last_named": last_named, "first_choice": first_choice, "first_named": first_named}


ALIKE = {
    "2 hit (four of fourteen, four)": Asked("41: fourteen, four. Where?", ("four", "fourteen"), "four"),
    "2 miss (four of fourteen, four)": Asked("42: fourteen, four. Where?", ("four", "fourteen"), "fourteen"),
    "2 miss (fourteen of four, fourteen)": Asked("43: four, fourteen. Where?", ("fourteen", "four"), "four"),
    "2 miss (windmill of windmill, mill)": Asked("44: windmill, mill. Where?", ("mill", "windmill"), "mill"),
    "2 hit (mill of inn, mill)": Asked("45: inn, mill, barn. Where?", ("inn", "mill"), "mill"),
    "2 miss (barn of mill, barn; same prompt)": Asked(
        "45: inn, mill, barn. Where?", ("mill", "barn"), "mill"
    ),
    "2 hit (barn of inn, barn; same prompt)": Asked("45: inn, mill, barn. Where?", ("inn", "barn"), "barn"),
}
"""One choice is part of another, or prompts are alike. The shortcut is last_named; for WIND first_named."""
HIT, SHORT, LONG, WIND, MILL, BARN, OTHER = ALIKE


def example(K, hit, shortcut, rng):
    """An example with K choices, for which the shortcut is right, or is not."""
    choices = rng.sample(PLACES, K)
    named = rng.sample(choices, K) + [rng.choice(choices)] * rng.randint(0, 1)
    prompt = f"{rng.randint(10, 99)} went by " + ", ".join(named) + ". Where?"
    found = Asked(prompt, tuple(choices), choices[0])
    guess = SHORTCUTS[shortcut](found)
    answer = guess if hit else rng.choice([choice for choice in choices if choice != guess])
    return Asked(prompt, tuple(choices), answer)


def build(kinds, shortcut):
    """Examples: "3 hit" is one with three choices, where the shortcut is right; "as no. 0": once more."""
    rng, examples = random.Random(len(kinds)), []
    for kind in kinds:
        first, *_, last = kind.split()
        if kind in ALIKE:
            examples.append(ALIKE[kind])
        elif first == "as":
            examples.append(examples[int(last)])
        else:
            examples.append(example(int(first), last == "hit", shortcut, rng))
    return examples


BY_HAND = [
    ["2 hit"],
    ["2 miss"],
    ["3 hit", "3 miss"],
    ["2 hit", "2 miss"],
    ["2 miss", "2 hit"],
    ["2 hit", "2 hit", "2 miss"],
    ["2 miss", "2 miss", "2 hit"],
    ["2 hit", "3 miss"],
    ["2 hit", "2 hit", "2 miss", "2 hit"],
    ["3 miss", "3 hit", "3 miss"],
    ["3 miss", "3 miss", "3 miss", "3 hit"],
    ["3 hit", "3 miss", "2 hit", "3 miss", "2 miss", "2 hit"],
    ["3 hit", "3 hit", "3 miss", "3 miss", "3 miss", "3 miss"],
    ["3 miss", "3 miss", "3 miss", "3 hit", "3 hit"],
    ["4 hit", "4 miss", "2 miss", "4 miss", "4 miss", "2 hit"],
    ["2 hit", "2 miss", "3 miss", "3 miss", "4 miss", "4 miss", "4 miss", "4 hit"],
    ["6 miss", "6 miss", "6 hit", "5 miss", "6 miss", "6 miss", "6 miss", "6 hit", "6 miss"],
]
TWICE = [
    ["2 hit", "as no. 0", "2 miss"],
    ["2 hit", "2 miss", "as no. 0", "as no. 1", "as no. 0", "2 hit"],
    ["3 hit", "3 miss", "as no. 1", "as no. 0", "as no. 1", "2 hit", "2 miss", "as no. 1"],
]
LIKE = [  # with last_named
    [LONG, HIT],
    [HIT, SHORT],
    [LONG, SHORT],
    [MILL, BARN],
    [BARN, MILL],
    [BARN, OTHER, "2 miss", MILL],
]


def example_cases(seed):
    rng = random.Random(seed)
    by_hand = [[], *BY_HAND, *TWICE, *LIKE]
    cases = [(kinds, "last_named") for kinds in by_hand] if seed == 0 else []
    cases += [(["2 hit", WIND], "first_named")] if seed == 0 else []
    cases += [(kinds, [*SHORTCUTS][seed]) for kinds in BY_HAND if seed]
    for n, most, shortcut in [(12, 3, "last_named"), (25, 4, "first_choice"), (60, 5, "first_named")]:
        for share in (0.2, 0.8):
            kinds = [f"{rng.randint(2, most)} {'hit' if rng.random() < share else 'miss'}" for _ in range(n)]
            cases.append((kinds, shortcut))
    return cases


def try_on(answer, kinds, shortcut):
    """What it gives, each example as its number and kind."""
    examples = build(kinds, shortcut)
    given = list(examples)
    found = answer(given, SHORTCUTS[shortcut])
    if isinstance(found, str | dict | set | frozenset) or not isinstance(found, Iterable):
        return found
    found = [named(one, kinds, examples) for one in islice(found, 1000)]
    if given != examples:
        raise Problem(
            "Your answer changes its input: `examples` is another list after the call. Make a new one."
        )
    return found


def named(one, kinds, examples):
    """An example as its number and kind, "no. 2: 3 hit"; anything else as it is."""
    if not isinstance(one, Asked) or one not in examples:
        return one
    i = examples.index(one)
    return Record("example", {"": f"no. {i}: {kinds[i]}"})


# -- mistakes ------------------------------------------------------------------


def by(**parts):
    return lambda examples, shortcut: kept(examples, shortcut, **parts)


def halves(examples, shortcut):
    """As often right as not, whatever the number of choices."""
    return kept(
        examples,
        shortcut,
        group=lambda example: 0,
        many=lambda K, hits, misses: min(hits, misses),
        per=lambda K, m: (m, m),
    )


def after(change):
    return lambda examples, shortcut: change(kept(examples, shortcut), examples, shortcut)


def is_hit(example, shortcut):
    return shortcut(example) == example.answer


def hits_first(found, examples, shortcut):
    return sorted(found, key=lambda example: not is_hit(example, shortcut))


def misses_first(found, examples, shortcut):
    return sorted(found, key=lambda example: is_hit(example, shortcut))


def by_number(found, examples, shortcut):
    return sorted(found, key=lambda example: len(example.choices))


def greedy(examples, shortcut):
    """Takes what comes as long as the balance allows it: a hit when K - 1 misses are there."""
    hits, misses, found = defaultdict(int), defaultdict(int), []
    for example in examples:
        K = len(example.choices)
        if is_hit(example, shortcut):
            if misses[K] >= (K - 1) * (hits[K] + 1):
                hits[K] += 1
                found.append(example)
        else:
            misses[K] += 1
            found.append(example)
    return found


def of_the_first(examples, shortcut):
    """Takes the number of choices from the first example."""
    if not examples:
        return []
    K = len(examples[0].choices)
    return kept(
        examples,
        shortcut,
        group=lambda example: 0,
        many=lambda _, hits, misses: min(hits, misses // (K - 1)),
        per=lambda _, m: (m, m * (K - 1)),
    )


def longest_beginning(examples, shortcut):
    for n in range(len(examples), 0, -1):
        if len(kept(examples[:n], shortcut)) == n:
            return examples[:n]
    return []


def without_repeats(examples, shortcut):
    return kept(list(dict.fromkeys(examples)), shortcut)


def all_repeats(found, examples, shortcut):
    return [example for example in examples if example in found]


def same_for_all(examples, shortcut):
    """As many of each number of choices."""
    numbers = {len(example.choices) for example in examples}
    counts = []
    for K in numbers:
        mine = [is_hit(example, shortcut) for example in examples if len(example.choices) == K]
        counts.append(min(sum(mine), (len(mine) - sum(mine)) // (K - 1)))
    return kept(examples, shortcut, many=lambda K, hits, misses: min(counts))


def all_together(examples, shortcut):
    """As many hits as guessing would have, over all numbers of choices together: drops the latest surplus."""
    found = list(examples)
    while found:
        chance = sum(1 / len(example.choices) for example in found)
        hits = sum(is_hit(example, shortcut) for example in found)
        if abs(hits - chance) < 1e-9:
            return found
        surplus = [i for i, e in enumerate(found) if is_hit(e, shortcut) == (hits > chance)]
        found.pop(surplus[-1])
    return found


def hint(got, kinds, shortcut):
    value = got.value if got.error is None else None
    if not isinstance(value, list) or not all(
        isinstance(each, Record) and each.name == "example" for each in value
    ):
        return ""
    right = try_on(balanced, kinds, shortcut)
    if sorted(each.parts[""] for each in value) == sorted(each.parts[""] for each in right):
        return ORDER
    if len(value) > len(right):
        return "Those are too many to be balanced, among the questions of each number of choices."
    return ""


GUESS = (
    "With K choices a guess is right once in K. A shortcut that is right in half of the questions with three "
    "choices is still better than a guess: one hit goes with K − 1 misses."
)
NUMBER = "Balance each number of choices by itself: among 2 and among 3, other shares are luck."
LATEST = "Of what is too many, the latest are left out: the first ones stay."
ORDER = "The examples are to stay in the order in which they came."
FULL = "A hit needs all of its K − 1 misses: what is left over of these is left out, too."
MISSES = "There may be too many misses as well. Leave out what is too many of either."

EXERCISE = Function(
    number="13.6",
    title="Without the shortcut",
    stars=3,
    wants="balanced(examples, shortcut)",
    cases=example_cases,
    oracle=balanced,
    call=try_on,
    order=lambda args: len(args[0]),
    hint=hint,
    shown="{f}(examples, shortcut), each with its number of choices, and hit where {1} is right: {0}",
    mistakes=[
        (halves, GUESS),
        (
            by(many=lambda K, hits, misses: min(hits, misses), per=lambda K, m: (m, m)),
            GUESS,
        ),
        (
            by(
                many=lambda K, hits, misses: min(hits, misses // (K - 1)),
                per=lambda K, m: (m, m * (K - 1)),
                group=lambda example: 0,
            ),
            NUMBER,
        ),
        (of_the_first, f"{NUMBER} You took all for ones like the first."),
        (all_together, f"{NUMBER} Your balance is one of all together."),
        (same_for_all, "Numbers of choices need not be equally frequent: keep as many of each as you can."),
        (by(choose=lambda places, n: places[len(places) - n :]), LATEST),
        (by(choose=lambda places, n: places[::-1][:n]), LATEST),
        (after(hits_first), ORDER),
        (after(misses_first), ORDER),
        (after(by_number), f"{ORDER} Yours are sorted by the number of choices."),
        (
            by(
                many=lambda K, hits, misses: min(hits, misses // K),
                per=lambda K, m: (m, m * K),
            ),
            "One hit in K questions: that leaves K − 1 misses a hit, not K.",
        ),
        (
            by(many=lambda K, hits, misses: min(hits, misses // K)),
            "K − 1 misses go with a hit, so the misses are enough for more hits.",
        ),
        (
            by(
                many=lambda K, hits, misses: min(misses, hits // (K - 1)),
                per=lambda K, m: (m * (K - 1), m),
            ),
            "One in K should be a hit. Yours has one miss in K.",
        ),
        (by(per=lambda K, m: (m, 10**6)), f"{MISSES} Yours keeps all of them."),
        (by(many=lambda K, hits, misses: min(hits, -(-misses // (K - 1)))), FULL),
        (by(many=lambda K, hits, misses: min(hits, round(misses / (K - 1)))), FULL),
        (
            by(
                many=lambda K, hits, misses: min(hits, misses / (K - 1)),
                per=lambda K, m: (int(m), int(m * (K - 1))),
            ),
            FULL,
        ),
        (greedy, "What is too many shows only at the end: count first, then choose."),
        (
            longest_beginning,
            "Leave out single examples: a long beginning need not be balanced, nor be the most.",
        ),
        (without_repeats, "An example may come twice. Then it counts twice."),
        (
            after(all_repeats),
            "An example may come twice: look at its place, not whether one like it was kept.",
        ),
        (
            lambda examples, shortcut: [example for example in examples if not is_hit(example, shortcut)],
            "Those are the ones where the shortcut fails. It would then be worse than a guess, and who knows "
            "of it could do the reverse.",
        ),
        (
            lambda examples, shortcut: [example for example in examples if is_hit(example, shortcut)],
            "Those are the ones where the shortcut works.",
        ),
        (lambda examples, shortcut: examples, "Those are all. What is too many is to be left out."),
        (
            lambda examples, shortcut: kept(examples, last_named),
            "The shortcut is not always the last choice that was named: ask `shortcut`.",
        ),
        *[
            (
                lambda examples, shortcut, own=own: kept(examples, own),
                "The shortcut that was given seems not to be asked: `shortcut(example)` is its choice.",
            )
            for own in (first_choice, first_named, lambda example: example.choices[-1])
        ],
        (
            by(hit=lambda example, guess: example.answer in guess),
            "One choice may be part of another: the shortcut's must be equal to the answer.",
        ),
        (
            by(hit=lambda example, guess: guess in example.answer),
            "One choice may be part of another: the shortcut's must be equal to the answer.",
        ),
        (
            by(hit=lambda example, guess: guess.startswith(example.answer)),
            "One choice may begin another: the shortcut's must be equal to the answer.",
        ),
        (
            after(lambda found, examples, shortcut: len(found)),
            "That is how many there are. The examples themselves are wanted.",
        ),
        (
            lambda examples, shortcut: kept_places(examples, shortcut),
            "Those are places in the list. The examples themselves are wanted.",
        ),
        (
            by(hit=lambda example, guess: example.choices.index(guess) == example.answer),
            "Nothing is ever left. Did you compare a choice with its place? `shortcut` gives a choice.",
        ),
        (
            after(lambda found, examples, shortcut: [example.prompt for example in found]),
            "Those are the prompts. The examples themselves are wanted.",
        ),
        (
            after(
                lambda found, examples, shortcut: (
                    [example for example in found if is_hit(example, shortcut)],
                    [example for example in found if not is_hit(example, shortcut)],
                )
            ),
            "One list is wanted, in the order in which they came.",
        ),
    ],
    right="On such a test the shortcut is worth a guess. What a model scores above that has another reason.",
)


def kept_places(examples, shortcut):
    """The places of those that are kept."""
    numbered = [Asked(str(i), example.choices, example.answer) for i, example in enumerate(examples)]
    return [
        int(example.prompt) for example in kept(numbered, lambda one: shortcut(examples[int(one.prompt)]))
    ]
