"""The check of exercise 5.3: Only if."""

import random

import torch
import torch.nn.functional as F

from companion.exercises.exercise import Function, Problem
from companion.exercises.values import a


def exactly_one(n):
    return rules(n, [0, -1, -2], [1, -2, 1])


def rules(n, bias, down, up=1.0):
    return torch.full((len(bias), n), float(up)), torch.tensor(bias).float(), torch.tensor(down).float()


def exactly_one_cases(seed):
    rng = random.Random(seed)
    cases = [(1, [0]), (1, [1]), (2, [0, 0]), (2, [0, 1]), (2, [1, 0]), (2, [1, 1])]
    cases += [(3, [int(i < k) for i in range(3)]) for k in range(4)]
    for n in (4, 5, 7):
        yes = [rng.sample(range(n), k) for k in (1, 2, n - 1, n)]
        cases += [(n, [int(i in chosen) for i in range(n)]) for chosen in yes]
    many = [[0] * 7 + [1] + [0] * 10, [0] + [1] * 17, [1] * 18] * (seed == 0)
    return cases + [(18, x) for x in many]


def try_rules(answer, n, x):
    found = answer(n)
    if not isinstance(found, tuple | list) or len(found) != 3:
        raise Problem(f"It must return three things, `up, bias, down`; this is {a(found)}.")
    try:
        up, bias, down = (torch.as_tensor(part, dtype=torch.float32) for part in found)
    except (TypeError, ValueError):
        raise Problem("`up`, `bias` and `down` must be tensors, or lists of numbers.") from None
    if up.ndim != 2 or up.shape[1] != n or bias.shape != up.shape[:1] or down.shape != up.shape[:1]:
        shapes = ", ".join(str(tuple(part.shape)) for part in (up, bias, down))
        raise Problem(
            f"For n = {n}, the shapes of `up`, `bias` and `down` are {shapes}. They must be (rules, {n}), "
            "(rules,) and (rules,): a rule is a row of `up`."
        )
    hidden = F.relu(up @ torch.tensor(x).float() + bias)
    return (hidden @ down).item()


def first_two_only(n):
    up = torch.zeros(2, n)
    up[0, 0], up[1, 0] = 1, -1
    if n > 1:
        up[0, 1], up[1, 1] = -1, 1
    return up, torch.zeros(2), torch.ones(2)


EXERCISE = Function(
    number="5.3",
    title="Only if",
    stars=2,
    wants="exactly_one(n)",
    cases=exactly_one_cases,
    oracle=exactly_one,
    call=try_rules,
    shown="{f}({0}), tried on {1}",
    mistakes=[
        (
            lambda n: rules(n, [0], [1]),
            "One rule that adds the inputs up counts them; it never says no. Which second rule is on only "
            "when there are too many?",
        ),
        (
            lambda n: rules(n, [0, -1], [1, -1]),
            "That says 'at least one'. From two on, something must bring it down to 0.",
        ),
        (
            lambda n: rules(n, [0, -1], [1, -2]),
            "Right for none, one and two. At three the second rule pulls below 0: a third has to hold "
            "against it.",
        ),
        (
            lambda n: rules(n, [0, -1], [1, -n / (n - 1) if n > 1 else 0]),
            "Right for none, for one and for all, and wrong between them.",
        ),
        (
            lambda n: rules(n, [1 - n], [1]),
            "That is an 'and' of all of them. One is wanted, and no more.",
        ),
        (
            lambda n: rules(n, [-1, -2, -3], [1, -2, 1]),
            "Your bump stands at two. Move it down to one.",
        ),
        (
            lambda n: rules(n, [1, 0, -1], [1, -2, 1]),
            "Your bump stands at zero: it says 'none'. Move it up to one.",
        ),
        (
            first_two_only,
            "It compares the first two inputs and does not see the others.",
        ),
        (
            lambda n: rules(n, [0, 1, 2], [1, -2, 1]),
            "It always says 0: no rule begins between 0 and n facts. To wait for more takes a negative bias.",
        ),
    ],
    right="Three rules make a bump at one, for any number of inputs; no linear map has a bump.",
)
