"""The check of exercise 10.5: What a shift must remember."""

import torch

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import settle
from companion.exercises.values import a


def go_on(x, shares, before):
    whole = torch.cat([before, x])
    return shifted(x, shares, whole), whole[len(x) :]


def shifted(x, shares, whole):
    n = len(shares)
    rows = []
    for t in range(len(x)):
        row = x[t].clone()
        for back in range(1, n + 1):
            row = row + shares[back - 1] * whole[n + t - back]
        rows.append(row)
    return torch.stack(rows)


def go_on_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    by_hand = [
        ([[1.0]], [[0.5]], [[0.0]]),
        ([[1.0]], [[0.5]], [[4.0]]),
        ([[1.0], [2]], [[0.5]], [[4.0]]),
        ([[4.0], [6]], [[0.5], [1]], [[8.0], [2]]),
        ([[4.0]], [[0.5], [1], [2]], [[8.0], [2], [10]]),
        ([[1.0, 10], [2, 20], [3, 30]], [[0.5, 0]], [[4.0, 40]]),
    ]
    cases = [tuple(torch.tensor(part) for part in case) for case in by_hand]
    for T, n, C in [(5, 3, 4), (2, 5, 3), (1, 4, 2), (7, 1, 6)]:
        cases.append(tuple(torch.randn(rows, C, generator=generator) for rows in (T, n, n)))
    return cases


def try_going_on(answer, x, shares, before):
    found = settle(answer(x, shares, before))
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Problem(f"It must return two tensors, the shifted vectors and the memory; this is {a(found)}.")
    return {"shifted vectors": found[0], "next `before`": found[1]}


def reversed_shares(x, shares, before):
    whole = torch.cat([before, x])
    return shifted(x, shares.flip(0), whole), whole[len(x) :]


def newest_first(x, shares, before):
    whole = torch.cat([before.flip(0), x])
    return shifted(x, shares, whole), torch.cat([before, x])[len(x) :]


def without_itself(x, shares, before):
    whole = torch.cat([before, x])
    return shifted(x, shares, whole) - x, whole[len(x) :]


def keeps_the_old(x, shares, before):
    return shifted(x, shares, torch.cat([before, x])), before.clone()


def keeps_all(x, shares, before):
    whole = torch.cat([before, x])
    return shifted(x, shares, whole), whole


def keeps_of_x(x, shares, before):
    return shifted(x, shares, torch.cat([before, x])), x[-len(shares) :].clone()


def pads_what_x_lacks(x, shares, before):
    padded = torch.cat([torch.zeros_like(before), x])
    return shifted(x, shares, torch.cat([before, x])), padded[len(x) :]


def forgets(x, shares, before):
    whole = torch.cat([torch.zeros_like(before), x])
    return shifted(x, shares, whole), torch.cat([before, x])[len(x) :]


def from_the_next(x, shares, before):
    whole, n = torch.cat([before, x]), len(shares)
    rows = [x[t] + sum(shares[j] * whole[n + t - j] for j in range(n)) for t in range(len(x))]
    return torch.stack(rows), whole[len(x) :]


def keeps_the_shifted(x, shares, before):
    out = shifted(x, shares, torch.cat([before, x]))
    return out, torch.cat([before, out])[len(x) :]


def upside_down(x, shares, before):
    out, memory = go_on(x, shares, before)
    return out, memory.flip(0)


def echo(x, shares, before):
    rows = list(before)
    for row in x:
        rows.append(row + sum(share * rows[-back] for back, share in enumerate(shares, 1)))
    return torch.stack(rows[len(before) :]), torch.cat([before, x])[len(x) :]


def rolled(x, shares, before):
    out = x + sum(share * x.roll(back, dims=0) for back, share in enumerate(shares, 1))
    return out, torch.cat([before, x])[len(x) :]


def ahead(x, shares, before):
    n, padded = len(shares), torch.cat([x, torch.zeros_like(before)])
    out = x + sum(shares[j - 1] * padded[j : j + len(x)] for j in range(1, n + 1))
    return out, torch.cat([before, x])[len(x) :]


def nearest(x, shares, before):
    whole = torch.cat([before, x])
    return shifted(x, shares[:1], whole[len(before) - 1 :]), whole[len(x) :]


def first_number_s(x, shares, before):
    return go_on(x, shares[:, :1].expand_as(shares), before)


def within_x(x, shares, before):
    """The first new vector sees `before`, the others see only one another."""
    alone, memory = forgets(x, shares, before)
    return torch.cat([go_on(x, shares, before)[0][:1], alone[1:]]), memory


EXERCISE = Function(
    number="10.5",
    title="What a shift must remember",
    stars=2,
    wants="go_on(x, shares, before)",
    cases=go_on_cases,
    oracle=go_on,
    call=try_going_on,
    mistakes=[
        (
            reversed_shares,
            "The first of the shares belongs to the vector just before, and you gave it to the furthest.",
        ),
        (newest_first, "`before` is ordered as the text is: its last row stood just before `x`."),
        (without_itself, "The vector itself is missing: the shares are added to it."),
        (keeps_the_old, "The memory has not moved on: it must end with what was just read."),
        (keeps_all, "You hand over everything. The last n vectors are all that the next call needs."),
        (
            keeps_of_x,
            "Where `x` is shorter than the memory, some of the old vectors are still needed.",
        ),
        (
            pads_what_x_lacks,
            "Where `x` is shorter than the memory, the old vectors stay; you put zeros there.",
        ),
        (forgets, "The shifted vectors do not use `before`: each call begins as if the text began there."),
        (from_the_next, "Off by one: the nearest share meets the vector itself, not the one before it."),
        (
            keeps_the_shifted,
            "You hand over shifted vectors. The next ones need them as they came in, as equation (4) says.",
        ),
        (lambda *given: go_on(*given)[::-1], "The two results are swapped: the shifted vectors come first."),
        (
            echo,
            "You add shares of vectors that are shifted already. Equation (4) adds shares of what came in.",
        ),
        (
            rolled,
            "`roll` brings the end of `x` round to its beginning. What stood before `x` is in `before`.",
        ),
        (ahead, "Each vector looks at those after it. Equation (4) looks back."),
        (nearest, "Only the vector just before counts. There are n shares."),
        (first_number_s, "Every number has a share of its own; you took those of the first for all."),
        (within_x, "The second new vector, too, may reach back into `before`."),
        (
            lambda x, shares, before: (go_on(x, shares, before)[0], x.clone()),
            "You hand over the new vectors. The next call needs n, however many are new.",
        ),
        (
            lambda x, shares, before: (
                go_on(x, shares, before)[0],
                torch.cat([before, x])[-len(shares) + 1 :],
            ),
            "You hand over one vector too few (and `[-0:]` is everything).",
        ),
        (upside_down, "The memory is handed over newest first; `before` is oldest first."),
    ],
    right="Told in pieces of any size, the text is shifted as it is at once.",
)
