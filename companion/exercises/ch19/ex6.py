"""The check of exercise 19.6: Columns that are read loudly."""

import torch

from companion.exercises.exercise import Function


def nearest(W, bits):
    most = 2 ** (bits - 1) - 1
    scale = W.abs().amax(1, keepdim=True) / most
    return (W / scale).round().clamp(-most, most) * scale


def protect(W, loud, alpha, bits):
    factor = loud**alpha
    return nearest(W * factor, bits) / factor


def cases(seed):
    g = torch.Generator().manual_seed(seed)
    made = []
    if seed == 0:
        W = torch.tensor([[1.0, 0.2], [-0.4, 0.9]])
        made += [(W, torch.tensor([1.0, 4.0]), 1.0, 3), (W, torch.tensor([4.0, 1.0]), 0.5, 3)]
        made += [(W, torch.tensor([1.0, 4.0]), 0.0, 3)]
        # an exponent above 1; weights so small that a least scale would show
        loud = torch.tensor([3.0, 0.5, 1.7])
        made.append((torch.randn(2, 3, generator=g), loud, 1.5, 3))
        made.append((torch.randn(2, 3, generator=g) / 100, loud, 0.5, 4))
    for out, into, bits in ((3, 5, 3), (4, 7, 4), (6, 3, 2)):
        loud = torch.rand(into, generator=g) * 5 + 0.1
        made.append((torch.randn(out, into, generator=g), loud, 0.25 + seed / 4, bits))
    return made


def halved(W, bits):
    most = 2 ** (bits - 1) - 1
    scale = (W.abs().amax(1, keepdim=True) / most).half().float()
    return (W / scale).round().clamp(-most, most) * scale


def scale_too_early(W, loud, alpha, bits):
    most, factor = 2 ** (bits - 1) - 1, loud**alpha
    scale = W.abs().amax(1, keepdim=True) / most
    return (W * factor / scale).round().clamp(-most, most) * scale / factor


def integers(W, loud, alpha, bits):
    scaled = W * loud**alpha
    return (scaled / (scaled.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1))).round()


EXERCISE = Function(
    number="19.6",
    title="Columns that are read loudly",
    stars=3,
    wants="protect(W, loud, alpha, bits)",
    cases=cases,
    oracle=protect,
    mistakes=[
        (lambda W, loud, alpha, bits: nearest(W * loud**alpha, bits), "Divide the columns again."),
        (
            lambda W, loud, alpha, bits: nearest(W, bits),
            "That is plain rounding: the columns were not scaled.",
        ),
        (
            lambda W, loud, alpha, bits: nearest(W / loud**alpha, bits) * loud**alpha,
            "Loud columns are to be multiplied before rounding, so that they get more of the grid.",
        ),
        (lambda W, loud, alpha, bits: protect(W, loud, 1.0, bits), "The exponent alpha was left out."),
        (
            lambda W, loud, alpha, bits: protect(W, loud * alpha, 1.0, bits),
            "Alpha is an exponent, not a factor.",
        ),
        (
            lambda W, loud, alpha, bits: nearest((W * loud**alpha).T, bits).T / loud**alpha,
            "The scale is one for each row, not for each column.",
        ),
        (
            lambda W, loud, alpha, bits: protect(W, loud.clamp(min=1), alpha, bits),
            "`loud` may be below 1; such columns are made smaller.",
        ),
        (
            lambda W, loud, alpha, bits: halved(W * loud**alpha, bits) / loud**alpha,
            "The scale is to be float32; `round_to_grid` keeps it as float16, with three digits.",
        ),
        (
            lambda W, loud, alpha, bits: (
                nearest((W * loud**alpha).view(1, -1), bits).view_as(W) / loud**alpha
            ),
            "You took one scale for the whole matrix; each row has its own.",
        ),
        (scale_too_early, "Find the scale after the columns were multiplied: it follows the largest then."),
        (
            lambda W, loud, alpha, bits: protect(W, loud, alpha, bits + 1),
            "The largest integer, n, is 2 to the power of bits − 1, less 1: equation (1).",
        ),
        (integers, "Those are the integers: multiply the scale back, and divide the columns."),
        (
            lambda W, loud, alpha, bits: protect(W, loud, alpha, bits).half(),
            "The result is float32, not float16.",
        ),
        (lambda W, loud, alpha, bits: W.clone(), "Nothing was rounded."),
    ],
    right="A loud column gets a finer grid, and the product stays what it was: the factors cancel.",
)
