"""The check of exercise 12.5: Where the loss is least."""

import math
import random

import numpy as np

from companion.exercises.exercise import Function
from companion.exercises.settle import as_number


def best_size(rows):
    p, q, x, centre = parabola(rows)
    bottom = centre - q / (2 * p) if p else math.inf
    return math.exp(bottom) if p > 0 and min(x) <= bottom <= max(x) else None


def parabola(rows, log=math.log):
    """(p, q, logs, centre): of p u² + q u + r through the rows by least squares, u = log N - centre."""
    x = [log(size) for size, _ in rows]
    centre = sum(x) / len(x)
    u = np.array([each - centre for each in x])
    A = np.stack([u**2, u, np.ones_like(u)], axis=1)
    (p, q, _), *_ = np.linalg.lstsq(A, np.array([loss for _, loss in rows]), rcond=None)
    return float(p), float(q), x, centre


M = 10**6


TEN_AND_MORE = (3.0, 2.8, 2.7, 2.5, 2.6, 2.5, 2.4, 2.5, 2.5, 2.4, 2.6, 2.9, 3.0, 3.3)


def valley(sizes, bottom, p=0.1):
    """Rows that lie on a parabola, with its bottom at a log N."""
    return [(size, 2 + p * (math.log(size) - bottom) ** 2) for size in sizes]


def row_cases(seed):
    rng = random.Random(seed)
    by_hand = [
        [(M, 3.0), (10 * M, 2.0), (100 * M, 2.0)],
        [(100 * M, 3.0), (10 * M, 2.0), (M, 3.0)],
        [(M, 2.0), (10 * M, 3.0), (100 * M, 2.5)],  # a hill
        [(M, 2.5), (10 * M, 3.0), (100 * M, 2.0)],
        [(M, 4.0), (10 * M, 3.0), (100 * M, 2.5)],  # still falling
        [(M, 2.5), (10 * M, 3.0), (100 * M, 4.0)],  # falling no more
        [(M, 4.0), (10 * M, 3.2), (100 * M, 2.0)],  # steeper and steeper
        [(2 * M, 3.2), (M, 4.0), (3 * M, 2.9)],  # its bottom lies outside over N, too
        [(M, 3.0), (2 * M, 2.0), (M, 3.5), (4 * M, 2.5)],  # one size twice
        [(2 * M, 2.2), (M, 3.0), (4 * M, 2.6), (2 * M, 2.0), (8 * M, 3.6), (2 * M, 2.4)],
        [(M, 2.6), (2 * M, 2.0), (4 * M, 2.5), (8 * M, 2.5), (16 * M, 3.5)],  # the bottom is not by the best
        [(4 * M, 2.9), (2 * M, 3.0), (M, 3.4), (8 * M, 2.95)],
        [(M, 2.0), (2 * M, 1.0), (64 * M, 7.0)],
        [(64 * M, 7.0), (2 * M, 1.0), (M, 2.0)],
        [(M, 3.0), (2 * M, 2.9), (4 * M, 2.75), (8 * M, 2.76), (16 * M, 2.74)],  # the last is best, by chance
        [(16 * M, 3.0), (8 * M, 2.9), (4 * M, 2.75), (2 * M, 2.76), (M, 2.74)],
    ]
    for near in (0.05, 0.005):  # the bottom is just seen, or just not
        by_hand += [valley([M, 10 * M, 100 * M], math.log(M) + near)]
        by_hand += [valley([M, 10 * M, 100 * M], math.log(M) - near)]
        by_hand += [valley([M, 10 * M, 100 * M], math.log(100 * M) + near)]
        by_hand += [valley([M, 10 * M, 100 * M], math.log(100 * M) - near)]
    by_hand += [
        [(M, 3.0), (2 * M, 2.0), (2 * M, 2.0), (2 * M, 2.0), (4 * M, 2.5), (8 * M, 3.6)],  # rows repeated
        [(M, 3.0), (2 * M, 2.0), (4 * M, 2.5), (8 * M, 3.6), (8 * M, 3.6)],
        valley([10, 1000, 100_000], math.log(50), 1.2),
        [(n * M, loss) for n, loss in zip(range(1, 15), TEN_AND_MORE, strict=True)],
    ]
    cases = by_hand if seed == 0 else []
    for n, inside in [(3, True), (5, True), (6, True), (9, True), (4, False), (5, False)]:
        low = rng.uniform(12, 18)
        x = sorted(low + rng.uniform(0, 7) for _ in range(n - 2))
        x = [low, *x, low + 7] if n > 3 else [low, low + 3, low + 7]
        bottom = low + rng.uniform(1.5, 5.5) if inside else low + rng.choice([-2, 9])
        depth, level = rng.uniform(0.02, 0.06), rng.uniform(1.5, 3.5)
        noise = 0.005 if n > 3 else 0.0
        sizes = [round(math.exp(each)) for each in x]
        rows = [
            (size, round(level + depth * (math.log(size) - bottom) ** 2 + rng.gauss(0, noise), 6))
            for size in sizes
        ]
        if seed:
            rng.shuffle(rows)
        cases.append(rows)
    return [(rows,) for rows in cases]


