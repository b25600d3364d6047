"""The check of exercise 12.3: As one process."""

import torch

from companion.exercises.exercise import Function, Problem


def combine(parts):
    targets = sum(count for _, count in parts)
    out = []
    for i in range(len(parts[0][0])):
        total = None
        for gradients, _ in parts:
            if gradients[i] is not None:
                total = gradients[i] if total is None else total + gradients[i]
        out.append(None if total is None else total / targets)
    return out


def t(*numbers):
    return torch.tensor(numbers, dtype=torch.float32)


def d(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def part_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    by_hand = [
        [([t(6.0)], 3), ([t(4.0)], 1)],
        [([t(6.0)], 3)],
        [([t(6.0)], 1)],
        [([None], 3)],
        [([t(0.0)], 3)],
        [([t(0.0, 0.0), t(1.0)], 3), ([None, t(2.0)], 1)],
        [([None], 3), ([None], 1)],
        [([t(6.0)], 3), ([None], 1)],
        [([None], 2), ([t(4.0)], 1)],
        [([t(0.0)], 0), ([t(6.0)], 4)],
        [([t(6.0)], 4), ([t(0.0)], 0)],
        [([None], 0), ([t(6.0)], 4)],
        [([t(6.0), None], 4), ([None, t(2.0)], 1)],
        [([t(6.0), None], 4), ([t(1.0), None], 1)],
        [([t(3.0, 0.0)], 2), ([t(-3.0, 9.0)], 2), ([t(0.0, 0.0)], 2)],
        [([t(6.0)], 2), ([t(3.0)], 2), ([t(8.0)], 5)],
        [([t(3e6)], 2), ([t(-4e6)], 1)],
        [([t(6e4)], 40_000), ([t(7e4)], 30_011)],
        [([t(6e4)], 2**24), ([t(7e4)], 30_011)],
        [([d(1e9 + 0.25)], 1), ([d(-1e9)], 1)],
        [([d(1.0), None], 2), ([d(2.0), d(3.0)], 1)],
        [([t(float(i))], i) for i in range(6)],
        [([t(float(i + j)) for j in range(9)], i + 1) for i in range(12)],
    ]
    cases = [(parts,) for parts in by_hand] if seed == 0 else []
    for n, counts in [(2, (7, 3)), (3, (40, 0, 21)), (4, (100, 3, 30, 12))]:
        shapes = [(5, 3), (3,), (2, 3, 4), ()]
        parts = []
        for i in range(n):
            gradients = [torch.randn(shape, generator=generator) * (counts[i] > 0) for shape in shapes]
            gradients[1] = None if i == seed % n else gradients[1]
            parts.append((gradients, counts[i]))
        cases.append((parts,))
    return cases


def try_on(answer, parts):
    """What it gives, looked at when it has been called again, with other gradients."""
    others = [([None if g is None else 2 * g for g in gradients], count) for gradients, count in parts]
    found = answer(parts)
    answer(others)
    if isinstance(found, list | tuple) and len(found) == len(parts[0][0]):
        for i, got in enumerate(found):
            if isinstance(got, torch.Tensor) and got.dtype == torch.float32 and is_double(parts, i):
                raise Problem(DIGITS)
    return found


def is_double(parts, i):
    return any(gs[i] is not None and gs[i].dtype == torch.float64 for gs, _ in parts)


# -- mistakes ------------------------------------------------------------------


def columns(parts):
    """For each parameter, the pairs (gradient, count)."""
    return [[(gradients[i], count) for gradients, count in parts] for i in range(len(parts[0][0]))]


def made(change):
    """A mistake made with each parameter: (its pairs with a gradient, all pairs) -> its mean."""

    def wrong(parts):
        return [
            change([pair for pair in column if pair[0] is not None], column)
            if any(gradient is not None for gradient, _ in column)
            else None
            for column in columns(parts)
        ]

    return wrong


def total(pairs):
    return sum(gradient for gradient, _ in pairs)


def targets(pairs):
    return sum(count for _, count in pairs)


def after(change):
    """A mistake made with the right gradients."""
    return lambda parts: change(combine(parts), parts)


def none_as_zeros(parts):
    """Zeros in the shape of some other process's."""
    out = []
    for column in columns(parts):
        known = next((gradient for gradient, _ in column if gradient is not None), None)
        out.append(torch.zeros(1) if known is None else total([p for p in column if p[0] is not None]))
    return [gradient / targets(columns(parts)[0]) for gradient in out]


def stumbles(parts):
    return [sum(gradient for gradient, _ in column) / targets(column) for column in columns(parts)]


def by_own_count(parts):
    return [sum(gradient / count for gradient, count in column) / len(column) for column in columns(parts)]


DIGITS = "Gradients came in float64, and went out in float32: half of the digits are lost."
MEANS = (
    "You took the mean of means: a target of a process with few of them then counts for more than one of "
    "a process with many. Add sums, divide once."
)
USED = (
    "You divided by the targets of those that used the parameter. The others' targets have a loss too, which "
    "the parameter does not change: they count."
)
NONE = "A gradient may be None. For the sum that is as good as zeros."
NOBODY = "For a parameter that nobody used, None is wanted."
SOMEBODY = "What one process did not use, another may have: None is wanted only where nobody used it."
SUMS = "They are gradients of sums already. You weighed each with its count once more."

EXERCISE = Function(
    number="12.3",
    title="As one process",
    stars=2,
    wants="combine(parts)",
    cases=part_cases,
    oracle=combine,
    call=try_on,
    shown="{f}({0})",
    mistakes=[
        (made(lambda used, every: sum(g / max(n, 1) for g, n in used) / len(every)), MEANS),
        (made(lambda used, every: sum(g / max(n, 1) for g, n in used) / len(used)), MEANS),
        (
            made(lambda used, every: sum(g / n for g, n in used if n) / sum(n > 0 for _, n in every)),
            MEANS,
        ),
        (
            made(lambda used, every: sum(g / n for g, n in used) / len(every)),
            MEANS + " Besides, a process may have 0 targets, and 0/0 is no number.",
        ),
        (
            made(lambda used, every: sum(g / n for g, n in used) / len(used)),
            MEANS + " Besides, a process may have 0 targets, and 0/0 is no number.",
        ),
        (by_own_count, MEANS + " " + NONE),
        (
            made(lambda used, every: sum(g / n * (n / targets(every)) for g, n in used)),
            "The weights are right, but a process may have 0 targets, and 0/0 is no number.",
        ),
        (
            made(lambda used, every: total(used)),
            "That is the gradient of the sum. The mean over all targets is wanted.",
        ),
        (
            made(lambda used, every: total(used) / len(every)),
            "You divided by the number of processes. The mean is one over targets.",
        ),
        (
            made(lambda used, every: total(used) / len(used)),
            "You divided by the number of processes. The mean is one over targets.",
        ),
        (
            made(lambda used, every: total(used) / max(n for _, n in every)),
            "You divided by one process's targets.",
        ),
        (
            made(lambda used, every: total(used) / max(every[0][1], 1)),
            "You divided by the first process's targets. Those of all are wanted.",
        ),
        (
            made(lambda used, every: total(used) / every[0][1]),
            "You divided by the first process's targets. Those of all are wanted.",
        ),
        (
            made(lambda used, every: total(used) / max(every[-1][1], 1)),
            "You divided by the last process's targets. Those of all are wanted.",
        ),
        (
            made(lambda used, every: total(used) / every[-1][1]),
            "You divided by the last process's targets. Those of all are wanted.",
        ),
        (made(lambda used, every: total(used) / max(targets(used), 1)), USED),
        (made(lambda used, every: total(used) / targets(used)), USED),
        (made(lambda used, every: sum(g * n for g, n in used) / targets(every)), SUMS),
        (made(lambda used, every: sum(g * n for g, n in used) / max(targets(used), 1)), SUMS + " " + USED),
        (
            made(lambda used, every: used[0][0] / max(every[0][1], 1)),
            "Only the first process's gradients came in.",
        ),
        (
            made(lambda used, every: used[0][0] / targets(every)),
            "Only the first process's gradients came in.",
        ),
        (
            made(lambda used, every: used[-1][0] / targets(every)),
            "Only the last process's gradients came in.",
        ),
        (
            lambda parts: [None if g is None else g / parts[0][1] for g in parts[0][0]],
            "Only the first process's gradients came in.",
        ),
        (stumbles, NONE),
        (
            lambda parts: torch.stack([torch.cat([g.flatten() for g in gs]) for gs, _ in parts]).sum(0),
            NONE,
        ),
        (
            made(lambda used, every: total(used) / targets(every) if len(used) == len(every) else None),
            SOMEBODY,
        ),
        (
            lambda parts: [
                None if parts[0][0][i] is None else found for i, found in enumerate(combine(parts))
            ],
            SOMEBODY,
        ),
        (
            made(lambda used, every: total(used) / targets(every) if any(g.any() for g, _ in used) else None),
            "A gradient of zeros is a gradient. None is only for a parameter that nobody used.",
        ),
        (none_as_zeros, NOBODY),
        (after(lambda found, parts: [torch.tensor(0.0) if g is None else g for g in found]), NOBODY),
        (after(lambda found, parts: [0 if g is None else g for g in found]), NOBODY),
        (
            after(lambda found, parts: [g for g in found if g is not None]),
            "Each parameter keeps its place in the list, with None where nobody used it.",
        ),
        (
            after(lambda found, parts: (found, sum(count for _, count in parts))),
            "The list of gradients alone is wanted, without the count.",
        ),
        (
            after(lambda found, parts: [None if g is None else g.norm() for g in found]),
            "The gradients are wanted, not their lengths.",
        ),
        (
            after(lambda found, parts: [None if g is None else g.sum() for g in found]),
            "Each gradient keeps the shape of its parameter. You added its numbers up.",
        ),
        (
            after(lambda found, parts: [None if g is None else 2 * g for g in found]),
            "That is twice what is right. Or does a later call change what an earlier one returned?",
        ),
        (
            after(lambda found, parts: [None if g is None else -g for g in found]),
            "The sign is turned: the gradient is wanted, not the step.",
        ),
    ],
    right="Batches are unequal, and the step is that of one process: add first, divide once.",
)
