"""The checks of chapter 18, Rewards."""

import random
from math import comb

import torch

from companion.exercises.notation import Chapter

chapter = Chapter()

chapter.number(
    "18.1 How many draws? ★",
    wants="draws_needed()",
    answer=6,
    tolerance=0.001,
    mistakes="""
        5
            With five, all fail in 0.4 ** 5 = 0.01024 of the cases: that is more than one in a hundred.
        9
            `0.6 ** 9` is about 0.01: that all nine succeed. Asked is when all fail.
        10
            `0.6 ** 10` is below 0.01: that all ten succeed. Asked is when all fail.
        2
            On average 1.7 draws are needed for the first true one, but one in a hundred needs many more.
        1
            One draw fails in 0.4 of the cases.
        0.99
            That is the share wanted. How many draws give it?
        5.026
            That is where `0.4 ** n` is exactly 0.01. Draws are whole.
    """,
    right="Six draws: all fail in 0.4⁶ = 0.004 of the cases. Five leave 0.0102, a little too much.",
)


# -- 18.2 ------------------------------------------------------------------
def reward_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for shape in [(2, 3), (3, 2), (3, 3), (4, 5), (5, 8), (2, 17)]:
        yield (torch.randn(shape, generator=generator),)


@chapter.function(
    "18.2 Without yourself ★",
    inputs="""
        torch.tensor([[1.0, 0, 1, 0]]) || torch.tensor([[0.0, 6]]) || torch.tensor([[2.0, 2, 2]])
        torch.tensor([[1.0, 2], [3, 5]])
        torch.tensor([[0.0, 100, 50]])
    """,
    cases=reward_cases,
    mistakes="""
        rewards - baseline => rewards - rewards.mean(1, keepdim=True)
            You subtract the mean of the whole group. The reward itself must not be in it.
        rewards - baseline => rewards - rewards.mean()
            You subtract the mean over all groups. Each row is a group of its own.
        rewards.shape[1] - 1 => rewards.shape[1]
            The sum of the others is divided by G. They are one fewer.
        rewards - baseline => baseline
            That is the baseline, the mean of the others. It is to be subtracted from the reward.
        rewards - baseline => rewards - rewards.mean(0, keepdim=True)
            You take the mean over the groups, down a column. A group is a row.
        = (rewards - rewards.mean(1, keepdim=True)) / rewards.std(1, keepdim=True, correction=0)
        = (rewards - rewards.mean(1, keepdim=True)) / rewards.std(1, keepdim=True)
        = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True, correction=0) + 1e-4)
            That is equation (2). Here the mean is of the others, and nothing is divided by a spread.
    """,
    right="It is the deviation from the group's mean, times G / (G - 1): what the mean of all took away.",
)
def leave_one_out(rewards):
    others = rewards.sum(1, keepdim=True) - rewards
    baseline = others / (rewards.shape[1] - 1)
    return rewards - baseline


# -- 18.3 ------------------------------------------------------------------
def ratio_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for N, T, clip in ((2, 3, 0.2), (3, 3, 0.2), (2, 5, 0.1), (3, 4, 0.3)):
        ratio = torch.rand(N, T, generator=generator) * 2
        yield ratio, torch.randn(N, generator=generator), clip


