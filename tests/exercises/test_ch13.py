"""Answers to chapter 13's exercises."""

import itertools
import math
import random
import statistics
from fractions import Fraction

import numpy as np
import torch
from harness import Answers, ExerciseTests

from companion.evaluation import Example
from companion.exercises.ch13.ex6 import build
from companion.exercises.ch13.shared import Asked

# -- 13.1 ------------------------------------------------------------------


def pick(example, log_probs):
    per_byte = [p / len(bytes(c, "utf-8")) for c, p in zip(example.choices, log_probs, strict=True)]
    return example.choices[per_byte.index(max(per_byte))]


def pick_by_looping(example, log_probs):
    best, ahead = None, -math.inf
    for choice, log_prob in zip(example.choices, log_probs, strict=True):
        if best is None or log_prob / len(choice.encode()) > ahead:
            best, ahead = choice, log_prob / len(choice.encode())
    return best


def pick_in_torch(example, log_probs):
    sizes = torch.tensor([len(choice.encode()) for choice in example.choices])
    return example.choices[(torch.tensor(log_probs) / sizes).argmax()]


def pick_in_numpy(example, log_probs):
    sizes = [
        sum(1 if ord(x) < 128 else 2 if ord(x) < 2048 else 3 if ord(x) < 65536 else 4 for x in choice)
        for choice in example.choices
    ]
    return example.choices[int(np.argmax(np.divide(log_probs, sizes)))]


def pick_by(length, choose=max):
    def answer(example, log_probs):
        places = range(len(log_probs))
        return example.choices[choose(places, key=lambda i: log_probs[i] / length(example.choices[i]))]

    return answer


def pick_sum(example, log_probs):
    return example.choices[int(np.argmax(log_probs))]


def pick_last(example, log_probs):
    per_byte = [
        (p / len(c.encode()), i) for i, (c, p) in enumerate(zip(example.choices, log_probs, strict=True))
    ]
    return example.choices[max(per_byte)[1]]


def pick_sorted(example, log_probs):
    """Sorts the scores, and with them loses whose they are."""
    log_probs.sort(reverse=True)
    return pick(example, log_probs)


def pick_of_chances(example, log_probs):
    per_byte = [math.exp(p) / len(c.encode()) for c, p in zip(example.choices, log_probs, strict=True)]
    return example.choices[per_byte.index(max(per_byte))]


def pick_place(example, log_probs):
    return example.choices.index(pick(example, log_probs))


# -- 13.2 ------------------------------------------------------------------


def by_equation():
    return math.ceil((2.8 * 0.3 / 0.02) ** 2)


def by_trying():
    return next(n for n in itertools.count(1) if 2.8 * 0.3 / n**0.5 <= 0.02)


def by_quantiles():
    z = statistics.NormalDist().inv_cdf
    return ((z(0.975) + z(0.8)) * 0.3 / 0.02) ** 2


# -- 13.3 ------------------------------------------------------------------


def sides(first, second):
    return sum(x > y for x, y in zip(first, second, strict=True)), sum(
        x < y for x, y in zip(first, second, strict=True)
    )


def sign(first, second):
    a, b = sides(first, second)
    tail = sum(math.comb(a + b, i) for i in range(min(a, b) + 1))
    return min(1, 2 * tail / 2 ** (a + b))


def sign_by_all_splits(first, second):
    """Every split that is as far from the middle, or farther."""
    a, b = sides(first, second)
    ways = [math.comb(a + b, i) for i in range(a + b + 1) if abs(2 * i - a - b) >= abs(a - b)]
    return Fraction(sum(ways), 2 ** (a + b))


def sign_by_logs(first, second):
    a, b = sides(first, second)
    n = a + b
    i = torch.arange(n + 1, dtype=torch.float64)
    log_ways = math.lgamma(n + 1) - torch.lgamma(i + 1) - torch.lgamma(n - i + 1) - n * math.log(2)
    return log_ways[(2 * i - n).abs() >= abs(a - b)].exp().sum().clamp(max=1)


def sign_by_steps(first, second):
    """The distribution of the tosses, coin after coin."""
    a, b = sides(first, second)
    row = np.ones(1)
    for _ in range(a + b):
        row = np.convolve(row, [0.5, 0.5])
    return min(1.0, row[: min(a, b) + 1].sum() + row[max(a, b) :].sum())


def of_sides(change):
    return lambda first, second: change(*sides(first, second))


def with_floats(first, second):
    a, b = sides(first, second)
    return min(1.0, 2 * sum(math.comb(a + b, i) * 0.5 ** (a + b) for i in range(min(a, b) + 1)))