# -- mistakes ------------------------------------------------------------------


def made(log=math.log, exp=math.exp, convex=True, inside=True, low=min, high=max, fit=parabola, none=None):
    """A right answer, but for the parts that are given."""

    def wrong(rows):
        p, q, x, centre = fit(rows, log)
        bottom = centre - q / (2 * p)
        if (convex and p <= 0) or (inside and not low(x) <= bottom <= high(x)):
            return none
        return raised(exp, bottom)

    return wrong


def raised(exp, power):
    """exp, infinite where it is too large."""
    try:
        return exp(power)
    except OverflowError:
        return math.inf


def of_rows(change):
    """A mistake made with the rows before the right fit."""
    return lambda rows: best_size(change(rows))


def after(change):
    """A mistake made with the right size, where there is one: (size, rows)."""

    def wrong(rows):
        found = best_size(rows)
        return None if found is None else change(found, rows)

    return wrong


def plain(size):
    """N itself, for its log."""
    return size / M


def best_and_beside(rows):
    """The best row and the rows beside it."""
    rows = sorted(rows)
    i = min(range(len(rows)), key=lambda i: rows[i][1])
    i = min(max(i, 1), len(rows) - 2)
    return rows[i - 1 : i + 2]


def three_or_none(rows):
    rows = sorted(rows)
    i = min(range(len(rows)), key=lambda i: rows[i][1])
    return rows[i - 1 : i + 2] if 0 < i < len(rows) - 1 else None


def through_three(rows):
    rows = three_or_none(rows)
    return None if rows is None else exact(rows)


def exact(rows):
    """The bottom of the parabola through three rows; None where two are of one size."""
    if len({size for size, _ in rows}) < 3:
        return None
    return best_size(rows)


def without_the_half(rows):
    p, q, _ = np.polyfit(np.log([size for size, _ in rows]), [loss for _, loss in rows], 2)
    x, bottom = [math.log(size) for size, _ in rows], -q / p
    return math.exp(bottom) if p > 0 and min(x) <= bottom <= max(x) else None


def divided_by_half(inside):
    """-q / 2 * p, which Python takes for (-q / 2) * p."""

    def wrong(rows):
        p, q, _ = np.polyfit(np.log([size for size, _ in rows]), [loss for _, loss in rows], 2)
        x, bottom = [math.log(size) for size, _ in rows], -q / 2 * p
        if p <= 0 or (inside and not min(x) <= bottom <= max(x)):
            return None
        return raised(math.exp, bottom)

    return wrong


def weighed(power):
    def fit(rows, log):
        x = [log(size) for size, _ in rows]
        y = np.array([loss for _, loss in rows])
        centre = sum(x) / len(x)
        p, q, _ = np.polyfit(np.array(x) - centre, y, 2, w=y**power)
        return float(p), float(q), x, centre

    return fit