@chapter.function(
    "18.3 Pushed far enough ★★★",
    inputs="""
        torch.tensor([[2.0]]), torch.tensor([1.0]), 0.2
        torch.tensor([[2.0]]), torch.tensor([-1.0]), 0.2
        torch.tensor([[0.5]]), torch.tensor([-1.0]), 0.2
        torch.tensor([[0.5]]), torch.tensor([1.0]), 0.2
        torch.tensor([[1.0, 3.0]]), torch.tensor([0.0]), 0.2
        torch.tensor([[1.25, 0.75]]), torch.tensor([2.0]), 0.3
        torch.tensor([[1.25, 0.75]]), torch.tensor([-2.0]), 0.1
        torch.tensor([[1.21, 0.81]]), torch.tensor([1.0]), 0.2
        torch.tensor([[1.19, 0.79]]), torch.tensor([-1.0]), 0.2
        torch.tensor([[1.203, 1.197]]), torch.tensor([0.1]), 0.2
        torch.tensor([[0.803, 0.797]]), torch.tensor([-0.1]), 0.2
        torch.tensor([[1.07, 0.93]]), torch.tensor([1.0]), 0.05
        torch.tensor([[1.07, 0.93]]), torch.tensor([-1.0]), 0.05
        torch.tensor([[1.55, 0.45]]), torch.tensor([-1.0]), 0.6
        torch.tensor([[0.1, 0.3]]), torch.tensor([-1.0]), 0.8
        torch.tensor([[0.1, 2.1, 3.0]]), torch.tensor([1.0]), 1.5
        torch.tensor([[0.1, 2.1, 3.0]]), torch.tensor([-1.0]), 1.5
        torch.tensor([[20.0, 0.01]]), torch.tensor([3.0]), 0.2
        torch.tensor([[0.5, 2.0]]), torch.tensor([1e-9]), 0.2
        torch.tensor([[0.5, 2.0]]), torch.tensor([-1e-4]), 0.2
        torch.tensor([[1.5, 1.5], [0.5, 0.5]]), torch.tensor([1.0, -1.0]), 0.2
    """,
    cases=ratio_cases,
    mistakes="""
        = (ratio > 1 + clip) | (ratio < 1 - clip)
        = (ratio > 1 + clip) | (ratio < 1 - clip) | (advantages[:, None] == 0)
            You mark every ratio outside the bounds. Which of the two does the minimum take?
        | (A == 0) =>
            An advantage of 0 gives no gradient either.
        | too_low =>
            You mark good tokens only. Bad ones can be pushed far enough, too.
        = idle(ratio, -advantages, clip)
            The sides are exchanged: a good token is pushed up, so it can be too far up only.
    """,
    right="The clip stops a push that went far enough, and never one that goes back.",
)
def idle(ratio, advantages, clip):
    A = advantages[:, None]
    too_high = (A > 0) & (ratio > 1 + clip)
    too_low = (A < 0) & (ratio < 1 - clip)
    return too_high | too_low | (A == 0)


# -- 18.4 ------------------------------------------------------------------
def group_cases(seed):
    rng = random.Random(seed)
    for groups, size in ((2, 4), (3, 3), (4, 5)):
        yield [rng.choice([0, 0.5, 1, -2]) for _ in range(groups * size)], size


@chapter.function(
    "18.4 Every pair ★★",
    inputs="""
        [1, 0], 2 || [0, 1], 2 || [1, 1], 2 || [0, 1, 1, 0], 2 || [1, 0, 1, 2, 2, 0], 3 || [], 2
        [3, 1, 2], 1 || [9, 10], 2 || [0.54, 0.5], 2 || [1e-07, 2e-07], 2
        [16777217, 16777216, 0.5, 0.25], 2
        list(range(20)), 20
    """,
    cases=group_cases,
    mistakes="""
        = all_pairs(rewards, max(1, len(rewards)))
            You pair texts of different groups. They follow different prompts.
        rewards[i] > rewards[j] => i != j and rewards[i] >= rewards[j]
            You pair texts with equal rewards. Neither of them is better.
        = [(i % size, j % size) for i, j in it]
            Places are counted anew in each group. Count through all rewards.
        = [(i, j) for i, j in it if i < j]
            The better one may stand behind the other in its group.
        = all_pairs(torch.tensor(rewards, dtype=torch.float32).tolist(), size)
            In float32, two rewards that differ may become equal. Compare them as they are.
        = sorted(it, key=lambda pair: (pair[0] // size, pair[1], pair[0]))
            The pairs are right, their order is not: by the better one first, then by the other.
    """,
    right="A group with k good and m bad texts gives k * m pairs; a group of equals gives none.",
)
def all_pairs(rewards, size):
    pairs = []
    for start in range(0, len(rewards), size):
        group = range(start, start + size)
        pairs += [(i, j) for i in group for j in group if rewards[i] > rewards[j]]
    return pairs


