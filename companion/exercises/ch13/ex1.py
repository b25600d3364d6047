"""The check of exercise 13.1: By the byte."""

import math
import random

from companion.exercises.ch13.shared import Asked
from companion.exercises.exercise import Function


def pick(example, log_probs):
    return best(example, log_probs)


def best(example, log_probs, length=lambda choice: len(choice.encode()), over=None, last=False, sign=1):
    """A right answer; each part of it can be given otherwise."""
    over = over or (lambda log_prob, size: log_prob / size)
    scores = [
        sign * over(log_prob, max(1, length(choice)))
        for choice, log_prob in zip(example.choices, log_probs, strict=True)
    ]
    top = max(scores)
    at = len(scores) - 1 - scores[::-1].index(top) if last else scores.index(top)
    return example.choices[at]


def asked(*choices, answer=0, prompt='"Where is Nell?" "In the'):
    """An input without its scores: prompt, choices, answer."""
    return prompt, choices, choices[answer]


def one(size, letters, rng):
    return " " * (rng.random() < 0.6) + "".join(rng.choice(letters) for _ in range(size))


def choice_cases(seed):
    rng = random.Random(seed)
    by_hand = [
        (asked(" inn"), [-3.0]),
        (asked(" inn", " old mill"), [-3.0, -4.0]),
        (asked(" old mill", " inn"), [-4.0, -3.0]),
        (asked(" old mill", " inn", answer=1), [-4.0, -3.0]),
        (asked(" old mill", " inn"), [-9.5, -4.0]),
        (asked(" inn", " old hut"), [-3.0, -6.0]),  # equal: 0.75 bits a byte
        (asked(" old hut", " inn"), [-6.0, -3.0]),
        (asked(" old hut", " inn", answer=1), [-6.0, -3.0]),
        (asked(" a b c d", " café", " abcdef"), [-6.0, -4.5, -8.0]),  # two are equal, both ahead
        (asked("été", "mill"), [-4.0, -3.5]),  # 5 bytes, 3 letters
        (asked("mill", "été"), [-3.5, -4.0]),
        (asked("水車", "windmill"), [-5.0, -8.0]),  # 6 bytes, 2 letters; in UTF-16 4 bytes
        (asked("windmill", "水車"), [-6.9, -5.0]),
        (asked("🏠", "hut", "é"), [-4.2, -3.3, -2.4]),
        (asked("é", "ab"), [-2.0, -2.1]),
        (asked("inn", " inn", answer=1), [-3.0, -3.5]),  # the space is a byte, too
        (asked(" inn", "inn"), [-3.5, -3.0]),
        (asked("inn", " inn."), [-3.0, -4.0]),
        (asked("a", "abcdefghij", answer=1), [-0.4, -3.5]),
        (asked(" at the end of the long lane", " inn"), [-20.0, -2.0]),
        (asked("inn", "mill"), [-3.03, -4.0]),  # close
        (asked("inn", "mill"), [-3.003, -4.0]),
        (asked("inn", "mill"), [-0.003001, -0.004]),
        (asked("mill", "inn"), [-0.004001, -0.003]),
        (asked("inn", "mill"), [-0.0003001, -0.0004]),
        (asked(" inn", " mill", " hut"), [-900.0, -9.0, -800.0]),
        (asked(" inn", " mill"), [-700.0, -900.0]),  # no float holds their probabilities
        (asked(" inn", " mill"), [-900.0, -1100.0]),
        (asked(" inn", " old mill"), [-0.5, 0.0]),
    ]
    cases = by_hand if seed == 0 else []
    letters = "abcdefg hijé水ß🏠"
    for n in (2, 3, 4, 5, 6):
        for _ in range(3):
            choices = tuple(one(rng.randint(1, 14), letters, rng) + str(i) for i in range(n))
            log_probs = [round(-rng.uniform(0.2, 1.2) * len(choice.encode()), 3) for choice in choices]
            if rng.random() < 0.5:
                log_probs[-1] = round(log_probs[-1] / 3, 3)
            each = sorted(p / len(c.encode()) for c, p in zip(choices, log_probs, strict=True))
            if each[-1] - each[-2] > 0.01:
                cases.append(
                    (asked(*choices, answer=rng.randrange(n), prompt=one(9, letters, rng)), log_probs)
                )
    return [(*example, log_probs) for example, log_probs in cases]


def try_on(answer, prompt, choices, right, log_probs):
    return answer(Asked(prompt, choices, right), log_probs)


# -- mistakes ------------------------------------------------------------------


def by(length, **more):
    return lambda example, log_probs: best(example, log_probs, length, **more)


def over(change):
    return lambda example, log_probs: best(example, log_probs, over=change)


def of_probabilities(example, log_probs):
    return best(example, [math.exp(p) for p in log_probs])


