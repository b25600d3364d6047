"""Answers to chapter 21's exercises."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from harness import Answers, ExerciseTests

# -- 21.1 ------------------------------------------------------------------


def by_torch(a, b):
    try:
        return tuple(torch.broadcast_shapes(a, b))
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def by_numpy(a, b):
    return np.broadcast_shapes(a, b)


def by_recursion(a, b):
    if not a or not b:
        return a or b
    if a[-1] != b[-1] and 1 not in (a[-1], b[-1]):
        raise ValueError("no")
    return (*by_recursion(a[:-1], b[:-1]), a[-1] if b[-1] == 1 else b[-1])


def as_list_of_sizes(a, b):
    return list(by_recursion(a, b))


def by_adding_ones_behind(a, b):
    n = max(len(a), len(b))
    return by_recursion(a + (1,) * (n - len(a)), b + (1,) * (n - len(b)))


def never_raises(a, b):
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    return tuple(map(max, a, b))


def smaller_one(a, b):
    by_recursion(a, b)
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    return tuple(map(min, a, b))


def cut_to_shorter(a, b):
    n = min(len(a), len(b))
    return by_recursion(a[len(a) - n :], b[len(b) - n :])


def reversed_result(a, b):
    return tuple(reversed(by_recursion(a, b)))


def wrong_error(a, b):
    return tuple(torch.broadcast_shapes(a, b))


def says_none(a, b):
    try:
        return by_recursion(a, b)
    except ValueError:
        return None


def must_be_equal(a, b):
    if a[-1:] != b[-1:]:
        raise ValueError("no")
    return max(a, b, key=len)


def ones_only_in_a(a, b):
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    if any(m not in (1, k) for m, k in zip(a, b, strict=True)):
        raise ValueError("no")
    return b


# -- 21.2 ------------------------------------------------------------------


def by_expand():
    return 4 * math.prod(torch.broadcast_shapes((100_000, 1), (100_000,)))


# -- 21.3 ------------------------------------------------------------------


def mean_by_where(x, mask):
    kept = torch.where(mask.unsqueeze(-1), x, torch.zeros(()))
    return kept.sum(1) / mask.sum(1).clamp(min=1).unsqueeze(-1)


def mean_by_loop(x, mask):
    found = torch.zeros(x.shape[0], x.shape[2])
    for i in range(len(x)):
        if mask[i].any():
            found[i] = x[i, mask[i]].mean(0)
    return found


def mean_by_nanmean(x, mask):
    return x.masked_fill(~mask[..., None], math.nan).nanmean(1).nan_to_num(0.0)


def mean_by_clone(x, mask):
    x = x.clone()
    x[~mask] = 0
    return x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def mean_by_einsum(x, mask):
    shares = mask / mask.sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("bt,btc->bc", shares, x)


def changes_x(x, mask):
    x[~mask] = 0
    return x.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def nan_in_empty_rows(x, mask):
    return torch.stack([row[there].mean(0) for row, there in zip(x, mask, strict=True)])


def filled_turned_round(x, mask):
    return torch.where(mask[..., None], 0.0, x).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def counts_without_keepdim(x, mask):
    return torch.where(mask[..., None], x, 0.0).sum(1) / mask.sum(1).clamp(min=1)


def no_third_dimension(x, mask):
    return (x * mask).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


# -- 21.4 ------------------------------------------------------------------


def gradient_by_autograd(logits, targets):
    logits = logits.clone().requires_grad_()
    F.cross_entropy(logits, targets).backward()
    return logits.grad


def gradient_by_loop(logits, targets):
    rows = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        powers = [math.exp(z - max(row)) for z in row]
        rows.append([p / sum(powers) - (i == target) for i, p in enumerate(powers)])
    return np.array(rows) / len(rows)


def gradient_by_scatter(logits, targets):
    p = logits.log_softmax(1).exp()
    return p.scatter_add(1, targets[:, None], -torch.ones(len(p), 1)) / len(p)


def gradient_by_func(logits, targets):
    return torch.func.grad(F.cross_entropy)(logits, targets)


def mean_over_classes(logits, targets):
    return gradient_by_scatter(logits, targets) * len(logits) / logits.shape[1]


def by_sum_without_keepdim(logits, targets):
    powers = (logits - logits.max(1, keepdim=True).values).exp()
    return (powers / powers.sum(1) - F.one_hot(targets, logits.shape[1])) / len(logits)


def summed_over_rows(logits, targets):
    return gradient_by_scatter(logits, targets).sum(0)


def changes_the_logits(logits, targets):
    logits -= logits.max()
    return gradient_by_scatter(logits, targets)


# -- 21.5 ------------------------------------------------------------------


class Number:
    """Keeps a function that passes its gradient on."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __add__(self, other):
        return type(self)(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return type(self)(self.data * other.data, [(self, other.data), (other, self.data)])

    def backward(self):
        order = []

        def visit(value):
            if value not in order:
                for parent, _ in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for parent, slope in value.parents:
                parent.grad += slope * value.grad

    def __truediv__(self, other):
        return type(self)(
            self.data / other.data, [(self, 1 / other.data), (other, -self.data / other.data**2)]
        )

    def tanh(self):
        t = math.tanh(self.data)
        return type(self)(t, ((self, 1 - t**2),))


class ByReciprocal(Number):
    def __truediv__(self, other):
        return self * type(self)(1 / other.data, [(other, -1 / other.data / other.data)])


class ByExponentials(Number):
    def tanh(self):
        up, down = math.exp(self.data), math.exp(-self.data)
        return type(self)((up - down) / (up + down), [(self, 4 / (up + down) ** 2)])


class OnTorch:
    def __init__(self, data, parents=()):
        made = isinstance(data, torch.Tensor)
        self.number = data if made else torch.tensor(data, dtype=torch.float64, requires_grad=True)

    data = property(lambda self: self.number.item())
    grad = property(lambda self: 0.0 if self.number.grad is None else self.number.grad.item())

    def __add__(self, other):
        return OnTorch(self.number + other.number)

    def __mul__(self, other):
        return OnTorch(self.number * other.number)

    def __truediv__(self, other):
        return OnTorch(self.number / other.number)

    def tanh(self):
        return OnTorch(self.number.tanh())

    def backward(self):
        self.number.backward()


class MinusForgotten(Number):
    def __truediv__(self, other):
        return type(self)(
            self.data / other.data, [(self, 1 / other.data), (other, self.data / other.data**2)]
        )


class SquareForgotten(Number):
    def __truediv__(self, other):
        return type(self)(self.data / other.data, [(self, 1 / other.data), (other, -self.data / other.data)])


class OneParent(Number):
    def __truediv__(self, other):
        return type(self)(self.data / other.data, [(self, 1 / other.data)])


class WholeDivision(Number):
    def __truediv__(self, other):
        return type(self)(
            self.data // other.data, [(self, 1 / other.data), (other, -self.data / other.data**2)]
        )


class PlainNumber(Number):
    def tanh(self):
        return math.tanh(self.data)


class InputSquared(Number):
    def tanh(self):
        return type(self)(math.tanh(self.data), [(self, 1 - self.data**2)])


class NoSquareInTanh(Number):
    def tanh(self):
        t = math.tanh(self.data)
        return type(self)(t, [(self, 1 - t)])


class OverwritesGradients(Number):
    def backward(self):
        super().backward()
        for parent, slope in self.parents:
            parent.grad = slope


class TanhNoParents(Number):
    def tanh(self):
        return type(self)(math.tanh(self.data))


ANSWERS = {
    "21.1": Answers(
        right=[by_torch, by_numpy, by_recursion, as_list_of_sizes],
        wrong=[
            (by_adding_ones_behind, "You wrote the shapes flush left"),
            (never_raises, "You take the larger size wherever they differ"),
            (cut_to_shorter, "as many dimensions as the shorter shape"),
            (reversed_result, "the wrong way round"),
            (smaller_one, "(1,)"),
            (wrong_error, "RuntimeError"),
            (says_none, "None"),
            (must_be_equal, "not yet"),
            (ones_only_in_a, "not yet"),
            (lambda a, b: a, "not yet"),
        ],
    ),
    "21.2": Answers(
        right=[4e10, 40_000_000_000, by_expand, lambda: 100_000**2 * torch.float32.itemsize],
        wrong=[
            (400_000, "the difference that was meant"),
            (800_000, "what the two inputs take together"),
            (10**10, "How many bytes is one of 32 bits"),
            (8e10, "that is float64"),
            (3.2e11, "A byte has eight"),
            (40, "give it in bytes"),
            (0, "too low"),
        ],
    ),
    "21.3": Answers(
        right=[mean_by_where, mean_by_loop, mean_by_nanmean, mean_by_clone],
        wrong=[
            (lambda x, mask: x.mean(1), "What fills the rows up counts here"),
            (mean_by_einsum, "Choose instead of multiplying"),
            (lambda x, mask: x.masked_fill(~mask[..., None], 0).mean(1), "You divide by T"),
            (lambda x, mask: mean_by_where(x, ~mask), "the mean of the padding"),
            (lambda x, mask: mean_by_where(x, mask) * mask.sum(1)[:, None], "That is the sum"),
            (nan_in_empty_rows, "0 / 0 here"),
            (no_third_dimension, "Give it a third dimension"),
            (filled_turned_round, "`~mask` is the other way round"),
            (counts_without_keepdim, "`keepdim=True` makes them (B, 1)"),
            (lambda x, mask: x[mask].mean(0), "the tokens of all rows together"),
            (changes_x, "Your answer changes its input"),
            (lambda x, mask: mean_by_where(x, mask)[:, None], "shape"),
        ],
    ),
    "21.4": Answers(
        right=[gradient_by_autograd, gradient_by_loop, gradient_by_scatter, gradient_by_func],
        wrong=[
            (lambda z, y: gradient_by_func(z, y) * len(z), "divided by N"),
            (lambda z, y: -gradient_by_func(z, y), "The sign is turned round"),
            (lambda z, y: z.softmax(1) / len(z), "the slope of the first part"),
            (
                lambda z, y: (z.softmax(0) - F.one_hot(y, z.shape[1])) / len(z),
                "runs along the batch",
            ),
            (
                lambda z, y: (z.exp() / z.exp().sum(1)[:, None] - F.one_hot(y, z.shape[1])) / len(z),
                "take the largest score away first",
            ),
            (mean_over_classes, "not yet"),
            (by_sum_without_keepdim, "not yet"),
            (summed_over_rows, "shape"),
            (changes_the_logits, "Your answer changes its input"),
            (lambda z, y: F.cross_entropy(z, y), "not yet"),
        ],
    ),
    "21.5": Answers(
        right=[Number, ByReciprocal, ByExponentials, OnTorch],
        wrong=[
            (MinusForgotten, "the slope by it has a minus"),
            (SquareForgotten, "What becomes of the exponent"),
            (OneParent, "The divisor is a parent too"),
            (WholeDivision, "not yet"),
            (PlainNumber, "it must be a `Value` again"),
            (InputSquared, "not of its input"),
            (NoSquareInTanh, "the square is missing"),
            (OverwritesGradients, "gradients of a, b, c"),
            (TanhNoParents, "has no parent"),
            (lambda data, parents=(): data, "not yet"),
        ],
    ),
}


class TestChapter21(ExerciseTests):
    answers = ANSWERS