# -- 18.5 ------------------------------------------------------------------
def draw_cases(seed):
    return [] if seed == 0 else [(8 + seed, 3, 2), (64, 5 + seed, 10), (200, 1, 100), (1000, 10, 50)]


@chapter.function(
    "18.5 What would k draws find? ★★",
    inputs="""
        2, 1, 1 || 2, 1, 2 || 4, 0, 2 || 4, 4, 1 || 4, 2, 2 || 5, 3, 3 || 8, 6, 4 || 8, 1, 8 || 10, 4, 3
        1, 0, 1 || 1, 1, 1 || 10, 2, 7 || 1000, 1, 500 || 1000, 5, 500 || 1000, 18, 600 || 1000, 1, 999
        1000, 0, 1000
    """,
    cases=draw_cases,
    tolerance=1e-9,
    mistakes="""
        = 1 - (1 - right / n) ** k
            That takes the k with replacement: one of the n may be taken twice, and counts too little.
        = right / n
            That is the chance for a single one. With k, one at least of them must be right.
        1 - none_right => none_right
            That is the chance that none of the k is right.
        = min(1.0, k * right / n)
            Chances that can come together must not be added.
    """,
    right="It is the share of all choices of k that hold a right one; `pass@k` of papers on code is this.",
)
def found_in(n, right, k):
    none_right = comb(n - right, k) / comb(n, k)
    return 1 - none_right


# -- 18.6 ------------------------------------------------------------------
def distribution_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for shape in [(2, 3), (3, 2), (3, 3), (4, 7), (1, 40), (5, 5)]:
        p, q = (torch.randn(shape, generator=generator).mul(2).softmax(1) for _ in range(2))
        yield p, q


@chapter.function(
    "18.6 How far from the reference? ★★",
    inputs="""
        torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]])
        torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([[0.5, 0.5], [0.2, 0.8]])
        torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
        torch.tensor([[0.0, 0.25, 0.75]]), torch.tensor([[0.0, 0.5, 0.5]])
        torch.tensor([[0.5, 0.5], [0.25, 0.75]]), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
        torch.tensor([[1.0]]), torch.tensor([[1.0]])
        torch.tensor([[1e-7, 1 - 1e-7]]), torch.tensor([[0.0, 1.0]])
    """,
    cases=distribution_cases,
    mistakes="""
        = divergence(q, p)
            That is the divergence of q from p, the other way round: the weights must be p's.
        p * log_ratio => -p * q.log()
            That is the mean surprise at q. What p is surprised at itself has to be subtracted.
        = (p / q).log().sum(1)
            Each ln(p/q) counts once. It must count p times.
        .log() => .log2()
            That is in bits. The natural logarithm gives nats.
        .sum(1) => .mean(1)
            The terms are to be added up, not averaged over the words: p is the weight already.
        .sum(1) => .sum(0)
            You add up over the rows. A distribution is a row, and each has a number.
        torch.where(p > 0, p * log_ratio, 0.0) => p * log_ratio
            Where p is 0, the term is 0 · ln 0, and your computer calls that nan. It counts 0.
        p > 0 => (p > 0) & (q > 0)
            Where q is 0 and p is not, the divergence is infinite: q says that cannot be.
        = (p * ((p + 1e-6) / (q + 1e-6)).log()).sum(1)
            What you add to the probabilities shows: where q is 0 and p is not, it must be infinite.
        = torch.where((q == 0).any(1), torch.inf, it)
            A zero of q is infinite only where p is above 0: what neither says adds nothing.
        = torch.nn.functional.kl_div(q.log(), p, reduction="none").sum(1)
            Where p and q are both 0, yours is nan. The term counts 0.
    """,
    right="It is 0 only where both agree. A model that gives 0 to what the other says is infinitely far.",
)
def divergence(p, q):
    log_ratio = (p.double() / q.double()).log()
    terms = torch.where(p > 0, p * log_ratio, 0.0)
    return terms.sum(1).float()
