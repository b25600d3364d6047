"""The check of exercise 6.5: One table, two teachers."""

import copy

import torch
import torch.nn.functional as F

from companion.exercises.ch06.shared import GPT, Shape, gpt_cases, trained
from companion.exercises.exercise import Function, Problem
from companion.exercises.values import a


def two_gradients(model, x, y):
    return apart(model, x, y)


def apart(model, x, y, reduction="mean", positions=slice(None)):
    read, say = (model.embed.token.weight.detach().clone().requires_grad_() for _ in range(2))
    h = F.embedding(x, read) + model.embed.position.weight[: x.shape[1]]
    for block in model.blocks:
        h = block(h)
    logits = F.linear(model.norm(h), say)[:, positions]
    loss = F.cross_entropy(logits.flatten(0, 1), y[:, positions].flatten(), reduction=reduction)
    return torch.autograd.grad(loss, [read, say])


def two_cases(seed):
    """Besides the cases of chapter 6, a model that has dropout and is not in training."""
    torch.manual_seed(seed)
    quiet = trained(GPT(Shape(7, 6, 1, 2, 4, 5, dropout=0.4))).eval()
    return [*gpt_cases(seed), (quiet, torch.tensor([[3, 1, 3]]), torch.tensor([[1, 3, 0]]))]


def both_gradients(answer, model, x, y):
    given = copy.deepcopy(model)
    for p in given.parameters():
        p.grad = torch.ones_like(p)  # left over from an earlier step
    modes = {name: module.training for name, module in given.named_modules()}
    found = answer(given, x, y)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Problem(f"It must return two tensors, the look-up's and the head's; this is {a(found)}.")
    if any(gradient is None for gradient in found):
        raise Problem(
            "One of the two is None: that tensor took no part in the loss, or `backward` has not been called."
        )
    before, after = model.state_dict(), given.state_dict()
    changed = [name for name in after if name not in before or not torch.equal(after[name], before[name])]
    if changed:
        raise Problem(
            f"Your answer changes the model that it is given: `{changed[0]}` was not so before. The "
            "caller may still need it as it was; work on a copy."
        )
    if modes != {name: module.training for name, module in given.named_modules()}:
        raise Problem("Your answer changes the model's mode, `train()` or `eval()`. Leave it as it was.")
    if not all(p.requires_grad for p in given.parameters()):
        raise Problem("The model that it is given cannot learn any more: `requires_grad` is off.")
    held = [p.grad is not None and bool((p.grad == 1).all()) for p in given.parameters()]
    return {
        "as a look-up": found[0],
        "as the head": found[1],
        "gradients that the model held": "as they were" if all(held) else "changed or gone",
    }


def whole_twice(model, x, y):
    whole = sum(apart(model, x, y))
    return whole, whole


def rows_of(tokens, gradient):
    seen = torch.zeros(len(gradient), 1)
    seen[tokens.flatten()] = 1
    return gradient * seen


def rows_shared_out(model, x, y):
    whole = sum(apart(model, x, y))
    return rows_of(x, whole), whole - rows_of(x, whole)


def rows_of_both(model, x, y):
    whole = sum(apart(model, x, y))
    return rows_of(x, whole), rows_of(y, whole)


def added_to_the_left_over(model, x, y):
    read, say = apart(model, x, y)
    model.embed.token.weight.grad += read  # as `backward` does
    return model.embed.token.weight.grad, say


BY_ROWS = (
    "You split the whole gradient by rows. But a row that was read learns from both teachers at once: split "
    "by role, with a tensor for each."
)


EXERCISE = Function(
    number="6.5",
    title="One table, two teachers",
    stars=2,
    wants="two_gradients(model, x, y)",
    cases=two_cases,
    oracle=two_gradients,
    call=both_gradients,
    shown="{f}(model, x = {1}, y = {2})",
    mistakes=[
        (
            whole_twice,
            "Both are the whole gradient: the two roles still share one tensor. The head needs a copy of "
            "the table.",
        ),
        (
            lambda model, x, y: apart(model, x, y)[::-1],
            "The two are exchanged. In a look-up only the tokens in `x` learn; all other rows get 0.",
        ),
        (
            lambda model, x, y: apart(model, x, y, reduction="sum"),
            "You added up the losses of the positions. `F.cross_entropy` takes their mean unless told "
            "otherwise.",
        ),
        (
            lambda model, x, y: apart(model, x, y, positions=slice(-1, None)),
            "Only the last position was asked. All T of them have an answer in `y`.",
        ),
        (
            lambda model, x, y: (sum(apart(model, x, y)) / 2,) * 2,
            "Half of the whole for each: but the two roles learn different things. Give each its own tensor.",
        ),
        (
            lambda model, x, y: (sum(apart(model, x, y)), apart(model, x, y)[1]),
            "The first is still the whole gradient, with the head's part in it.",
        ),
        (
            lambda model, x, y: (rows_of(x, sum(apart(model, x, y))), apart(model, x, y)[1]),
            "The rows of tokens that were read learn as a head, too: keeping these rows of the whole is not "
            "enough.",
        ),
        (
            lambda model, x, y: (apart(model, x, y)[0], rows_of(y, apart(model, x, y)[1])),
            "As the head, every row learns, not only those of the right answers: the others learn to score "
            "lower.",
        ),
        (
            lambda model, x, y: (apart(model, x, y)[0], torch.zeros_like(model.embed.token.weight)),
            "The head's is 0 everywhere. Did the loss go through the tensor that you asked?",
        ),
        (rows_shared_out, BY_ROWS),
        (rows_of_both, BY_ROWS),
        (
            added_to_the_left_over,
            "`backward` adds to `.grad`, and this model still has gradients of an earlier step there.",
        ),
    ],
    right="Reading teaches only the rows that were read; as a head, every row learns in every step.",
)