def of_roots(example, log_probs):
    """Probabilities, the root taken: the same order, until they are 0."""
    return best(example, log_probs, over=lambda log_prob, size: math.exp(log_prob) ** (1 / size))


def by_name(example, log_probs):
    """max of pairs: of equals the one whose letters come last."""
    return max((p / len(c.encode()), c) for c, p in zip(example.choices, log_probs, strict=True))[1]


def with_prompt(example, log_probs):
    return best(example, log_probs, lambda choice: len((example.prompt + choice).encode()))


def by_score(example, log_probs):
    return max(p / len(c.encode()) for c, p in zip(example.choices, log_probs, strict=True))


SUM = "That is ahead by the sum. Divide each by the bytes of its choice: a long one has more to tell."
LETTERS = "You divided by letters. Some have more than one byte: `len(choice.encode())` counts bytes."
SPACE = "The space in front of a choice is a byte of it, too."
TIE = "Where two are equally far ahead, the first is wanted."
LEAST = "Log-probabilities are negative: the greatest, nearest to 0, is the likeliest."

EXERCISE = Function(
    number="13.1",
    title="By the byte",
    stars=1,
    wants="pick(example, log_probs)",
    cases=choice_cases,
    oracle=pick,
    call=try_on,
    shown="{f}(Example({0}, {1}, {2}), {3})",
    mistakes=[
        (by(lambda choice: 1), SUM),
        (by(lambda choice: 1, last=True), SUM),
        (by(len), LETTERS),
        (by(len, last=True), LETTERS),
        (by(lambda choice: len(choice.strip())), f"{LETTERS} And {SPACE[0].lower()}{SPACE[1:]}"),
        (by(lambda choice: len(choice.strip().encode())), SPACE),
        (by(lambda choice: len(choice.lstrip().encode())), SPACE),
        (
            by(lambda choice: len(choice.encode("utf-16-le"))),
            "That is UTF-16. `choice.encode()` is UTF-8, as everywhere in this course.",
        ),
        (
            by(lambda choice: len(choice.encode("utf-16"))),
            "That is UTF-16. `choice.encode()` is UTF-8, as everywhere in this course.",
        ),
        (
            by(lambda choice: len(choice.encode("ascii", "ignore"))),
            "Letters outside ASCII are part of the choice: `choice.encode()` has all bytes.",
        ),
        (by(lambda choice: len(choice.split())), "You divided by words. Bytes are wanted."),
        (by(lambda choice: len(choice.encode()), last=True), TIE),
        (by(lambda choice: len(choice.encode()), sign=-1), LEAST),
        (by(lambda choice: len(choice.encode()), sign=-1, last=True), LEAST),
        (by(lambda choice: 1, sign=-1), f"{LEAST} And divide each by the bytes of its choice."),
        (over(lambda log_prob, size: log_prob * size), "Divide by the bytes, do not multiply."),
        (
            over(lambda log_prob, size: log_prob / size**0.5),
            "You divided by the root of the number of bytes.",
        ),
        (
            of_probabilities,
            "You divided probabilities by bytes. It is the log-probability that grows with the length.",
        ),
        (
            of_roots,
            "Long or unlikely choices have probabilities that no float holds: they become 0. Divide the "
            "log-probabilities; the order is the same.",
        ),
        (by_name, f"{TIE} `max` of pairs goes by the letters there."),
        (with_prompt, "The prompt's bytes are in no choice: only the choice's count."),
        (lambda example, log_probs: example.answer, "That is the right choice, not the one that is ahead."),
        (
            lambda example, log_probs: max(example.choices, key=lambda choice: len(choice.encode())),
            "That is the longest choice. Where do the scores come in?",
        ),
        (
            lambda example, log_probs: min(example.choices, key=lambda choice: len(choice.encode())),
            "That is the shortest choice. Where do the scores come in?",
        ),
        (lambda example, log_probs: example.choices[0], "That is the first choice, whatever the scores are."),
        (
            lambda example, log_probs: example.choices.index(best(example, log_probs)),
            "That is its place among the choices. The choice itself is wanted.",
        ),
        (
            lambda example, log_probs: best(example, log_probs).strip(),
            "The choice is wanted as it is in `choices`, with the space that it begins with.",
        ),
        (by_score, "That is the score. The choice that has it is wanted."),
        (
            lambda example, log_probs: (best(example, log_probs), by_score(example, log_probs)),
            "The choice alone is wanted, without its score.",
        ),
        (
            lambda example, log_probs: best(example, log_probs) == example.answer,
            "That is whether it is right. The choice itself is wanted.",
        ),
        (
            lambda example, log_probs: float(best(example, log_probs) == example.answer),
            "That is whether it is right. The choice itself is wanted.",
        ),
    ],
    right="The same scores, another winner: whoever reports a result says by what it was counted.",
)
