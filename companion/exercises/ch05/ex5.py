"""The check of exercise 5.5: The scale that was never needed."""

import torch
import torch.nn.functional as F
from torch import nn

from companion.exercises.exercise import Function, Problem
from companion.exercises.values import a


def fold(norm, linear):
    return folded(linear.weight * norm.weight, linear.bias + linear.weight @ norm.bias)


def folded(weight, bias):
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight, made.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return made


class LayerNorm(nn.Module):
    """With the attributes that the chapter's has, and no more."""

    def __init__(self, d_model):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))
        self.eps = 1e-5

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


def fold_cases(seed):
    torch.manual_seed(seed)
    small_norm, small = LayerNorm(2), nn.Linear(2, 2)
    with torch.no_grad():
        small_norm.weight.copy_(torch.tensor([2.0, 3.0]))
        small_norm.bias.copy_(torch.tensor([1.0, -1.0]))
        small.weight.copy_(torch.tensor([[1.0, 4.0], [2.0, 5.0]]))
        small.bias.copy_(torch.tensor([10.0, 20.0]))
    cases = [(small_norm, small, torch.tensor([[1.0, 3.0]]))]
    for wide, out in [(3, 5), (7, 4), (6, 11), (4, 1), (5, 2)]:
        norm, linear = LayerNorm(wide), nn.Linear(wide, out)
        if out != 2:  # a norm that has learned nothing yet
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
        if out == 1:
            norm.weight.data = torch.tensor([0.0, 1e-3, -2.0, 100.0])
        cases.append((norm, linear, torch.randn(2, 3, wide)))
    return cases


def use_folded(answer, norm, linear, x):
    made = answer(norm, linear)
    if not isinstance(made, nn.Linear) or made.bias is None:
        raise Problem(f"It must return an `nn.Linear`, with a weight and a bias; this is {a(made)}.")
    if made is linear:
        raise Problem(
            "It returns the layer that it was given. Make a new `nn.Linear`; the old one is still in use."
        )
    with torch.no_grad():
        found = {"weight": made.weight.detach().clone(), "bias": made.bias.detach().clone()}
        if found["weight"].shape == linear.weight.shape and found["bias"].shape == linear.bias.shape:
            found["output"] = made(F.layer_norm(x, x.shape[-1:], eps=norm.eps))
        if not damaged(norm, linear, made):
            return found
    raise Problem(
        "The new layer keeps its numbers where the old ones are: training the new one changes the one that "
        "it was made from. Copy them."
    )


def damaged(norm, linear, made):
    """Whether what is done to the new layer is done to the old ones."""
    old = [*norm.parameters(), *linear.parameters()]
    before = [p.clone() for p in old]
    for p in made.parameters():
        p += 1
    changed = any(not torch.equal(p, was) for p, was in zip(old, before, strict=True))
    for p in made.parameters():
        p -= 1
    for p, was in zip(old, before, strict=True):
        p.copy_(was)
    return changed


EXERCISE = Function(
    number="5.5",
    title="The scale that was never needed",
    stars=2,
    wants="fold(norm, linear)",
    cases=fold_cases,
    oracle=fold,
    call=use_folded,
    shown="{f}(norm, linear), tried on x = {2}",
    mistakes=[
        (
            lambda norm, linear: folded(
                linear.weight * norm.weight[:, None], linear.bias + linear.weight @ norm.bias
            ),
            "You scaled the rows of the matrix. The norm scales what it reads, and that meets its columns.",
        ),
        (
            lambda norm, linear: folded(
                linear.weight * norm.weight, linear.bias + linear.weight * norm.weight @ norm.bias
            ),
            "The shift is scaled, too: it is added after the scale, so it meets the old matrix, not the new.",
        ),
        (
            lambda norm, linear: folded(linear.weight * norm.weight, linear.bias),
            "The scale is in, and the norm's shift got lost.",
        ),
        (
            lambda norm, linear: folded(linear.weight * norm.weight, linear.weight @ norm.bias),
            "The bias that the linear layer had got lost.",
        ),
        (
            lambda norm, linear: folded(linear.weight, linear.bias + linear.weight @ norm.bias),
            "The shift is in, and the norm's scale got lost.",
        ),
        (
            lambda norm, linear: folded(linear.weight * norm.weight, linear.bias + norm.bias),
            "The norm's shift goes through the matrix, too, before it meets the bias.",
        ),
        (
            lambda norm, linear: folded(linear.weight / norm.weight, linear.bias + linear.weight @ norm.bias),
            "You divided by the scale, as if to undo it. The new layer has to do it itself.",
        ),
        (
            lambda norm, linear: folded(linear.weight, linear.bias),
            "That is a copy of the linear layer: neither scale nor shift are in it.",
        ),
        (
            lambda norm, linear: folded(
                (linear.weight * norm.weight).T, linear.bias + linear.weight @ norm.bias
            ),
            "The matrix is transposed: `nn.Linear` keeps its weight as (outputs, inputs).",
        ),
    ],
    right="Before a linear layer, scale and shift say nothing that it could not say itself.",
)
