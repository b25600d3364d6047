"""The check of exercise 15.6: One number for confidence."""

import math
import random

import torch

from companion.exercises.exercise import Function
from companion.exercises.settle import Record, as_number, settle


def mean_surprise(scores, labels, t):
    logs = (scores.double() / t).log_softmax(-1)
    return -logs[torch.arange(len(labels)), labels].mean().item()


def best_temperature(scores, labels):
    """Where the slope in 1 / T is 0: the mean score, as softmax weighs it, is that of the labels."""
    scores, low, high = scores.double(), 1e-2, 1e2
    wanted = scores.gather(1, labels[:, None]).mean().item()
    for _ in range(50):
        middle = math.sqrt(low * high)
        if ((scores * middle).softmax(-1) * scores).sum(-1).mean().item() < wanted:
            low = middle
        else:
            high = middle
    return 1 / math.sqrt(low * high)


def sure(gap, rows=4, wrong=1):
    """Rows of the scores gap and 0, of which the last ones are wrong. T is gap / log(rights / wrongs)."""
    return torch.tensor([[gap, 0.0]] * rows), torch.tensor([0] * (rows - wrong) + [1] * wrong)


def cases(seed):
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    once = torch.tensor([[100.0, 0.0]] * 300 + [[4000.0, 0.0]], dtype=torch.float64)
    shifted = torch.tensor([[1000.3, 1000.0]] * 4, dtype=torch.float64)
    hand = [
        sure(2.0),
        sure(0.5, rows=10),
        sure(0.02),
        sure(0.05),
        sure(40.0),
        sure(100.0),
        (torch.tensor([[60.0, 0.0, 0.0]] * 4), torch.tensor([0, 0, 0, 2])),
        (shifted, torch.tensor([0, 0, 0, 1])),
        sure(500.0, rows=1000),  # a share of exp(-500 / T) is 0 in float32
        (once, torch.tensor([0] * 300 + [1])),  # and of exp(-4000 / T) in float64
    ]
    made = hand if seed == 0 else []
    for n, k, truth in ((60, 2, 4.0), (80, 3, 0.4), (90, 4, 1.7)):
        scores = torch.randn(n, k, generator=generator, dtype=torch.float64) * rng.uniform(1.5, 3)
        labels = torch.multinomial((scores / truth).softmax(-1), 1, generator=generator)[:, 0]
        made.append((scores, labels))
    return made


def relatively(answer, scores, labels):
    """Its T, and as a share of the right one: for a T below 1 the tolerance is one of the share, too."""
    right = best_temperature(scores, labels)
    found = settle(answer(scores, labels))
    number = as_number(found)
    if number is None:
        return Record("", {"": found, "your T over the right one": 1.0})
    return Record("", {"": number, "your T over the right one": number / right})


def times(change):
    return lambda scores, labels: change(best_temperature(scores, labels), scores, labels)


def grid(values):
    def wrong(scores, labels):
        return min(values, key=lambda t: mean_surprise(scores, labels, t))

    return wrong


def most_right(scores, labels):
    right = (scores.argmax(-1) == labels).double().mean().item()
    return min((x / 100 for x in range(5, 1000)), key=lambda t: abs(
        (scores.double() / t).softmax(-1).max(-1).values.mean().item() - right))  # fmt: skip


def within(low, high):
    return times(lambda t, *_: max(low, min(high, t)))


def hint(got, scores, labels):
    found = got.value.parts[""] if got.error is None else None
    number, right = as_number(found), best_temperature(scores, labels)
    if number is None or not 0 < number < math.inf:
        return ""
    if number < 0.06 < right:
        return LOW
    if abs(number - right) < 0.06 or 0.9 < number / right < 1.1:
        return NEAR
    if not 0.15 < right < 6:
        return "T may be anywhere between 0.01 and 100, and scores of any size, in float64, too."
    return ""


LOW = (
    "So low? The surprise at the label is wanted, not at the class with the highest score. And where a "
    "probability became 0, its log is −∞: take `log_softmax`, of float64."
)
NEAR = "Nearly. T is to be found to within a thousandth of itself, also where it is 0.02."
ROUNDED = "Rounded? T is to be found to within a thousandth of itself, also where it is 0.02."
EXERCISE = Function(
    number="15.6",
    title="One number for confidence",
    stars=3,
    wants="best_temperature(scores, labels)",
    cases=cases,
    oracle=best_temperature,
    call=relatively,
    hint=hint,
    tolerance=1.01e-3,
    mistakes=[
        (lambda scores, labels: 1.0, "With 1 the scores stay as they are."),
        (
            times(lambda t, *_: 1 / t),
            "That is what to multiply the scores by. T is what they are divided by.",
        ),
        (times(lambda t, *_: math.log(t)), "That is the logarithm of T."),
        (
            times(lambda t, s, y: mean_surprise(s, y, t)),
            "That is the least surprise itself. Where does it lie?",
        ),
        (times(lambda t, *_: math.sqrt(t)), "That is the root of T."),
        *[(times(lambda t, *_, n=digits: round(t, n)), ROUNDED) for digits in (1, 2, 3)],
        *[(times(lambda t, *_, n=digits: float(f"{t:.{n}g}")), ROUNDED) for digits in (1, 2, 3)],
        (grid([0.5, 1, 1.5, 2, 3, 5]), "It should lie closer: go on between the best ones."),
        (within(0.001, 1), "T may be above 1, too: where the scores are too sure."),
        (within(1, 1000), "T may be below 1, too: where the scores are not sure enough."),
        (
            most_right,
            "You made the mean confidence equal to the share right. The least mean surprise is wanted.",
        ),
        (
            lambda scores, labels: scores.double() / best_temperature(scores, labels),
            "T is wanted, one number.",
        ),
        (
            lambda scores, labels: best_temperature(scores, scores.argmax(-1)),
            "The surprise at the label is wanted, not at the class with the highest score.",
        ),
    ],
    right="One number, found on texts that were held out, mends most of a classifier's confidence; and as it "
    "changes no order of the scores, not one answer.",
)