def power_of_a_float(first, second):
    a, b = sides(first, second)
    return min(1.0, 2 * sum(math.comb(a + b, i) for i in range(min(a, b) + 1)) / 2.0 ** (a + b))


def over_all(first, second):
    n, k = len(first), min(sides(first, second))
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def chi_square(first, second):
    a, b = sides(first, second)
    return math.erfc(math.sqrt((a - b) ** 2 / (a + b) / 2)) if a + b else 1.0


def chi_square_corrected(first, second):
    a, b = sides(first, second)
    return math.erfc(math.sqrt(max(0, abs(a - b) - 1) ** 2 / (a + b) / 2)) if a + b else 1.0


def two_shares(first, second):
    n = len(first)
    if not n:
        return 1.0
    p, q = sum(first) / n, sum(second) / n
    spread = (p + q) / 2 * (1 - (p + q) / 2) * 2 / n
    return math.erfc(abs(p - q) / math.sqrt(2 * spread)) if spread else 1.0


def tail(a, b, of=2, less=0):
    return of * sum(math.comb(a + b, i) for i in range(min(a, b) + 1 - less)) / 2 ** (a + b)


# -- 13.4 ------------------------------------------------------------------


def passes(n, c, k):
    return (math.comb(n, k) - math.comb(n - c, k)) / math.comb(n, k)


def passes_by_product(n, c, k):
    """As in the paper."""
    if n - c < k:
        return 1.0
    return 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))


def passes_by_draws(n, c, k):
    missed = Fraction(1)
    for i in range(k):
        missed *= Fraction(max(0, n - c - i), n - i)
        if i > 60:
            return passes(n, c, k)
    return 1 - missed


def passes_by_counts(n, c, k):
    """One right, two right, three right, each by its chance."""
    ways = sum(math.comb(c, i) * math.comb(n - c, k - i) for i in range(1, min(c, k) + 1))
    return Fraction(ways, math.comb(n, k))


def factorials(n, c, k):
    f = math.factorial
    return 1 - Fraction(f(n - c) * f(n - k), f(n - c - k) * f(n))


def in_floats(n, c, k):
    return 1 - float(math.comb(n - c, k)) / float(math.comb(n, k))


# -- 13.5 ------------------------------------------------------------------


def mended(scores, right, temperatures):
    def loss(T):
        return sum(-(row / T).log_softmax(0)[i].item() for row, i in zip(scores, right, strict=True))

    return min(temperatures, key=loss)


def mended_by_padding(scores, right, temperatures):
    rows = torch.nn.utils.rnn.pad_sequence(scores, batch_first=True, padding_value=-math.inf)
    losses = [torch.nn.functional.cross_entropy(rows / T, torch.tensor(right)) for T in temperatures]
    return temperatures[torch.stack(losses).argmin()]


def mended_in_numpy(scores, right, temperatures):
    best, least = None, math.inf
    for T in temperatures:
        total = 0.0
        for row, i in zip(scores, right, strict=True):
            row = row.numpy().astype(float) / T
            total += row.max() + np.log(np.exp(row - row.max()).sum()) - row[i]
        if total < least:
            best, least = T, total
    return torch.tensor(best)


def mended_by_logsumexp(scores, right, temperatures):
    found = {}
    for T in temperatures:
        found[
            statistics.fmean(
                float((r / T).logsumexp(0) - r[i] / T) for r, i in zip(scores, right, strict=True)
            )
        ] = T
    return found[min(found)]


def by_loss(one, of=sum, choose=min):
    """A wrong answer: the temperature at which something of each question is least."""

    def wrong(scores, right, temperatures):
        return choose(
            temperatures, key=lambda T: of([one(r, i, T) for r, i in zip(scores, right, strict=True)])
        )

    return wrong


def cost(row, i, T):
    return -(row / T).log_softmax(0)[i].item()


def in_place(scores, right, temperatures):
    found = {}
    for T in temperatures:
        for row in scores:
            row /= T
        found[T] = sum(-row.log_softmax(0)[i].item() for row, i in zip(scores, right, strict=True))
    return min(found, key=found.get)


def all_in_one_tensor(scores, right, temperatures):
    rows = torch.stack(scores)
    losses = [torch.nn.functional.cross_entropy(rows / T, torch.tensor(right)) for T in temperatures]
    return temperatures[torch.stack(losses).argmin()]


def filled_with_zeros(scores, right, temperatures):
    rows = torch.nn.utils.rnn.pad_sequence(scores, batch_first=True)
    losses = [torch.nn.functional.cross_entropy(rows / T, torch.tensor(right)) for T in temperatures]
    return temperatures[torch.stack(losses).argmin()]


