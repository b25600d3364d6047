"""The check of exercise 3.4: Multiply once, look up for ever."""

import torch
from torch import nn

from companion.exercises.ch03.shared import E
from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import as_tensor
from companion.exercises.values import changes, snapshot


def tables(token, mix):
    width = token.weight.shape[1]
    found = torch.stack([token.weight @ block.T for block in mix.weight.split(width, dim=1)])
    return with_bias(found, mix)


def with_bias(found, mix):
    """The bias in the first table, where there is one."""
    if mix.bias is not None:
        found[0] += mix.bias
    return found


def by_look_up(answer, rows, weight, bias, window):
    """Sum the answer's tables at each window's tokens: what the answer is for."""
    token = nn.Embedding(*rows.shape)
    mix = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    token.load_state_dict({"weight": rows})
    mix.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
    before = snapshot((token, mix))
    found = answer(token, mix)
    if change := changes(snapshot((token, mix)), before):
        index, _, attribute = change.place[1:].partition("]")
        raise Problem(
            f"Your answer changes its input: after the call, `{('token', 'mix')[int(index)]}"
            f"{attribute.rstrip(':')}` is {change.text or 'another'}. The caller still needs it: "
            "work on a copy."
        )
    n, expected = window.shape[-1], (window.shape[-1], len(rows), len(weight))
    found = found if isinstance(found, list | tuple) else as_tensor(found)
    if found is None:
        raise Problem("Your answer gives no tensor (n, V, outputs). Is a `return` missing?")
    if not isinstance(found, torch.Tensor):
        raise Problem(f"Your answer gives a {type(found).__name__}; `torch.stack` makes a tensor of a list.")
    if tuple(found.shape) != expected:
        raise Problem(
            f"Your tables have the shape {tuple(found.shape)}. For a window of {n} tokens, a vocabulary of "
            f"{len(rows)} and {len(weight)} outputs they must be {expected}."
        )
    return sum(found[j, window[:, j]] for j in range(n)).detach()


def tables_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    one = torch.tensor([[1.0], [10.0]])
    cases = [
        (one, torch.tensor([[3.0]]), torch.tensor([0.0]), torch.tensor([[1]])),
        (one, torch.tensor([[3.0, 5.0]]), None, torch.tensor([[1, 1]])),
        (one, torch.tensor([[3.0, 5.0]]), torch.tensor([0.0]), torch.tensor([[0, 1]])),
        (one, torch.tensor([[3.0, 5.0]]), torch.tensor([0.5]), torch.tensor([[0, 1]])),
        (
            E,
            torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 2.0]]),
            torch.zeros(2),
            torch.tensor([[1, 4]]),
        ),
    ]
    for v, c, n, d, biased in ((7, 2, 3, 5, True), (9, 4, 5, 3, True), (5, 3, 4, 2, False)):
        sizes = (v, c), (d, n * c), (d,)
        rows, weight, bias = (torch.randn(*size, generator=generator) for size in sizes)
        window = torch.randint(v, (6, n), generator=generator)
        cases.append((rows, weight, bias if biased else None, window))
    return cases


def tables_without_bias(token, mix):
    return torch.stack(
        [token.weight @ block.T for block in mix.weight.split(token.weight.shape[1], dim=1)],
    )


def tables_with_any_bias(token, mix):
    found = tables_without_bias(token, mix)
    found[0] += mix.bias
    return found


def tables_interleaved(token, mix):
    n = mix.weight.shape[1] // token.weight.shape[1]
    found = torch.stack([token.weight @ mix.weight[:, j::n].T for j in range(n)])
    return with_bias(found, mix)


def tables_not_transposed(token, mix):
    blocks = mix.weight.reshape(-1, token.weight.shape[1], len(mix.weight))
    return with_bias(token.weight @ blocks, mix)


def tables_reversed(token, mix):
    return with_bias(tables_without_bias(token, mix).flip(0), mix)


def tables_same_block(token, mix):
    found = tables_without_bias(token, mix)[:1].repeat(mix.weight.shape[1] // token.weight.shape[1], 1, 1)
    return with_bias(found, mix)


def tables_with_n_biases(token, mix):
    return tables_without_bias(token, mix) + (0 if mix.bias is None else mix.bias)


def with_tanh(share):
    """Tables through tanh; share: how much of the bias each of n tables has, as weights (n,)."""

    def tables_through_tanh(token, mix):
        found = tables_without_bias(token, mix)
        if mix.bias is not None:
            found = found + share(len(found))[:, None, None] * mix.bias
        return torch.tanh(found)

    return tables_through_tanh


EXERCISE = Function(
    number="3.4",
    title="Multiply once, look up for ever",
    stars=2,
    wants="tables(token, mix)",
    cases=tables_cases,
    oracle=tables,
    call=by_look_up,
    shown="token.weight = {0}, mix.weight = {1}, mix.bias = {2}; the sums are for the windows {3}",
    mistakes=[
        (
            tables_without_bias,
            "The vector `mix.bias` is missing. It is added to every sum; put it where it is added once.",
        ),
        (
            tables_with_any_bias,
            "An `nn.Linear` that was made with `bias=False` has None as its `bias`: then there is nothing to "
            "add.",
        ),
        (
            tables_with_n_biases,
            "`mix.bias` is in every table, so a sum over n tables has it n times. It belongs in one of them, "
            "or a share of it in each.",
        ),
        (
            tables_interleaved,
            "Your blocks take every n-th number of a row of `mix.weight`. The rows of the window lie side by "
            "side, one token's C numbers after the other's, so the blocks do too.",
        ),
        (
            tables_not_transposed,
            "You cut `mix.weight` as it is into blocks (C, outputs). It is (outputs, n C): each of its rows "
            "belongs to one output. `view` and `reshape` go on row by row, so transpose first.",
        ),
        (
            tables_reversed,
            "Your tables come in the wrong order: table 0 is for the oldest token of the window, whose row "
            "comes first.",
        ),
        (
            tables_same_block,
            "All your tables come from the same block. What a token says depends on its place in the window.",
        ),
        *(
            (
                with_tanh(share),
                "The tanh comes after the sum. The tanh of a sum is no sum of tanhs, so no table can hold "
                "it.",
            )
            for share in (
                lambda n: torch.eye(n)[0],  # the bias in the first table
                lambda n: torch.eye(n)[-1],
                lambda n: torch.ones(n) / n,
                lambda n: torch.ones(n),
                lambda n: torch.zeros(n),
            )
        ),
    ],
    right="Eight look-ups and seven additions do what took 65,536 multiplications a token.",
)
