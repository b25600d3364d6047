"""The check of exercise 11.6: A norm with nothing to learn."""

import itertools

import numpy as np
import torch

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record, as_tensor, settle
from companion.exercises.values import a


def fold(norm_weight, norm_bias, weight, bias):
    columns = [column * scale for column, scale in zip(weight.T, norm_weight, strict=True)]
    shift = sum(column * by for column, by in zip(weight.T, norm_bias, strict=True))
    return torch.stack(columns, dim=1), bias + shift


def layer_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    by_hand = [
        ([1.0], [0.0], [[3.0]], [4.0]),
        ([2.0], [0.0], [[3.0]], [0.0]),
        ([1.0], [5.0], [[3.0]], [4.0]),
        ([2.0], [5.0], [[3.0]], [4.0]),
        ([2.0, 10.0], [1.0, 0.0], [[3.0, 4.0]], [5.0]),
        ([0.0, -2.0], [1.0, 3.0], [[3.0, 4.0]], [5.0]),
        ([2.0], [3.0], [[1.0], [10.0]], [5.0, 7.0]),
        ([2.0, 3.0], [1.0, -1.0], [[1.0, 2.0], [10.0, 20.0]], [5.0, 7.0]),
    ]
    cases = [tuple(torch.tensor(part) for part in case) for case in by_hand]
    cases = cases if seed == 0 else []
    for C, n, dtype in [
        (3, 5, torch.float32),
        (7, 4, torch.float32),
        (6, 6, torch.float32),
        (5, 2, torch.float64),
    ]:
        shapes = [(C,), (C,), (n, C), (n,)]
        cases.append(tuple(torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes))
    plain = torch.ones(9), torch.zeros(9)  # with it, nothing changes; it is tried last
    return [*cases, (*plain, torch.randn(8, 9, generator=generator), torch.randn(8, generator=generator))]


def try_folding(answer, norm_weight, norm_bias, weight, bias):
    given = norm_weight, norm_bias, weight, bias
    right = dict(zip(PARTS, fold(*given), strict=True))
    found = answer(*given)
    if not isinstance(found, list | tuple | torch.Tensor) and hasattr(found, "__next__"):
        found = list(itertools.islice(found, 3))
    returned, found = found, settle(found)
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise Problem(f"It must return two tensors, the new weight and the new bias; this is {a(found)}.")
    parts = dict(zip(PARTS, found, strict=True))
    if weight.dtype == torch.float64:
        look_at_digits(parts, right)
    if (norm_weight == 1).all() and len(bias) > 7:  # only there, so that other mistakes show before
        look_at_memory(dict(zip(PARTS, returned, strict=True)), given)
    return Record("", parts)


PARTS = "weight", "bias"


def look_at_digits(parts, right):
    """Numbers of any kind are right as long as they are as exact as those that came. Raises Problem."""
    for name, part in parts.items():
        found = as_tensor(part)
        if found is None or found.shape != right[name].shape or found.is_complex():
            continue
        far = ((found.double() - right[name]).abs() / right[name].abs().clamp(min=1)).max()
        if 1e-12 < far < 1e-5:
            raise Problem(FEWER.format(name))


def look_at_memory(returned, given):
    """New tensors are asked for, also where nothing changes. Raises Problem."""
    places = [part.untyped_storage().data_ptr() for part in given]
    for name, part in returned.items():
        plain = isinstance(part, torch.Tensor) and part.layout is torch.strided and part.device.type == "cpu"
        if (plain and part.untyped_storage().data_ptr() in places) or (
            isinstance(part, np.ndarray) and any(np.may_share_memory(part, old.numpy()) for old in given)
        ):
            raise Problem(SAME.format(name))


# -- mistakes ------------------------------------------------------------------


def made(weight=lambda g, b, W, c: W * g, bias=lambda g, b, W, c: c + W @ b):
    """A right answer but for one of the two, or both."""

    def wrong(norm_weight, norm_bias, old, shift):
        given = norm_weight, norm_bias, old, shift
        return weight(*given), bias(*given)

    return wrong


def in_16_bits(norm_weight, norm_bias, weight, bias):
    new = fold(*(part.bfloat16() for part in (norm_weight, norm_bias, weight, bias)))
    return tuple(part.to(weight.dtype) for part in new)


