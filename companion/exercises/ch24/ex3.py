"""The check of exercise 24.3: The other remedy."""

import torch

from companion.exercises.exercise import Function, Problem
from companion.exercises.settle import Record, as_tensor


def counted(share, chosen):
    n = share.shape[1]
    return torch.tensor([(chosen == e).sum().item() for e in range(n)]).to(share)


def balance_loss(share, chosen):
    return share.shape[1] * (counted(share, chosen) / chosen.numel() * share.mean(0)).sum()


def with_gradient(answer, share, chosen):
    given, share = share, share.clone().requires_grad_()
    found = answer(share, chosen)
    tensor = found if torch.is_tensor(found) else as_tensor(found)
    if tensor is None or tensor.numel() != 1 or not tensor.requires_grad:
        return Record("", {"loss": found, "gradient by share": None})
    [gradient] = torch.autograd.grad(tensor.sum(), share, allow_unused=True)
    if not torch.equal(given, share):
        raise Problem("Your answer changes `share`. The caller may still need it as it was; work on a copy.")
    return Record("", {"loss": tensor.detach(), "gradient by share": gradient})


def loss_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    cases = [
        (torch.tensor([[0.9, 0.1], [0.7, 0.3]]), torch.tensor([[0], [0]])),
        (torch.full((4, 4), 0.25), torch.arange(4)[:, None]),
        (torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([[0, 1]])),
    ]
    for rows, n, k in ((5, 3, 2), (7, 4, 1), (6, 5, 3)):
        share = torch.randn(rows, n, generator=generator).softmax(-1)
        cases.append((share, torch.rand(rows, n, generator=generator).topk(k).indices))
    return cases


def without_e(share, chosen):
    return balance_loss(share, chosen) / share.shape[1]


def by_tokens(share, chosen):
    return balance_loss(share, chosen) * chosen.shape[1]


def counts_alone(share, chosen):
    return share.shape[1] * (counted(share, chosen) * share.mean(0)).sum()


def sum_of_shares(share, chosen):
    return balance_loss(share, chosen) * len(share)


def squares_of_shares(share, chosen):
    return share.shape[1] * share.mean(0).square().sum()


def mean_over_experts(share, chosen):
    return balance_loss(share, chosen) / share.shape[1] ** 2


def detached(share, chosen):
    return balance_loss(share, chosen).detach()


def times_k(share, chosen):
    return chosen.shape[1] * balance_loss(share, chosen) / share.shape[1]


def first_choices(share, chosen):
    return balance_loss(share, chosen[:, :1])


def best_of_share(share, chosen):
    return balance_loss(share, share.argmax(1, keepdim=True))


def without_sum(share, chosen):
    return share.shape[1] * (counted(share, chosen) / chosen.numel() * share.mean(0))


EXERCISE = Function(
    number="24.3",
    title="The other remedy",
    stars=2,
    wants="balance_loss(share, chosen)",
    cases=loss_cases,
    oracle=balance_loss,
    call=with_gradient,
    mistakes=[
        (without_e, "The factor E is missing: evenly used experts should give 1."),
        (by_tokens, "You divide the counts by N. There are N k choices."),
        (counts_alone, "You take the counts. $f_e$ is the part of all choices, so that they sum to 1."),
        (sum_of_shares, "You sum the shares over the tokens. $P_e$ is their mean."),
        (squares_of_shares, "That is made of the shares alone. What was chosen must count too."),
        (mean_over_experts, "You take the mean over the experts; it is E times the sum."),
        (detached, "The value is right, but nothing can learn from it: it has no gradient by `share`."),
        (times_k, "The factor is E, the number of experts, not k."),
        (first_choices, "You count first choices only. All k choices of a token count."),
        (best_of_share, "You count the largest share of each token. Count what `chosen` says."),
        (without_sum, "You have one number for each expert. The loss is their sum."),
    ],
    right="It is 1 at balance, and the gradient pushes the share of busy experts down.",
)
