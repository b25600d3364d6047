"""The check of exercise 13.5: The right temperature."""

import math

import torch

from companion.exercises.exercise import Function
from companion.exercises.settle import as_number


def best_temperature(scores, right, temperatures):
    return lowest(scores, right, temperatures)


def nats(row, right, temperature):
    """The surprise at the right choice, in float64."""
    return -(row.double() / temperature).log_softmax(-1)[right].item()


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def lowest(scores, right, temperatures, one=nats, over=mean, best=min):
    """A right answer; each part of it can be given otherwise."""

    def loss(temperature):
        found = over(one(row, i, temperature) for row, i in zip(scores, right, strict=True))
        return math.inf if found != found else found

    return best(temperatures, key=loss)


def t(*numbers):
    return torch.tensor(numbers, dtype=torch.float32)


HALVES = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]


def score_cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def drawn(n, low, high):
        return torch.randint(low, high, (n,), generator=generator).tolist()

    by_hand = [
        ([t(-3.0, -5.0)], [0], [1.0, 0.5]),
        ([t(-3.0, -5.0)], [1], [1.0, 2.0]),
        ([t(-3.0, -5.0)], [1], [3.0]),
        ([t(-1.0, -3.0), t(-1.0, -3.0), t(-3.0, -1.0), t(-1.0, -3.0)], [0, 0, 0, 1], [0.5, 1.0, 2.0, 4.0]),
        ([t(-2.0, -3.0), t(-4.0, -3.0), t(-1.0, -2.0, -3.0)], [0, 1, 0], [4.0, 2.0, 1.0, 0.5, 0.25]),
        ([t(-9.0, -1.0, -4.0), t(-2.0, -6.0)], [2, 0], HALVES),
        ([t(-9.0, -1.0, -4.0), t(-2.0, -6.0)], [2, 0], HALVES[::-1]),
        ([t(-9.0, -1.0, -4.0), t(-2.0)], [2, 0], HALVES),
        ([t(-2.0), t(-1.0, -1.5)], [0, 0], [0.5, 1.0, 2.0]),
        ([t(-50.0, -250.0), t(-240.0, -90.0), t(-60.0, -61.0)], [0, 1, 1], [0.5, 1.0, 2.0, 4.0]),
        (
            [t(-100.0, -400.0), t(-400.0, -100.0), t(-300.0, -120.0)],
            [0, 1, 0],
            [0.5, 1.0, 50.0, 100.0, 400.0],
        ),
        (
            [t(-900.0, -1000.0), t(-1000.0, -950.0), t(-920.0, -900.0)],
            [0, 1, 0],
            [0.2, 1.0, 20.0, 30.0, 99.0],
        ),
        ([t(-3.0, -1.0, -2.0, -7.0)] * 3 + [t(-1.0, -2.0)], [1, 2, 1, 0], HALVES),
        ([t(-50.0, -250.0), t(-7.0, -2.0)], [1, 1], [0.5, 1.0, 0.8]),
        ([t(-900.0, -901.0), t(-910.0, -908.0)], [0, 1], [2.0, 1.0, 0.5]),
        ([t(-150.0, -152.0), t(-150.0, -151.0, -152.0)], [0, 0], [2.0, 1.0, 0.5]),
        ([t(-1.0, -3.0)] * 3 + [t(-3.0, -1.0)], [0] * 4, [1.6, 1.82]),  # close
        ([t(-50.0, -650.0)], [1], [0.5, 0.8]),  # both chances are 0, or below 1e-300, in float64, too
        ([t(-700.0, -150.0), t(-3.0, -4.0)], [0, 0], [0.25, 0.5, 0.6]),
        ([t(-500.1, -500.0)], [1], [5.0, 0.2]),  # alike in float16
        ([t(-1.0, -4.0)] * 44 + [t(-1.0, -40.0)], [0] * 44 + [1], [0.5, 1.0, 2.0, 4.0]),
        # a choice of eight weighs as much as one of two, and one question with one choice says nothing
        ([t(*[-1.0] + [-3.0] * 7), t(-1.0, -4.0), t(-1.0, -4.0)], [3, 0, 0], [0.3, 0.6, 1.0, 1.6, 3.0, 9.0]),
        ([t(-1.0, -4.0), t(-1.0, -4.0), t(*[-1.0] + [-3.0] * 7)], [0, 1, 0], [0.3, 0.6, 1.0, 1.6, 3.0, 9.0]),
    ]
    cases = by_hand if seed == 0 else []
    for n, ideal in [(5, 2.0), (8, 0.6), (12, 1.0), (30, 3.0), (30, 0.4), (40, 1.6), (15, 5.0)]:
        scores, right = [], []
        for K in drawn(n, 2, 6):
            logits = 2 * torch.randn(K, generator=generator)
            right.append(int(torch.multinomial(logits.softmax(-1), 1, generator=generator)))
            scores.append(ideal * logits - 10)
        several = [round(ideal * 1.5**k, 2) for k in (-4, -3, -2, -1, 0, 1, 2, 3, 4)]
        several += [1.0] * (1.0 not in several)
        order = torch.randperm(len(several), generator=generator).tolist()
        cases.append((scores, right, [several[i] for i in order]))
    return [case for case in cases if clear(*case)]


