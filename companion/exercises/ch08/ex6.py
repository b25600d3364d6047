"""The check of exercise 8.6: Guess first, ask later."""

import torch

from companion.exercises.exercise import Function, Problem


def speculate(p, q):
    kept = torch.minimum(p, q)
    accept = torch.where(q > 0, kept / q.clamp(min=1e-30), 1.0)
    left = p - kept
    return accept, left / left.sum() if left.sum() > 0 else p


def speculate_call(answer, p, q):
    """What comes out when a token drafted from q is kept, or else drawn from the rest; how many are kept."""
    given = answer(p, q)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise Problem("Return two tensors: `accept, rest`.")
    try:
        given = [torch.as_tensor(part, dtype=torch.float32) for part in given]
    except (TypeError, ValueError, RuntimeError):
        raise Problem("Return two tensors of numbers: `accept, rest`.") from None
    for name, tensor in zip(("accept", "rest"), given, strict=True):
        if tensor.shape != p.shape:
            raise Problem(f"`{name}` must be a tensor with a number for each token.")
        if tensor.isnan().any():
            raise Problem(
                f"`{name}` has a NaN in it: 0 divided by 0. That happens where q is 0, or where p and q are "
                "the same and nothing is left over. What stands there matters little; it must be a number."
            )
    accept, rest = given
    accepted = (q * accept).sum()
    return {
        "in 0 to 1": not bool(((accept < 0) | (accept > 1 + 1e-5) | (rest < 0)).any()),
        "rest sums to": round(rest.sum().item(), 3),
        "comes out": q * accept + (1 - accepted) * rest,
        "kept": accepted.item(),
    }


def speculate_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    p, q = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.25, 0.5, 0.25])
    cases = [(torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])), (p, q), (p, p)]
    cases += [(torch.tensor([0.0, 0.5, 0.5, 0.0]), torch.tensor([0.25, 0.75, 0.0, 0.0]))]
    for size in (5, 8, 13):
        p, q = (1.5 * torch.randn(2, size, generator=generator)).softmax(-1)
        cases.append((p, q))
    return cases


def speculate_rest_is_p(p, q):
    return speculate(p, q)[0], p


def speculate_rest_is_q(p, q):
    return speculate(p, q)[0], q


def speculate_rest_both_ways(p, q):
    left = (p - q).abs()
    return speculate(p, q)[0], left / left.sum() if left.sum() > 0 else p


def speculate_rest_not_divided(p, q):
    return speculate(p, q)[0], (p - q).clamp(min=0)


def speculate_upside_down(p, q):
    return torch.where(p > 0, (q / p.clamp(min=1e-30)).clamp(max=1), 1.0), speculate(p, q)[1]


def speculate_by_p(p, q):
    return p, speculate(p, q)[1]


def speculate_never(p, q):
    return torch.zeros_like(p), p


def speculate_always(p, q):
    return torch.ones_like(p), speculate(p, q)[1]


def speculate_all_or_nothing(p, q):
    return (p >= q).float(), speculate(p, q)[1]


def speculate_not_capped(p, q):
    return torch.where(q > 0, p / q.clamp(min=1e-30), 1.0), speculate(p, q)[1]


EXERCISE = Function(
    number="8.6",
    title="Guess first, ask later",
    stars=3,
    wants="speculate(p, q)",
    cases=speculate_cases,
    oracle=speculate,
    call=speculate_call,
    shown="{f}(p, q), p = {0}, q = {1}",
    mistakes=[
        (
            speculate_rest_is_p,
            "After a rejection you draw from p itself. But the likely tokens have had their chance when "
            "they were accepted; now they come too often. How much of each p is still missing?",
        ),
        (
            speculate_rest_is_q,
            "After a rejection you draw from the draft again. The draft is what was wrong: draw what it "
            "gives too rarely.",
        ),
        (
            speculate_rest_both_ways,
            "The rest holds tokens of which the draft already gave too much. Where q is above p, nothing is "
            "missing.",
        ),
        (
            speculate_rest_not_divided,
            "The rest is what is missing, and right in its shape. Does it sum to 1?",
        ),
        (
            speculate_upside_down,
            "Your ratio is upside down: it rejects tokens that the draft gives too rarely, and lets through "
            "those that it gives too often.",
        ),
        (
            speculate_by_p,
            "You accept with the probability p. But the token has been drafted with q already: both together "
            "would give it p times q.",
        ),
        (
            speculate_never,
            "Exact, and useless: the draft is never accepted. It is to be accepted as often as exactness "
            "allows.",
        ),
        (
            speculate_always,
            "Every draft is accepted, so the text is the small model's. It has to be the large one's.",
        ),
        (
            speculate_all_or_nothing,
            "You reject every token that the draft gives too often. Some of it is right: let a share of it "
            "through.",
        ),
        (
            speculate_not_capped,
            "An acceptance above 1 is no probability. Where the draft gives a token too rarely, the most "
            "that one can do is to accept it always; the rest brings what is missing.",
        ),
    ],
    right="Whatever the draft, the text is the large model's own; a better draft only makes it faster.",
)