FEWER = (
    "Right in float32. What comes in float64 should stay so, to the last digit; your {} was "
    "float32 on the way."
)
SAME = (
    "The {0} that you return is the tensor that came in, or shares its memory: who changes the one changes "
    "the other. Return a new one, also where nothing changes."
)
ROWS = (
    "You scaled rows. A row is what the layer makes, a column what it reads: `weight` is (n, C), so multiply "
    "column i by `norm_weight[i]`."
)
TWICE = (
    "The shift is added after the scale, so it meets the old weight, not the new one: what "
    "a LayerNorm gives is "
    "x times scale, plus shift."
)
SHIFT = (
    "The norm's shift is one for each number that the layer reads. The layer makes of it "
    "what it makes of any "
    "x."
)

EXERCISE = Function(
    number="11.6",
    title="A norm with nothing to learn",
    stars=3,
    wants="fold(norm_weight, norm_bias, weight, bias)",
    cases=layer_cases,
    oracle=fold,
    call=try_folding,
    mistakes=[
        *[
            mistake
            for kept in (torch.clone, lambda part: part)  # a new tensor, or the one that came
            for mistake in (
                (
                    made(bias=lambda g, b, W, c, kept=kept: kept(c)),
                    "The norm's shift is lost: the bias has to take it in.",
                ),
                (
                    made(weight=lambda g, b, W, c, kept=kept: kept(W)),
                    "The norm's scale is lost: the weight has to take it in.",
                ),
                (
                    made(lambda g, b, W, c, kept=kept: kept(W), lambda g, b, W, c, kept=kept: kept(c)),
                    "Nothing has changed. The norm's scale and shift have to go into the layer.",
                ),
            )
        ],
        (made(bias=lambda g, b, W, c: c + (W * g) @ b), TWICE),
        (made(bias=lambda g, b, W, c: c + (W * g) @ (b * g)), TWICE),
        (made(bias=lambda g, b, W, c: c + W @ (b / g)), TWICE),
        (made(bias=lambda g, b, W, c: W @ b), "The layer's own bias is lost."),
        (
            made(bias=lambda g, b, W, c: c - W @ b),
            "The sign is wrong: the shift is added to x, not taken away.",
        ),
        (
            made(weight=lambda g, b, W, c: W / g),
            "You divided by the scale. The new layer must do what the norm no longer does.",
        ),
        (
            made(lambda g, b, W, c: W / g, lambda g, b, W, c: c - W @ b),
            "That takes a norm out of a layer; here it should go in.",
        ),
        (made(weight=lambda g, b, W, c: W * g[:, None]), ROWS),
        (made(weight=lambda g, b, W, c: torch.diag(g) @ W), ROWS),
        (
            made(weight=lambda g, b, W, c: W * (g[:, None] if len(g) == len(W) else g)),
            ROWS + " Where there are as many of both, look twice.",
        ),
        (made(lambda g, b, W, c: W * g[:, None], lambda g, b, W, c: c + b @ W), ROWS),
        (
            made(bias=lambda g, b, W, c: c + b @ W),
            "The shift meets the columns: each row of the weight times it.",
        ),
        (made(bias=lambda g, b, W, c: c + b), SHIFT),
        (made(bias=lambda g, b, W, c: c + b.sum()), SHIFT),
        (made(bias=lambda g, b, W, c: c + W.sum(1) * b.mean()), SHIFT),
        (made(lambda g, b, W, c: W * g.mean()), "Each number has a scale of its own; you took their mean."),
        (
            made(lambda g, b, W, c: W @ g),
            "The weight stays a matrix, (n, C): its columns are scaled, not added up.",
        ),
        (
            made(lambda g, b, W, c: W * (1 + g)),
            "One too many: Gemma's norms multiply by 1 + scale. LayerNorm's scale is the factor itself.",
        ),
        (made(lambda g, b, W, c: W * g.abs()), "A scale may be negative, and then turns the number round."),
        (made(lambda g, b, W, c: W * g**2), "The scale came in twice."),
        (made(lambda g, b, W, c: (W * g).T), "The weight is transposed: it comes as (n, C), and stays so."),
        (
            made(bias=lambda g, b, W, c: (c + W @ b)[:, None]),
            "The numbers are right. The bias should be (n,), without a second dimension.",
        ),
        (lambda *given: fold(*given)[::-1], "The weight comes first, then the bias."),
        (in_16_bits, "The numbers lost digits on a way through 16 bits."),
        (
            made(lambda g, b, W, c: W * g - (W * g).mean(1, keepdim=True)),
            "Without its mean a row does the same on x whose mean is 0; but equality is asked for every z.",
        ),
    ],
    right="What a norm learned can be moved into the layers that read it: then x is only brought to size.",
)