def clear(scores, right, temperatures):
    """Whether no two temperatures are about equally good."""
    assert len(set(temperatures)) == len(temperatures)
    losses = sorted(
        mean(nats(row, i, each) for row, i in zip(scores, right, strict=True)) for each in set(temperatures)
    )
    return len(losses) == 1 or losses[1] - losses[0] > 1e-3 * max(1.0, losses[0])


# -- mistakes ------------------------------------------------------------------


def by(one=nats, **more):
    """A mistake made with each question: (row, right, temperature) -> its surprise."""
    return lambda scores, right, temperatures: lowest(scores, right, temperatures, one, **more)


def times(row, right, temperature):
    return nats(row, right, 1 / temperature)


def after_softmax(row, right, temperature):
    return nats(row.double().softmax(-1), right, temperature)


def not_normalized(row, right, temperature):
    return -row[right].item() / temperature


def chance(row, right, temperature):
    return -math.exp(-nats(row, right, temperature))


def chance_in_float(row, right, temperature):
    return -(row / temperature).softmax(-1)[right].item()


def squared(row, right, temperature):
    shares = (row.double() / temperature).softmax(-1)
    shares[right] -= 1
    return (shares**2).sum().item()


def by_choices(row, right, temperature):
    return nats(row, right, temperature) / len(row)


def lost_in_float(row, right, temperature):
    share = (row.float() / temperature).softmax(-1)[right].item()
    return -math.log(share) if share else math.inf


def with_exp(row, right, temperature):
    shares = (row.float() / temperature).exp()
    return -(shares[right] / shares.sum()).log().item()


def sureness(scores, right, temperatures):
    """How far the mean confidence is from the share right."""
    hits = mean(float(row.argmax() == i) for row, i in zip(scores, right, strict=True))

    def gap(temperature):
        return abs(mean((row / temperature).softmax(-1).max().item() for row in scores) - hits)

    return min(temperatures, key=gap)


def bins(scores, right, temperatures, n=10):
    """The least expected calibration error."""

    def error(temperature):
        sure = [(row / temperature).softmax(-1).max().item() for row in scores]
        hit = [float(row.argmax() == i) for row, i in zip(scores, right, strict=True)]
        groups = {}
        for s, h in zip(sure, hit, strict=True):
            groups.setdefault(min(n - 1, int(s * n)), []).append(s - h)
        return sum(abs(sum(group)) for group in groups.values())

    return min(temperatures, key=error)


def padded(value):
    """All rows as long as the longest, with a value behind the shorter ones."""

    def one(scores, right, temperatures):
        most = max(len(row) for row in scores)
        rows = [torch.cat([row, torch.full((most - len(row),), value)]) for row in scores]
        return lowest(rows, right, temperatures)

    return one


def stacked(scores, right, temperatures):
    """Only where all have equally many choices."""
    if len({len(row) for row in scores}) > 1:
        raise RuntimeError
    return lowest(scores, right, temperatures)


def flat(scores, right, temperatures):
    """One softmax over all choices of all questions."""
    starts = [sum(len(row) for row in scores[:i]) for i in range(len(scores))]
    row = torch.cat(scores)
    return lowest([row] * len(scores), [s + i for s, i in zip(starts, right, strict=True)], temperatures)