def by_confidence(scores, right, temperatures):
    hits = statistics.fmean(float(row.argmax() == i) for row, i in zip(scores, right, strict=True))
    return min(
        temperatures,
        key=lambda T: abs(hits - statistics.fmean((row / T).softmax(0).max().item() for row in scores)),
    )


# -- 13.6 ------------------------------------------------------------------


def even(examples, shortcut):
    hits, misses = {}, {}
    for place, example in enumerate(examples):
        side = hits if shortcut(example) == example.answer else misses
        side.setdefault(len(example.choices), []).append(place)
    stay = set()
    for K, places in hits.items():
        n = min(len(places), len(misses.get(K, [])) // (K - 1))
        stay |= {*places[:n], *misses.get(K, [])[: n * (K - 1)]}
    return [example for place, example in enumerate(examples) if place in stay]


def even_by_counting_down(examples, shortcut):
    """Counts first, then takes what there is room for."""
    room = {}
    for K in {len(example.choices) for example in examples}:
        right = [shortcut(e) == e.answer for e in examples if len(e.choices) == K]
        n = min(sum(right), right.count(False) // (K - 1))
        room[K] = {True: n, False: n * (K - 1)}
    found = []
    for example in examples:
        right = shortcut(example) == example.answer
        if room[len(example.choices)][right] > 0:
            room[len(example.choices)][right] -= 1
            found.append(example)
    return tuple(found)


def even_by_leaving_out(examples, shortcut):
    """Leaves out the latest of whatever is too much, until nothing is."""
    found = list(examples)
    for K in range(2, 10):
        while True:
            mine = [i for i, e in enumerate(found) if len(e.choices) == K]
            hits = [i for i in mine if shortcut(found[i]) == found[i].answer]
            if len(hits) * K == len(mine):
                break
            if len(hits) * K > len(mine):
                del found[hits[-1]]
            else:
                del found[max(set(mine) - set(hits))]
    return (example for example in found)


def one_half(examples, shortcut):
    hits = [i for i, e in enumerate(examples) if shortcut(e) == e.answer]
    misses = [i for i in range(len(examples)) if i not in hits]
    n = min(len(hits), len(misses))
    return [examples[i] for i in sorted(hits[:n] + misses[:n])]


def one_half_each(examples, shortcut):
    stay = []
    for K in {len(e.choices) for e in examples}:
        hits = [i for i, e in enumerate(examples) if len(e.choices) == K and shortcut(e) == e.answer]
        misses = [i for i, e in enumerate(examples) if len(e.choices) == K and shortcut(e) != e.answer]
        n = min(len(hits), len(misses))
        stay += hits[:n] + misses[:n]
    return [examples[i] for i in sorted(stay)]


def the_latest(examples, shortcut):
    return even(examples[::-1], shortcut)[::-1]


def by_kinds(examples, shortcut):
    found = even(examples, shortcut)
    return sorted(found, key=lambda e: (len(e.choices), shortcut(e) != e.answer))


def by_likeness(examples, shortcut):
    found = even(examples, shortcut)
    return [example for example in examples if example in found]


def at_random(examples, shortcut):
    order = random.Random(1).sample(range(len(examples)), len(examples))
    found = even([examples[i] for i in order], shortcut)
    return [example for example in examples if example in found]


def pops_them(examples, shortcut):
    found = even(examples, shortcut)
    examples.clear()
    return found


def misses_left_over(examples, shortcut):
    stay = []
    for K in {len(e.choices) for e in examples}:
        hits = [i for i, e in enumerate(examples) if len(e.choices) == K and shortcut(e) == e.answer]
        misses = [i for i, e in enumerate(examples) if len(e.choices) == K and shortcut(e) != e.answer]
        stay += hits[: len(misses) // (K - 1)] + misses
    return [examples[i] for i in sorted(stay)]


ANSWERS = {
    "13.1": Answers(
        right=[pick, pick_by_looping, pick_in_torch, pick_in_numpy, pick_by(lambda c: len(c.encode()))],
        wrong=[
            (pick_sum, "ahead by the sum"),
            (pick_by(len), "divided by letters"),
            (pick_by(lambda c: len(c.strip().encode())), "The space in front"),
            (pick_by(lambda c: len(c.encode("utf-16-le"))), "UTF-16"),
            (pick_by(lambda c: len(c.split())), "divided by words"),
            (pick_last, "the first is wanted"),
            (pick_by(lambda c: len(c.encode()), min), "nearest to 0"),
            (pick_by(lambda c: 1 / len(c.encode())), "do not multiply"),
            (pick_sorted, "changes its input"),
            (pick_of_chances, "divided probabilities"),
            (
                lambda example, log_probs: max(
                    example.choices,
                    key=lambda c: math.exp(log_probs[example.choices.index(c)]) ** (1 / len(c.encode())),
                ),
                "no float holds",
            ),
            (
                lambda example, log_probs: max(
                    (p / len(c.encode()), c) for p, c in zip(log_probs, example.choices, strict=True)
                )[1],
                "goes by the letters",
            ),
            (pick_place, "its place among the choices"),
            (lambda example, log_probs: example.answer, "the right choice, not the one"),
            (lambda example, log_probs: max(example.choices, key=len), "expected"),
            (lambda example, log_probs: pick(example, log_probs).strip(), "with the space"),
            (lambda example, log_probs: pick(example, log_probs) == example.answer, "whether it is right"),
            (lambda example, log_probs: [pick(example, log_probs)], "a list where a str is expected"),
            (lambda example, log_probs: print(pick(example, log_probs)), "without `return`"),
        ],
    ),
    "13.2": Answers(
        right=[by_equation, by_trying, by_quantiles, 1764, 1765],
        wrong=[
            (42, "ends with a square"),
            (3528, "σ is that of the differences"),
            (7056, "Four times as many"),
            (441, "A quarter"),
            (882, "Half as many"),
            (630, "2.8 is squared, too"),
            (2100, "All of the bracket"),
            (19_600, "Where is σ"),
            (225, "Where is the 2.8"),
            (865, "one comparison in two"),
            (2363, "nine of ten"),
            (1, "too low"),
            (0.1764, "in a hundred are 0.02"),
            (4900, "of one model's answers"),
            (196, "the example"),
            (500, "what was asked"),
            (1000, "Nearly"),
            (10_000, "Too many"),
            (0, "too low"),
        ],
    ),
    "13.3": Answers(
        right=[sign, sign_by_all_splits, sign_by_logs, sign_by_steps],
        wrong=[
            (of_sides(lambda a, b: tail(a, b, of=1)), "one tail"),
            (of_sides(tail), "the two tails overlap"),
            (of_sides(lambda a, b: min(1, tail(a, b, less=1))), "belongs to the tail"),
            (of_sides(lambda a, b: min(1, 2 * math.comb(a + b, a) / 2 ** (a + b))), "just this split"),
            (
                of_sides(
                    lambda a, b: min(1, 2 * sum(math.comb(a + b, i) for i in range(a + 1)) / 2 ** (a + b))
                ),
                "Take the smaller side",
            ),
            (with_floats, "larger than any float"),
            (power_of_a_float, "larger than any float"),
            (
                lambda first, second: sign(
                    [1] * sum(first) + [0] * sum(second), [0] * sum(first) + [1] * sum(second)
                ),
                "say nothing",
            ),
            (over_all, "say nothing"),
            (chi_square, "normal approximation"),
            (chi_square_corrected, "normal approximation"),
            (two_shares, "Look at the pairs"),
            (lambda first, second: 1 - sign(first, second), "That is 1 − p"),
            (lambda first, second: sign(first, second) < 0.05, "a verdict"),
            (lambda first, second: round(sign(first, second), 3), "You rounded it"),
            (lambda first, second: 100 * sign(first, second), "percent"),
            (lambda first, second: sign(first, second) if first != second else 0.0, "p is 1"),
            (lambda first, second: 0.375, "the same for every input"),
        ],
    ),
    "13.4": Answers(
        right=[passes, passes_by_product, passes_by_draws, passes_by_counts],
        wrong=[
            (lambda n, c, k: 1 - (1 - c / n) ** k, "with replacement"),
            (lambda n, c, k: math.comb(n - c, k) / math.comb(n, k), "none of the k is right"),
            (lambda n, c, k: math.comb(c, k) / math.comb(n, k), "all k are right"),
            (lambda n, c, k: 1 - (1 - k / n) ** c, "not independently"),
            (lambda n, c, k: c / n, "chance of one draw"),
            (lambda n, c, k: min(1, k * c / n), "do not add up"),
            (lambda n, c, k: c * math.comb(n - c, k - 1) / math.comb(n, k), "exactly one right"),
            (lambda n, c, k: 1 - math.comb(n - c, k) // math.comb(n, k), "rounds down"),
            (lambda n, c, k: passes(n, n - c, k), "n − c are wrong"),
            (lambda n, c, k: passes(n, c, k - 1), "one less than k"),
            (lambda n, c, k: round(passes(n, c, k), 2), "You rounded it"),
            (lambda n, c, k: 100 * passes(n, c, k), "percent"),
            (factorials, "fewer than k are wrong"),
            (in_floats, "no float holds them"),
            (lambda n, c, k: float(c > 0), "Only k are drawn"),
            (lambda n, c, k: [passes(n, c, k)], "a list where a float is expected"),
            (lambda n, c, k: 0.5, "the same for every input"),
        ],
    ),
    "13.5": Answers(
        right=[mended, mended_by_padding, mended_in_numpy, mended_by_logsumexp],
        wrong=[
            (by_loss(lambda row, i, T: cost(row, i, 1 / T)), "Scores are divided"),
            (by_loss(lambda row, i, T: cost(row, i, 1) / T), "after the log-softmax"),
            (by_loss(lambda row, i, T: cost(row.softmax(0), i, T)), "The softmax came twice"),
            (by_loss(cost, choose=max), "Was a minus lost"),
            (by_loss(cost, of=max), "the worst question"),
            (by_loss(cost, of=statistics.median), "the median"),
            (by_loss(lambda row, i, T: cost(row, row.argmax(), T)), "that is ahead"),
            (by_loss(lambda row, i, T: float((row / T).argmax() != i)), "It never changes"),
            (by_loss(lambda row, i, T: -(row / T).softmax(0)[i].item()), "the mean chance"),
            (by_loss(lambda row, i, T: -(row / T).softmax(0)[i].log().item()), "Probabilities became 0"),
            (by_loss(lambda row, i, T: -math.log((row / T).softmax(0)[i].item())), "Probabilities became 0"),
            (by_loss(lambda row, i, T: cost(row, i, T) / len(row)), "the number of choices"),
            (by_confidence, "The mean confidence"),
            (in_place, "changes its input"),
            (all_in_one_tensor, "unlike numbers of choices"),
            (filled_with_zeros, "its score is −∞"),
            (
                lambda scores, right, temperatures: temperatures.index(mended(scores, right, temperatures)),
                "place",
            ),
            (lambda scores, right, temperatures: 1.3, "none of the `temperatures`"),
            (lambda scores, right, temperatures: None, "None"),
        ],
    ),
    "13.6": Answers(
        right=[even, even_by_counting_down, even_by_leaving_out],
        wrong=[
            (one_half, "With K choices a guess"),
            (
                lambda examples, shortcut: even(examples, lambda example: example.choices[0]),
                "seems not to be asked",
            ),
            (
                lambda examples, shortcut: [examples.index(e) for e in even(examples, shortcut)],
                "where an example is expected",
            ),
            (one_half_each, "With K choices a guess"),
            (the_latest, "the latest are left out"),
            (by_kinds, "stay in the order"),
            (by_likeness, "look at its place"),
            (at_random, "expected"),
            (pops_them, "changes its input"),
            (misses_left_over, "too many misses"),
            (lambda examples, shortcut: even(list(dict.fromkeys(examples)), shortcut), "it counts twice"),
            (lambda examples, shortcut: examples, "Those are all"),
            (
                lambda examples, shortcut: [e for e in examples if shortcut(e) != e.answer],
                "the shortcut fails",
            ),
            (
                lambda examples, shortcut: [e for e in examples if shortcut(e) == e.answer],
                "the shortcut works",
            ),
            (lambda examples, shortcut: [e.prompt for e in even(examples, shortcut)], "the prompts"),
            (lambda examples, shortcut: len(even(examples, shortcut)), "how many there are"),
            (lambda examples, shortcut: even(examples, lambda e: e.choices[0]), "expected"),
            (lambda examples, shortcut: even(examples, shortcut)[:-1], "expected"),
            (lambda examples, shortcut: [], "Nothing is ever left"),
        ],
    ),
}


class TestChapter13(ExerciseTests):
    answers = ANSWERS


def test_the_checks_examples_are_as_the_chapters():
    one, other = Asked("a", ("b", "c"), "b"), Example("a", ("b", "c"), "b")
    assert repr(one) == repr(other) and vars(one) == vars(other) and hash(one) == hash(other)


def test_the_kinds_of_examples_are_what_they_say():
    examples = build(["3 hit", "2 miss", "as no. 0"], "first_choice")
    assert examples[0] == examples[2]
    assert [len(e.choices) for e in examples] == [3, 2, 3]
    assert [e.choices[0] == e.answer for e in examples] == [True, False, True]