def of_degree(degree):
    """A curve of another degree: its lowest point on a fine grid between the ends."""

    def wrong(rows):
        x = np.log([size for size, _ in rows])
        centre = x.mean()
        curve = np.polyfit(x - centre, [loss for _, loss in rows], degree)
        grid = np.linspace(x.min(), x.max(), 10_001)
        return float(np.exp(grid[np.polyval(curve, grid - centre).argmin()]))

    return wrong


def clamped(rows):
    p, q, x, centre = parabola(rows)
    return math.exp(min(max(centre - q / (2 * p), min(x)), max(x)))


def clamped_valley(rows):
    p, q, x, centre = parabola(rows)
    return math.exp(min(max(centre - q / (2 * p), min(x)), max(x))) if p > 0 else None


def best_row(rows):
    return min(rows, key=lambda row: row[1])[0]


def inner_best_row(rows):
    found = best_row(rows)
    sizes = [size for size, _ in rows]
    return found if min(sizes) < found < max(sizes) else None


def seen_in_rows(rows):
    """None where the best row is the first or last in size."""
    sizes = [size for size, _ in rows]
    if best_row(rows) in (min(sizes), max(sizes)):
        return None
    return best_size(rows)


def at_the_bottom(rows):
    """The loss there."""
    found = best_size(rows)
    if found is None:
        return None
    x = np.log([size for size, _ in rows])
    centre = x.mean()
    return float(np.polyval(np.polyfit(x - centre, [loss for _, loss in rows], 2), math.log(found) - centre))


def hint(got, rows):
    """Whether it is nearly right: float32's rounding is different in every way to solve it."""
    right, found = best_size(rows), None if got.error is not None else as_number(got.value)
    if right is None or found is None or not abs(found / right - 1) < 0.05:
        return ""
    return (
        "That is near. Was it rounded on the way? Are the numbers float32? Squares of logs take more "
        "digits than it has: use float64. Or is it another curve than the one asked for: "
        "least squares of the losses, over log N, all rows alike?"
    )


CHANCE = (
    "No row needs to be at the bottom, and the best one may be best by chance: the parabola through all rows "
    "knows more."
)
OUTSIDE = "A bottom below the smallest or above the largest N was not seen: None is wanted there."
HILL = "A parabola that opens downwards has a highest point. There is no lowest: None is wanted."
PRECEDENCE = "`-q / 2 * p` is (-q / 2) * p. To divide by both, write -q / (2 * p)."
LOG = "The parabola is one in log N. Over N itself the valley is far from symmetric."

