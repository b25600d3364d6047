"""The check of exercise 11.4: Three in one."""

import math

import torch

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record, settle
from companion.exercises.values import a


def split_heads(weight, n_heads):
    D = len(weight) // (3 * n_heads)
    groups = weight.split(D)  # head 0's q, k and v, then head 1's
    return tuple(torch.cat(groups[i::3]) for i in range(3))


def weight_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.arange(3.0)[:, None], 1),
        (torch.arange(6.0)[:, None], 1),
        (torch.arange(6.0)[:, None], 2),
        (torch.arange(12.0), 2),
        (torch.arange(12.0)[:, None], 2),
        (torch.arange(36.0).view(18, 2), 3),
        (torch.tensor([0.0, 1, 2, 3, math.nan, math.inf])[:, None], 2),
    ]
    cases = cases if seed == 0 else []
    for H, D, C in [(3, 5, 7), (2, 8, 3), (5, 4, 20), (4, 6, 11)]:
        cases.append((torch.randn(3 * H * D, C, generator=generator), H))
        cases.append((torch.randn(3 * H * D, generator=generator), H))
    return cases


def try_splitting(answer, weight, n_heads):
    found = settle(answer(weight, n_heads))
    parts = list(found) if isinstance(found, list | tuple | torch.Tensor) and len(found) == 3 else None
    if parts is None:
        shape = f" of shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else ""
        shape = f" of {len(found)}" if isinstance(found, list | tuple) else shape
        raise Problem(
            f"It must return three tensors, of queries, keys and values; this is {a(found)}{shape}."
        )
    return Record("", dict(zip("qkv", parts, strict=True)))


# -- mistakes ------------------------------------------------------------------


def cut(weight, n_heads):
    """(heads, 3, D, …)"""
    return weight.unflatten(0, (n_heads, 3, -1))


def each(change):
    return lambda weight, n_heads: tuple(change(part) for part in split_heads(weight, n_heads))


def ordered(*order):
    return lambda weight, n_heads: tuple(
        split_heads(weight, n_heads)[i] for i in range(3) for i in order[i : i + 1]
    )


def of_matrices(weight, n_heads):
    rows, columns = weight.shape
    whole = weight.reshape(n_heads, 3, -1, columns)
    return tuple(whole[:, i].reshape(-1, columns) for i in range(3))


