"""The checks of chapter 13, Evaluation."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

import torch

from companion.evaluation import Example
from companion.exercises.normalize import Record, as_number, normalize
from companion.exercises.notation import Chapter, Problem

chapter = Chapter()

# -- 13.1 ------------------------------------------------------------------
NELL = '"Where is Nell?" "In the'


def drawn_text(size, letters, rng):
    return " " * (rng.random() < 0.6) + "".join(rng.choice(letters) for _ in range(size))


def choice_cases(seed):
    rng = random.Random(seed)
    letters = "abcdefg hijé水ß🏠"
    for n in (2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6):
        choices = tuple(drawn_text(rng.randint(1, 14), letters, rng) + str(i) for i in range(n))
        log_probs = [round(-rng.uniform(0.2, 1.2) * len(choice.encode()), 3) for choice in choices]
        if rng.random() < 0.5:
            log_probs[-1] = round(log_probs[-1] / 3, 3)
        each = sorted(p / len(c.encode()) for c, p in zip(choices, log_probs, strict=True))
        if each[-1] - each[-2] > 0.01:
            right = choices[rng.randrange(n)]
            yield drawn_text(9, letters, rng), choices, right, log_probs


@chapter.function(
    "13.1 By the byte ★",
    wants="pick(example, log_probs)",
    inputs="""
        NELL, (" inn",), " inn", [-3.0]
        NELL, (" inn", " old mill"), " inn", [-3.0, -4.0]
        NELL, (" old mill", " inn"), " old mill", [-4.0, -3.0]
        NELL, (" old mill", " inn"), " inn", [-4.0, -3.0]
        NELL, (" old mill", " inn"), " old mill", [-9.5, -4.0]
        NELL, (" inn", " old hut"), " inn", [-3.0, -6.0]  # equal: 0.75 bits a byte
        NELL, (" old hut", " inn"), " old hut", [-6.0, -3.0]
        NELL, (" old hut", " inn"), " inn", [-6.0, -3.0]
        NELL, (" a b c d", " café", " abcdef"), " a b c d", [-6.0, -4.5, -8.0]  # two are equal, both ahead
        NELL, ("été", "mill"), "été", [-4.0, -3.5]  # 5 bytes, 3 letters
        NELL, ("mill", "été"), "mill", [-3.5, -4.0]
        NELL, ("水車", "windmill"), "水車", [-5.0, -8.0]  # 6 bytes, 2 letters; in UTF-16 4 bytes
        NELL, ("windmill", "水車"), "windmill", [-6.9, -5.0]
        NELL, ("🏠", "hut", "é"), "🏠", [-4.2, -3.3, -2.4]
        NELL, ("é", "ab"), "é", [-2.0, -2.1]
        NELL, ("inn", " inn"), " inn", [-3.0, -3.5]  # the space is a byte, too
        NELL, (" inn", "inn"), " inn", [-3.5, -3.0]
        NELL, ("inn", " inn."), "inn", [-3.0, -4.0]
        NELL, ("a", "abcdefghij"), "abcdefghij", [-0.4, -3.5]
        NELL, (" at the end of the long lane", " inn"), " at the end of the long lane", [-20.0, -2.0]
        NELL, ("inn", "mill"), "inn", [-3.03, -4.0]  # close
        NELL, ("inn", "mill"), "inn", [-3.003, -4.0]
        NELL, ("inn", "mill"), "inn", [-0.003001, -0.004]
        NELL, ("mill", "inn"), "mill", [-0.004001, -0.003]
        NELL, ("inn", "mill"), "inn", [-0.0003001, -0.0004]
        NELL, (" inn", " mill", " hut"), " inn", [-900.0, -9.0, -800.0]
        NELL, (" inn", " mill"), " inn", [-700.0, -900.0]  # no float holds their probabilities
        NELL, (" inn", " mill"), " inn", [-900.0, -1100.0]
        NELL, (" inn", " old mill"), " inn", [-0.5, 0.0]
    """,
    cases=choice_cases,
    call=lambda answer, prompt, choices, right, log_probs: answer(Example(prompt, choices, right), log_probs),
    shown="{f}(Example({0}, {1}, {2}), {3})",
    mistakes="""
        log_probs[i] / sizes[i] => log_probs[i]
            That is ahead by the sum. Divide each by the bytes of its choice: a long one has more to tell.
        choice.encode() => choice
            You divided by letters. Some have more than one byte: `len(choice.encode())` counts bytes.
        choice.encode() => choice.strip().encode()
            The space in front of a choice is a byte of it, too.
        max(places => max(reversed(places)
            Where two are equally far ahead, the first is wanted.
        max(places => min(places || min(reversed(places)
            Log-probabilities are negative: the greatest, nearest to 0, is the likeliest.
        log_probs[i] / sizes[i] => math.exp(log_probs[i]) ** (1 / sizes[i])
            Long or unlikely choices have probabilities that no float holds: they become 0. Divide the
            log-probabilities; the order is the same.
        log_probs[i] / sizes[i] => (log_probs[i] / sizes[i], example.choices[i])
            Where two are equally far ahead, the first is wanted. `max` of pairs goes by the letters there.
    """,
    right="The same scores, another winner: whoever reports a result says by what it was counted.",
)
def pick(example, log_probs):
    sizes = [len(choice.encode()) for choice in example.choices]
    places = range(len(sizes))
    ahead = max(places, key=lambda i: log_probs[i] / sizes[i])
    return example.choices[ahead]


chapter.number(
    "13.2 How many questions? ★",
    wants="questions_needed()",
    answer=(2.8 * 0.3 / 0.02) ** 2,
    tolerance=10,
    mistakes="""
        2.8 * 0.3 / 0.02
            That is n's square root. Equation (2) ends with a square.
        2 * (2.8 * 0.3 / 0.02) ** 2
            Twice as many: is that σ√2, as if the two were asked other questions? σ is that of the differences
            already. Or 1,764 for each model? Both answer the same ones.
        (2.8 * 0.3 / 0.02) ** 2 / 2
            Half as many: σ belongs to the differences. Nothing is to be halved.
        2.8 * 0.3**2 / 0.02**2 || 2.8 * 0.3 / 0.02**2
            All of the bracket is squared: 2.8 and σ, too.
        (2.8 / 0.02) ** 2
            Where is σ? That would do for differences that are +1 or −1 at every question.
        (0.3 / 0.02) ** 2
            Where is the 2.8? With one standard error the difference is seldom seen.
        (1.96 * 0.3 / 0.02) ** 2 || (2 * 0.3 / 0.02) ** 2
            Then one comparison in two would miss the difference. With 2.8, four of five see it.
        (2.8 * 0.3 / 2) ** 2 || 1
            Two points in a hundred are 0.02; σ and d must be in the same unit.
        (2.8 * 0.5 / 0.02) ** 2
            With σ = 0.5 of one model's answers? σ is that of the differences, 0.3.
        196
            That is the example. Here d is 0.02 and σ is 0.3.
    """,
    right="Many benchmarks have fewer: then two points of a hundred may well be luck.",
)


# -- 13.3 ------------------------------------------------------------------
def shuffled(both, first, second, neither, rng):
    """Two lists with these numbers of questions, shuffled together."""
    pairs = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    rng.shuffle(pairs)
    return [x for x, _ in pairs], [y for _, y in pairs]


def answer_cases(seed):
    rng = random.Random(seed)
    if seed == 0:
        few = (2, 3, 60, 5), (3, 5, 0, 4), (3, 3, 3, 4), (0, 2, 1, 20), (20, 1, 2, 0)
        many = (40, 6, 14, 12), (40, 14, 6, 12), (300, 28, 40, 32), (1000, 80, 81, 40)
        no_float = (10, 700, 760, 5), (10, 600, 600, 5)  # as 2 ** 1460 is none
        for counts in few + many + no_float:
            yield shuffled(*counts, rng)
    for most in (2, 5, 9, 15, 30):
        counts = [rng.randint(0, most) for _ in range(4)]
        yield shuffled(*counts, rng)


def p_and_its_log(answer, first, second):
    """Of a small p, too, it is the share that counts: so the log is compared as well."""
    found = normalize(answer(first, second))
    p = as_number(found)
    return Record("", {"": found if p is None else p, "the log of p": math.log(p) if p and p > 0 else 0.0})


def sign_hint(got, first, second):
    if type(got.error) is OverflowError:
        return (
            "With a thousand differences, 2 ** n and its binomials are larger than any float. Python's own "
            "ints are exact: divide two of them as the last step."
        )
    p = None if got.error else as_number(got.value.parts[""])
    if p is not None and p > 1 + 1e-9:
        return "A probability above 1: at an even split the two tails overlap."
    return ""


@chapter.function(
    "13.3 Only one of them right ★★",
    inputs="""
        [], [] || [1], [1] || [0], [0] || [1], [0] || [0], [1] || [1, 0], [0, 1] || [1, 1], [0, 0]
        [1, 1, 1, 1, 0, 1], [0, 0, 0, 0, 1, 1]
        [0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 0, 1]
        [1, 0, 1, 1], [1, 0, 1, 1]
        [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]
        [1] * 24, [0] * 24
        [1] * 60, [0] * 60  # 1.7e-18
        [0] * 100, [1] * 100
    """,
    cases=answer_cases,
    call=p_and_its_log,
    tolerance=1e-6,
    hint=sign_hint,
    mistakes="""
        2 * ways => ways
            That is one tail. The second could have been the better one by as much: count both.
        min(1.0, p) => p
            At an even split the two tails overlap, and twice the one is more than 1. No p is above 1.
        range(k + 1) => range(a + 1) || range(b + 1)
            Take the smaller side, whichever it is.
        range(k + 1) => range(k)
            The split that was found belongs to the tail: at least as uneven, not more uneven. Does your sum
            end one too early?
        range(k + 1) => [k]
            That is the chance of just this split. More uneven ones belong to the tail, too.
        min(a, b) => max(a, b)
            That is the tail of the larger side, from 0 on. Either sum up to the smaller count, or from the
            larger one.
        n, k = a + b, => n, k = len(first),
        pairs.count((1, 0)), pairs.count((0, 1)) => sum(first), sum(second)
            Questions on which both agree say nothing of which is better. Only those count that one alone has
            right.
        2 * ways / 2**n => math.erfc(abs(a - b) / math.sqrt(2 * n)) if n else 1.0
            That is the normal approximation. With few questions it is off; the binomial is exact.
        return => return 0.0 if n == 0 else || return 0.5 if n == 0 else || return None if n == 0 else
            Where no question differs, nothing speaks against luck: p is 1.
    """,
    right="Four to one looks like a clear win. Of equals, three pairs in eight are that far apart.",
)
def sign_test(first, second):
    pairs = list(zip(first, second, strict=True))
    a, b = pairs.count((1, 0)), pairs.count((0, 1))
    n, k = a + b, min(a, b)
    ways = sum(math.comb(n, i) for i in range(k + 1))
    p = 2 * ways / 2**n
    return min(1.0, p)


# -- 13.4 ------------------------------------------------------------------
def sample_cases(seed):
    rng = random.Random(seed)
    for most in (6, 12, 30, 100, 300):
        n = rng.randint(3, most)
        yield n, rng.randint(0, n), rng.randint(1, n)
        yield n, rng.randint(1, n // 3 + 1), rng.randint(2, n // 2 + 1)


def sample_hint(got, n, c, k):
    if type(got.error) is OverflowError:
        return (
            "Such binomials have hundreds of digits: no float holds them. Python's ints do, and `/` of two "
            "ints is right to the last digit. Or multiply k factors."
        )
    if got.error is not None:
        return "Where fewer than k are wrong, every draw holds a right one: 1." if n - c < k else ""
    found = as_number(got.value)
    if found is not None and abs(found - pass_at_k(n, c, k)) < 0.01 and k * c < n and n > 150:
        return (
            "That is near, but not it: drawn with replacement, the same sample may come twice. Or were "
            "digits lost on the way?"
        )
    return ""


@chapter.function(
    "13.4 One of k ★★",
    inputs="""
        1, 0, 1 || 1, 1, 1 || 2, 1, 1 || 2, 1, 2 || 4, 1, 2 || 4, 2, 2 || 4, 3, 2 || 4, 4, 2 || 4, 0, 2
        4, 1, 4 || 4, 0, 4 || 5, 2, 3 || 5, 3, 3 || 5, 4, 3 || 10, 3, 5 || 20, 4, 7 || 20, 14, 7
        200, 3, 100 || 200, 37, 100
        2000, 2, 1000  # binomials of 600 digits
        2000, 1, 3 || 5000, 20, 250 || 3000, 20, 1500 || 20_000, 40, 300 || 100_000, 30, 10 || 1000, 999, 1
        1000, 999, 2
    """,
    cases=sample_cases,
    tolerance=1e-7,
    hint=sample_hint,
    mistakes="""
        = 1 - (1 - c / n) ** k
            That draws with replacement: the same wrong sample may come twice. The k are drawn from n
            different ones, so each wrong one that is drawn leaves fewer.
        1 - misses / draws => misses / draws
            That is the chance that none of the k is right.
        = c / n
            That is the chance of one draw. With k draws it is larger.
        = k * c / n || min(1, k * c / n)
            Chances of several draws do not add up: more than one may be right.
        = c * math.comb(n - c, k - 1) / math.comb(n, k)
            That is the chance of exactly one right. Two right ones pass as well.
    """,
    right="Ten samples tell of five draws without drawing again: one experiment, every k up to n.",
)
def pass_at_k(n, c, k):
    draws = math.comb(n, k)
    misses = math.comb(n - c, k)
    return 1 - misses / draws


# -- 13.5 ------------------------------------------------------------------
HALVES = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]


def t(*numbers):
    return torch.tensor(numbers, dtype=torch.float32)


def score_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for n, ideal in (5, 2.0), (8, 0.6), (12, 1.0), (30, 3.0), (30, 0.4), (40, 1.6), (15, 5.0):
        scores = []
        right = []
        for K in torch.randint(2, 6, (n,), generator=generator).tolist():
            logits = 2 * torch.randn(K, generator=generator)
            right.append(int(torch.multinomial(logits.softmax(-1), 1, generator=generator)))
            scores.append(ideal * logits - 10)
        several = [round(ideal * 1.5**k, 2) for k in (-4, -3, -2, -1, 0, 1, 2, 3, 4)]
        several += [1.0] * (1.0 not in several)
        order = torch.randperm(len(several), generator=generator).tolist()
        best, second, *_ = sorted(mean_surprise(scores, right, each) for each in several)
        if second - best > 1e-3 * max(1.0, best):
            yield scores, right, [several[i] for i in order]


def temperature_hint(got, scores, right, temperatures):
    value = None if got.error is not None else as_number(got.value)
    if value is not None and all(abs(value - each) > 1e-5 * each for each in temperatures):
        return "That is none of the `temperatures` that were given."
    if type(got.error) is ValueError and "domain" in got.message:
        return (
            "Probabilities became 0, whose log is −∞. `log_softmax` subtracts before it takes the "
            "exponential."
        )
    return ""


def mean_surprise(scores, right, temperature):
    nats = []
    for row, i in zip(scores, right, strict=True):
        logs = (row.double() / temperature).log_softmax(-1)
        nats.append(-logs[i].item())
    return sum(nats) / len(nats)


@chapter.function(
    "13.5 The right temperature ★★",
    inputs="""
        [t(-3.0, -5.0)], [0], [1.0, 0.5]
        [t(-3.0, -5.0)], [1], [1.0, 2.0]
        [t(-3.0, -5.0)], [1], [3.0]
        [t(-1.0, -3.0), t(-1.0, -3.0), t(-3.0, -1.0), t(-1.0, -3.0)], [0, 0, 0, 1], [0.5, 1.0, 2.0, 4.0]
        [t(-2.0, -3.0), t(-4.0, -3.0), t(-1.0, -2.0, -3.0)], [0, 1, 0], [4.0, 2.0, 1.0, 0.5, 0.25]
        [t(-9.0, -1.0, -4.0), t(-2.0, -6.0)], [2, 0], HALVES
        [t(-9.0, -1.0, -4.0), t(-2.0, -6.0)], [2, 0], HALVES[::-1]
        [t(-9.0, -1.0, -4.0), t(-2.0)], [2, 0], HALVES
        [t(-2.0), t(-1.0, -1.5)], [0, 0], [0.5, 1.0, 2.0]
        [t(-50.0, -250.0), t(-240.0, -90.0), t(-60.0, -61.0)], [0, 1, 1], [0.5, 1.0, 2.0, 4.0]
        [t(-100.0, -400.0), t(-400.0, -100.0), t(-300.0, -120.0)], [0, 1, 0], [0.5, 1.0, 50.0, 100.0, 400.0]
        [t(-900.0, -1000.0), t(-1000.0, -950.0), t(-920.0, -900.0)], [0, 1, 0], [0.2, 1.0, 20.0, 30.0, 99.0]
        [t(-3.0, -1.0, -2.0, -7.0)] * 3 + [t(-1.0, -2.0)], [1, 2, 1, 0], HALVES
        [t(-50.0, -250.0), t(-7.0, -2.0)], [1, 1], [0.5, 1.0, 0.8]
        [t(-900.0, -901.0), t(-910.0, -908.0)], [0, 1], [2.0, 1.0, 0.5]
        [t(-150.0, -152.0), t(-150.0, -151.0, -152.0)], [0, 0], [2.0, 1.0, 0.5]
        [t(-1.0, -3.0)] * 3 + [t(-3.0, -1.0)], [0] * 4, [1.6, 1.82]  # close
        [t(-50.0, -650.0)], [1], [0.5, 0.8]  # both chances are 0, or below 1e-300, in float64, too
        [t(-700.0, -150.0), t(-3.0, -4.0)], [0, 0], [0.25, 0.5, 0.6]
        [t(-500.1, -500.0)], [1], [5.0, 0.2]  # alike in float16
        [t(-1.0, -4.0)] * 44 + [t(-1.0, -40.0)], [0] * 44 + [1], [0.5, 1.0, 2.0, 4.0]
        # a choice of eight weighs as much as one of two, and one question with one choice says nothing
        [t(*[-1.0] + [-3.0] * 7), t(-1.0, -4.0), t(-1.0, -4.0)], [3, 0, 0], [0.3, 0.6, 1.0, 1.6, 3.0, 9.0]
        [t(-1.0, -4.0), t(-1.0, -4.0), t(*[-1.0] + [-3.0] * 7)], [0, 1, 0], [0.3, 0.6, 1.0, 1.6, 3.0, 9.0]
    """,
    cases=score_cases,
    hint=temperature_hint,
    helpers=(mean_surprise,),
    mistakes="""
        row.double() / temperature => row.double() * temperature
            Scores are divided by the temperature: a high one makes all choices more alike.
        .log_softmax(-1) =>
            Where is the softmax? Chances of all choices sum to 1.
        row.double() / temperature => row.double().softmax(-1) / temperature
            The softmax came twice: scores are divided by the temperature, not chances.
        min(temperatures => max(temperatures
            That is where it is greatest. Was a minus lost? The least surprise is wanted.
        log_softmax => softmax
            That is the mean chance. Its log must be taken question by question, before the mean.
        (row.double() / temperature).log_softmax(-1) => (row / temperature).softmax(-1).log()
            Probabilities became 0, whose log is −∞. `log_softmax` subtracts before it takes the exponential.
        = best_temperature(torch.nn.utils.rnn.pad_sequence(scores, batch_first=True), right, temperatures)
            A choice that is filled in must get no probability: its score is −∞.
        = best_temperature(torch.stack(scores), right, temperatures)
            The questions have unlike numbers of choices. Take each by itself, or fill up with −∞.
        = min(temperatures)
            That is always the lowest. Did you look at the choice that is ahead, or at the entropy? The
            surprise at the right one is wanted, hit or miss.
        = max(temperatures)
            That is always the highest. Did you divide after the log-softmax? Divide the scores, before it.
    """,
    right="One number mends the confidence, and no answer changes: temperature keeps the order.",
)
def best_temperature(scores, right, temperatures):
    return min(temperatures, key=lambda each: mean_surprise(scores, right, each))


# -- 13.6 ------------------------------------------------------------------
PLACES = ("inn", "mill", "barn", "lane", "pond", "hill")


def last_named(example):
    return max(example.choices, key=example.prompt.rindex)


def first_choice(example):
    return example.choices[0]


def first_named(example):
    return min(example.choices, key=example.prompt.index)


SHORTCUTS = {"last_named": last_named, "first_choice": first_choice, "first_named": first_named}

ALIKE = {
    "2 hit (four of fourteen, four)": Example("41: fourteen, four. Where?", ("four", "fourteen"), "four"),
    "2 miss (four of fourteen, four)": Example(
        "42: fourteen, four. Where?", ("four", "fourteen"), "fourteen"
    ),
    "2 miss (fourteen of four, fourteen)": Example(
        "43: four, fourteen. Where?", ("fourteen", "four"), "four"
    ),
    "2 miss (windmill of windmill, mill)": Example(
        "44: windmill, mill. Where?", ("mill", "windmill"), "mill"
    ),
    "2 hit (mill of inn, mill)": Example("45: inn, mill, barn. Where?", ("inn", "mill"), "mill"),
    "2 miss (barn of mill, barn; same prompt)": Example(
        "45: inn, mill, barn. Where?", ("mill", "barn"), "mill"
    ),
    "2 hit (barn of inn, barn; same prompt)": Example("45: inn, mill, barn. Where?", ("inn", "barn"), "barn"),
}
"""One choice is part of another, or prompts are alike. The shortcut is last_named; for WIND first_named."""
HIT, SHORT, LONG, WIND, MILL, BARN, OTHER = ALIKE

BY_HAND = [
    [],
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
TWICE_OR_ALIKE = [  # with last_named
    ["2 hit", "as no. 0", "2 miss"],
    ["2 hit", "2 miss", "as no. 0", "as no. 1", "as no. 0", "2 hit"],
    ["3 hit", "3 miss", "as no. 1", "as no. 0", "as no. 1", "2 hit", "2 miss", "as no. 1"],
    [LONG, HIT],
    [HIT, SHORT],
    [LONG, SHORT],
    [MILL, BARN],
    [BARN, MILL],
    [BARN, OTHER, "2 miss", MILL],
]


def example_cases(seed):
    rng = random.Random(seed)
    for kinds in BY_HAND:
        yield kinds, [*SHORTCUTS][seed]
    if seed == 0:
        for kinds in TWICE_OR_ALIKE:
            yield kinds, "last_named"
        yield ["2 hit", WIND], "first_named"
    for n, most, shortcut in (12, 3, "last_named"), (25, 4, "first_choice"), (60, 5, "first_named"):
        for share in (0.2, 0.8):
            drawn = [f"{rng.randint(2, most)} {'hit' if rng.random() < share else 'miss'}" for _ in range(n)]
            yield drawn, shortcut


def build(kinds, shortcut):
    """Examples: "3 hit" is one with three choices, where the shortcut is right; "as no. 0": once more."""
    rng = random.Random(len(kinds))
    examples = []
    for kind in kinds:
        first, *_, last = kind.split()
        if kind in ALIKE:
            examples.append(ALIKE[kind])
        elif first == "as":
            examples.append(examples[int(last)])
        else:
            examples.append(drawn_example(int(first), last == "hit", shortcut, rng))
    return examples


def drawn_example(K, hit, shortcut, rng):
    """An example with K choices, for which the shortcut is right, or is not."""
    choices = rng.sample(PLACES, K)
    named = rng.sample(choices, K) + [rng.choice(choices)] * rng.randint(0, 1)
    prompt = f"{rng.randint(10, 99)} went by " + ", ".join(named) + ". Where?"
    guess = SHORTCUTS[shortcut](Example(prompt, tuple(choices), ""))
    answer = guess if hit else rng.choice([choice for choice in choices if choice != guess])
    return Example(prompt, tuple(choices), answer)


def build_and_balance(answer, kinds, shortcut):
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
    if not isinstance(one, Example) or one not in examples:
        return one
    i = examples.index(one)
    return Record("example", {"": f"no. {i}: {kinds[i]}"})


def balance_hint(got, kinds, shortcut):
    value = got.value if got.error is None else None
    if not isinstance(value, list) or not all(
        isinstance(each, Record) and each.name == "example" for each in value
    ):
        return ""
    right = build_and_balance(balanced, kinds, shortcut)
    if sorted(each.parts[""] for each in value) == sorted(each.parts[""] for each in right):
        return "The examples are to stay in the order in which they came."
    if len(value) > len(right):
        return "Those are too many to be balanced, among the questions of each number of choices."
    return ""


@chapter.function(
    "13.6 Without the shortcut ★★★",
    cases=example_cases,
    call=build_and_balance,
    order=lambda args: len(args[0]),
    hint=balance_hint,
    shown="{f}(examples, shortcut), each with its number of choices, and hit where {1} is right: {0}",
    mistakes="""
        heaps[K][hit] => heaps[0][hit] ; len(misses) // (K - 1) => len(misses) ; n * (K - 1) => n
            With K choices a guess is right once in K. A shortcut that is right in half of the questions with
            three choices is still better than a guess: one hit goes with K − 1 misses.
        heaps[K][hit] => heaps[0][hit] ; for K, (misses, hits) in => for _, (misses, hits) in
            Balance each number of choices by itself: among 2 and among 3, other shares are luck.
        - n = min(len(hits), len(misses) // (K - 1))
        + n = min(min(len(hits), len(misses) // (K - 1)) for K, (misses, hits) in heaps.items())
            Numbers of choices need not be equally frequent: keep as many of each as you can.
        hits[:n] + misses[: n * (K - 1)] => hits[len(hits) - n :] + misses[len(misses) - n * (K - 1) :]
            Of what is too many, the latest are left out: the first ones stay.
        = sorted(it, key=lambda example: shortcut(example) != example.answer)
            The examples are to stay in the order in which they came.
        len(misses) // (K - 1) => len(misses) // K ; n * (K - 1) => n * K
            One hit in K questions: that leaves K − 1 misses a hit, not K.
        misses[: n * (K - 1)] => misses
            There may be too many misses as well. Leave out what is too many of either. Yours keeps all of
            them.
        len(misses) // (K - 1) => -(-len(misses) // (K - 1)) || round(len(misses) / (K - 1))
            A hit needs all of its K − 1 misses: what is left over of these is left out, too.
        = [example for example in examples if example in it]
            An example may come twice: look at its place, not whether one like it was kept.
        = [example for example in examples if shortcut(example) != example.answer]
            Those are the ones where the shortcut fails. It would then be worse than a guess, and who knows of
            it could do the reverse.
        shortcut(example) == example.answer => example.answer in shortcut(example)
        shortcut(example) == example.answer => shortcut(example) in example.answer
            One choice may be part of another: the shortcut's must be equal to the answer.
    """,
    right="On such a test the shortcut is worth a guess. What a model scores above that has another reason.",
)
def balanced(examples, shortcut):
    heaps = defaultdict(lambda: ([], []))
    for place, example in enumerate(examples):
        K = len(example.choices)
        hit = shortcut(example) == example.answer
        heaps[K][hit].append(place)
    kept = []
    for K, (misses, hits) in heaps.items():
        n = min(len(hits), len(misses) // (K - 1))
        kept += hits[:n] + misses[: n * (K - 1)]
    return [examples[place] for place in sorted(kept)]


# -- 13.7 ------------------------------------------------------------------
def rows_of_words(seed):
    rng = random.Random(seed)
    for n_rows, kinds in [
        (4, ["name", "other"]),
        (9, ["name", "thing", "other"]),
        (25, ["a", "b", "c", "d"]),
    ]:
        rows = []
        for _ in range(n_rows):
            kind = rng.choice(kinds)
            unavoidable = rng.choice([0.0, rng.uniform(1, 5)])
            losses = [max(0.0, unavoidable + rng.uniform(-0.5, 1.5)) for _ in range(2)]
            rows.append((kind, *losses, unavoidable))
        yield (rows + [(rng.choice(kinds), 30.0, 25.0, 2.0)],)  # so that no sum is near 0


@chapter.function(
    "13.7 Better at what? ★★",
    inputs="""
        [("name", 5.0, 6.0, 4.0)]
        [("name", 5.0, 6.0, 4.0), ("other", 1.0, 2.0, 0.0)]
        [("name", 4.5, 3.5, 4.0), ("name", 5.5, 6.0, 4.0)]
        [("name", 5.0, 6.0, 4.0), ("other", 1.0, 0.25, 0.0), ("other", 1.0, 0.25, 0.0), ("other", 1.0, 0.5, 0.0)]
        [("other", 1.0, 1.0, 0.0), ("name", 3.0, 7.0, 4.0), ("other", 3.0, 1.0, 0.0)]
        [("other", 1.0, 1.0, 0.0), ("name", 4.5, 7.0, 4.0), ("other", 3.0, 1.0, 0.0), ("name", 9.0, 4.5, 2.0)]
    """,
    cases=rows_of_words,
    mistakes="""
        loss_a - unavoidable => loss_a ; loss_b - unavoidable => loss_b
            You averaged the losses. They hold bits that no model can avoid, and a kind that is hard to guess
            for everyone looks like a weakness of both models. Subtract the perfect reader's surprise first.
        - share_a = sum(of_a) / total_a
        - share_b = sum(of_b) / total_b
        + share_a = sum(of_a) / len(of_a) / sum(sum(a) / len(a) for a, _ in kinds.values())
        + share_b = sum(of_b) / len(of_b) / sum(sum(b) / len(b) for _, b in kinds.values())
            Your shares come from the means of the kinds, so a kind of two words counts as much as a kind of
            two hundred. A share is a sum of bits divided by a sum of bits.
        sum(of_a) / len(of_a) => sum(of_a) / len(rows) ; sum(of_b) / len(of_b) => sum(of_b) / len(rows)
            You divided the bits of a kind by the number of all words. The mean of a kind is over its own.
        loss_a - unavoidable => max(0.0, loss_a - unavoidable) ; loss_b - unavoidable => max(0.0, loss_b - unavoidable)
            You raised negative bits to 0. On a single word a model may be lucky, and this luck belongs to the
            mean. Without it every model looks worse than it is.
        sum(of_a) / total_a => len(of_a) / len(rows) ; sum(of_b) / total_b => len(of_b) / len(rows)
            That is the share of the words. Wanted is the share of the avoidable bits.
    """,
    right="The loss says which model is better, its avoidable part by kind says at what.",
)
def by_kind(rows):
    kinds = {}
    for kind, loss_a, loss_b, unavoidable in rows:
        of_a, of_b = kinds.setdefault(kind, ([], []))
        of_a.append(loss_a - unavoidable)
        of_b.append(loss_b - unavoidable)
    total_a = sum(sum(of_a) for of_a, _ in kinds.values())
    total_b = sum(sum(of_b) for _, of_b in kinds.values())
    found = {}
    for kind, (of_a, of_b) in kinds.items():
        share_a = sum(of_a) / total_a
        share_b = sum(of_b) / total_b
        found[kind] = (sum(of_a) / len(of_a), sum(of_b) / len(of_b), share_a, share_b)
    return found