EXERCISE = Function(
    number="12.5",
    title="Where the loss is least",
    stars=2,
    wants="best_size(rows)",
    cases=row_cases,
    oracle=best_size,
    tolerance=1e-4,
    hint=hint,
    mistakes=[
        (best_row, CHANCE),
        (inner_best_row, CHANCE),
        (
            seen_in_rows,
            "The best row may be the smallest or the largest by chance. Where the parabola's bottom lies is "
            "what matters.",
        ),
        (through_three, CHANCE + " You took the best row and the two beside it."),
        (of_rows(best_and_beside), CHANCE + " You took the best row and the two beside it."),
        (of_rows(lambda rows: rows[:3]), "All rows count, not the first three."),
        (
            of_rows(lambda rows: sorted(rows, key=lambda row: row[1])[:3]),
            "All rows count, not the best three.",
        ),
        (made(log=plain, exp=lambda found: M * found), LOG),
        (made(log=plain, exp=lambda found: M * found, inside=False), LOG + " " + OUTSIDE),
        (made(log=plain, exp=lambda found: M * found, convex=False), LOG + " " + HILL),
        (
            made(log=plain, exp=lambda found: M * found, convex=False, inside=False),
            LOG + " And where it opens downwards, or its bottom was not seen, None is wanted.",
        ),
        (made(inside=False), OUTSIDE),
        (made(inside=False, exp=np.exp), OUTSIDE),
        (made(convex=False), HILL),
        (
            made(convex=False, inside=False),
            "None is wanted where the parabola opens downwards, and where its bottom was not seen.",
        ),
        (clamped, OUTSIDE + " You gave the end of the range."),
        (clamped_valley, OUTSIDE + " You gave the end of the range."),
        (of_degree(2), OUTSIDE + " You gave the lowest point between the ends."),
        (made(none=math.nan), "None is wanted, not NaN."),
        (made(none=0), "None is wanted, not 0."),
        (made(none=math.inf), "None is wanted, not infinity."),
        (made(none=-1), "None is wanted, not −1."),
        (
            made(low=lambda x: x[0], high=lambda x: x[-1]),
            "The rows come in any order: the first need not be the smallest.",
        ),
        (
            without_the_half,
            "The slope of p x² + q x is 2 p x + q: you lost the 2.",
        ),
        (lambda rows: None, "You never found one. Was the range compared with log N, not with N?"),
        (divided_by_half(True), PRECEDENCE),
        (divided_by_half(False), PRECEDENCE + " " + OUTSIDE),
        (made(exp=lambda found: found), "That is log N. N itself is wanted."),
        (made(exp=lambda found: found / math.log(10)), "That is log N. N itself is wanted."),
        (made(exp=lambda found: found / math.log(2)), "That is log N. N itself is wanted."),
        (
            made(log=math.log10),
            "The logarithm was to base 10: then 10 to the power of it is N, not e to the power.",
        ),
        (
            made(log=math.log2),
            "The logarithm was to base 2: then 2 to the power of it is N, not e to the power.",
        ),
        (
            made(exp=lambda found: raised(lambda power: 10**power, found)),
            "The logarithm was to base e: then e to the power of it is N, not 10 to the power.",
        ),
        (
            made(exp=lambda found: 2**found),
            "The logarithm was to base e: then e to the power of it is N, not 2 to the power.",
        ),
        (
            of_rows(lambda rows: [(size, math.log(loss)) for size, loss in rows]),
            "The parabola is one of the loss, not of its logarithm.",
        ),
        (
            made(fit=weighed(-1)),
            "Each row counts alike here: squared errors of the losses, not relative ones.",
        ),
        (
            made(fit=weighed(-0.5)),
            "Each row counts alike here: squared errors of the losses, not relative ones.",
        ),
        (
            of_rows(lambda rows: list(dict(rows).items())),
            "A size may be there twice; a dict keeps the last row of it only.",
        ),
        (
            of_rows(lambda rows: list(dict(rows[::-1]).items())),
            "A size may be there twice; you kept one row of it.",
        ),
        (
            of_rows(lambda rows: list(dict(sorted(rows, reverse=True)).items())),
            "A size may be there twice; you kept the best row of it. Every row counts.",
        ),
        (of_rows(lambda rows: list(dict.fromkeys(rows))), "A row that is there twice counts twice."),
        (
            of_rows(
                lambda rows: [
                    (size, float(np.mean([loss for other, loss in rows if other == size])))
                    for size in {size for size, _ in rows}
                ]
            ),
            "A size that is there three times counts three times; its mean counts once.",
        ),
        (at_the_bottom, "That is the loss at the bottom. The N is wanted."),
        (
            after(lambda found, rows: min(rows, key=lambda row: abs(math.log(row[0] / found)))[0]),
            "You gave the row next to the bottom. The bottom itself is wanted.",
        ),
        (
            after(lambda found, rows: min(rows, key=lambda row: abs(row[0] - found))[0]),
            "You gave the row next to the bottom. The bottom itself is wanted.",
        ),
        (after(lambda found, rows: (found, at_the_bottom(rows))), "One number is wanted: N."),
    ],
    right="A few trainings of one price tell which size to buy; how it grows with the price, is a law.",
)