def middle(numbers):
    numbers = sorted(numbers)
    return (numbers[(len(numbers) - 1) // 2] + numbers[len(numbers) // 2]) / 2


def loss_of(scores, right, temperature):
    return mean(nats(row, i, temperature) for row, i in zip(scores, right, strict=True))


def newton(scores, right, temperatures):
    """The best of all temperatures, by halving."""
    low, high = 1e-3, 1e3
    for _ in range(50):
        a, b = low ** (2 / 3) * high ** (1 / 3), low ** (1 / 3) * high ** (2 / 3)
        if loss_of(scores, right, a) < loss_of(scores, right, b):
            high = b
        else:
            low = a
    return low


def hint(got, scores, right, temperatures):
    value = None if got.error is not None else as_number(got.value)
    if value is not None and all(abs(value - each) > 1e-5 * each for each in temperatures):
        return "That is none of the `temperatures` that were given."
    if type(got.error) is ValueError and "domain" in got.said:
        return UNDER
    return ""


MANY = "The questions have unlike numbers of choices. Take each by itself, or fill up with −∞."
FILL = "A choice that is filled in must get no probability: its score is −∞."
UNDER = "Probabilities became 0, whose log is −∞. `log_softmax` subtracts before it takes the exponential."
DIVIDE = "Scores are divided by the temperature: a high one makes all choices more alike."
CHANCE = "That is the mean chance. Its log must be taken question by question, before the mean."
WANTED = "One of the temperatures is wanted."

EXERCISE = Function(
    number="13.5",
    title="The right temperature",
    stars=2,
    wants="best_temperature(scores, right, temperatures)",
    cases=score_cases,
    oracle=best_temperature,
    hint=hint,
    mistakes=[
        (by(times), DIVIDE),
        (by(not_normalized), "Where is the softmax? Chances of all choices sum to 1."),
        (by(after_softmax), "The softmax came twice: scores are divided by the temperature, not chances."),
        (by(best=max), "That is where it is greatest. Was a minus lost? The least surprise is wanted."),
        (by(chance), CHANCE),
        (by(chance_in_float), CHANCE),
        (by(squared), "That is the squared error (Brier's score). The negative log-likelihood is wanted."),
        (by(by_choices), "You divided by the number of choices. Each question counts alike."),
        (by(over=max), "That is the worst question. The mean over all is wanted."),
        (by(over=middle), "That is the median. The mean over all is wanted."),
        (by(lost_in_float), UNDER),
        (by(with_exp), UNDER),
        (
            sureness,
            "The mean confidence was compared with the share right. The mean log-likelihood is wanted.",
        ),
        (
            bins,
            "That is the least calibration error, which jumps with its bins. The log-likelihood is wanted.",
        ),
        (padded(0.0), FILL),
        (padded(-100.0), f"{FILL} −100 is not low enough where others are lower."),
        (stacked, MANY),
        (flat, "One softmax over all questions: each has choices, and chances, of its own."),
        (
            lambda scores, right, temperatures: lowest(scores, [0] * len(scores), temperatures),
            "The right choice need not be the first: `right` says which it is.",
        ),
        (
            lambda scores, right, temperatures: lowest(scores[:1], right[:1], temperatures),
            "That is the best for the first question. The mean over all is wanted.",
        ),
        (
            lambda scores, right, temperatures: lowest(scores[-1:], right[-1:], temperatures),
            "That is the best for the last question. The mean over all is wanted.",
        ),
        (
            lambda scores, right, temperatures: temperatures.index(lowest(scores, right, temperatures)),
            f"That is its place in the list. {WANTED}",
        ),
        (
            lambda scores, right, temperatures: loss_of(scores, right, lowest(scores, right, temperatures)),
            f"That is the loss there. {WANTED}",
        ),
        (
            lambda scores, right, temperatures: [loss_of(scores, right, each) for each in temperatures],
            f"Those are the losses. {WANTED}",
        ),
        (
            lambda scores, right, temperatures: 1 / lowest(scores, right, temperatures),
            f"That is 1 over it. {WANTED}",
        ),
        (newton, f"That is the best of all that there are. {WANTED}"),
        (
            lambda scores, right, temperatures: temperatures[0],
            "That is the first, whatever the scores are. Was the share right compared? It never changes.",
        ),
        (lambda scores, right, temperatures: temperatures[-1], "That is the last, whatever the scores are."),
        (
            lambda scores, right, temperatures: min(temperatures),
            "That is always the lowest. Did you look at the choice that is ahead, or at the entropy? The "
            "surprise at the right one is wanted, hit or miss.",
        ),
        (
            lambda scores, right, temperatures: max(temperatures),
            "That is always the highest. Did you divide after the log-softmax? Divide the scores, before it.",
        ),
        (
            lambda scores, right, temperatures: min(temperatures, key=lambda each: abs(each - 1)),
            "That is the nearest to 1, whatever the scores are.",
        ),
    ],
    right="One number mends the confidence, and no answer changes: temperature keeps the order.",
)