def width_from_columns(weight, n_heads):
    D = max(weight.shape[-1] // n_heads, 1)
    whole = weight.unflatten(0, (n_heads, 3 * D))
    return tuple(whole[:, i * D : (i + 1) * D].flatten(0, 1) for i in range(3))


def width_taken(width):
    """D from the columns: `width` finds how many there are, or fails as readers' do."""

    def wrong(weight, n_heads):
        parts = weight.unflatten(0, (n_heads, 3, width(weight) // n_heads))
        return tuple(part.flatten(0, 1) for part in parts.unbind(1))

    return wrong


def two_sizes(weight):
    rows, columns = weight.shape
    return columns


def halves(part, n_heads):
    heads = part.unflatten(0, (n_heads, -1))
    if heads.shape[1] % 2:
        return part
    return heads.unflatten(1, (-1, 2)).transpose(1, 2).flatten(0, 2)


PAIRS = "The rows of a head keep their order: GPT-NeoX pairs them for rotation as we do."

EXERCISE = Function(
    number="11.4",
    title="Three in one",
    stars=2,
    wants="split_heads(weight, n_heads)",
    cases=weight_cases,
    oracle=split_heads,
    call=try_splitting,
    mistakes=[
        (
            lambda weight, n_heads: weight.chunk(3),
            "That is GPT-2's order: all queries, all keys, all values. Here each head has "
            "its three together.",
        ),
        (
            lambda weight, n_heads: tuple(weight.unflatten(0, (3, n_heads, -1))),
            "That is GPT-2's order: all queries, all keys, all values. Here each head has "
            "its three together.",
        ),
        (
            lambda weight, n_heads: (weight[0::3], weight[1::3], weight[2::3]),
            "You took every third row. A head has D rows of queries, then D of keys, then D of values.",
        ),
        (
            lambda weight, n_heads: cut(weight, n_heads).unbind(1),
            "The parts are right. The heads should be joined again, to H·D rows.",
        ),
        (ordered(2, 1, 0), "Queries come first, then keys, then values; yours are the other way round."),
        (ordered(1, 0, 2), "Queries and keys are exchanged."),
        (ordered(0, 2, 1), "Keys and values are exchanged."),
        (ordered(1, 2, 0), "Queries come first, then keys, then values."),
        (ordered(2, 0, 1), "Queries come first, then keys, then values."),
        (
            lambda weight, n_heads: tuple(
                part.flatten(0, 1) for part in weight.unflatten(0, (-1, 3, n_heads)).unbind(1)
            ),
            "You cut heads that are `n_heads` rows wide. There should be `n_heads` of them.",
        ),
        (
            lambda weight, n_heads: tuple(
                part.flatten(0, 1) for part in weight.unflatten(0, (-1, n_heads, 3)).unbind(2)
            ),
            "You took every third row. A head has D rows of queries, then D of keys, then D of values.",
        ),
        (
            lambda weight, n_heads: tuple(
                part.flatten(0, 1) for part in weight.unflatten(0, (-1, 3, n_heads)).transpose(1, 2).unbind(2)
            ),
            "You cut heads that are `n_heads` rows wide. There should be `n_heads` of them.",
        ),
        *[
            (
                mistake,
                "You took D from the columns, of which a bias has none; and C need not be H·D. A head's "
                "width follows from the rows.",
            )
            for mistake in (
                width_from_columns,
                width_taken(lambda weight: weight.shape[-1]),
                width_taken(lambda weight: weight.shape[1]),
                width_taken(two_sizes),
            )
        ],
        (of_matrices, "A bias has no columns: (3·H·D,). It is cut the same way."),
        (
            lambda weight, n_heads: tuple(
                part.flatten(0, 1)
                for part in weight.reshape(n_heads, 3, len(weight) // n_heads // 3, -1).unbind(1)
            ),
            "The bias came out with a dimension too many: (3·H·D,) should give (H·D,).",
        ),
        (
            lambda weight, n_heads: tuple(cut(weight, n_heads)[0]),
            "Only the first head's rows are there.",
        ),
        (
            lambda weight, n_heads: tuple(cut(weight, n_heads)[-1]),
            "Only the last head's rows are there.",
        ),
        (
            lambda weight, n_heads: tuple(
                part.transpose(0, 1).flatten(0, 1) for part in cut(weight, n_heads).unbind(1)
            ),
            "The heads got mixed: first all rows of head 0, then all of head 1.",
        ),
        (
            lambda weight, n_heads: tuple(
                part.flip(0).flatten(0, 1) for part in cut(weight, n_heads).unbind(1)
            ),
            "The heads are in the wrong order.",
        ),
        (
            lambda weight, n_heads: tuple(part.mean(0) for part in cut(weight, n_heads).unbind(1)),
            "You averaged over the heads. Each keeps its own rows.",
        ),
        (
            each(lambda part: part.T if part.dim() == 2 else part),
            "The parts are transposed: (H·D, C) is wanted, as they come.",
        ),
        (
            lambda weight, n_heads: (lambda q, k, v: (q / (len(q) // n_heads) ** 0.5, k, v))(
                *split_heads(weight, n_heads)
            ),
            "The queries are right but for a factor. Attention divides by √D itself.",
        ),
        (
            lambda weight, n_heads: tuple(halves(part, n_heads) for part in split_heads(weight, n_heads)),
            PAIRS,
        ),
        (
            lambda weight, n_heads: (lambda q, k, v: (halves(q, n_heads), halves(k, n_heads), v))(
                *split_heads(weight, n_heads)
            ),
            PAIRS,
        ),
        (
            each(lambda part: part.nan_to_num()),
            "NaN and infinities should stay: a file with one in it has a fault to be seen.",
        ),
        (
            each(lambda part: part.bfloat16()),
            "The numbers lost bits on the way. They should stay as they are.",
        ),
    ],
    right="The same numbers in another order: the wrong one loads without a word, and says nonsense.",
)
