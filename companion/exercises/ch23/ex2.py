"""The check of exercise 23.2: Both in one mask."""

import torch

from companion.exercises.exercise import Function


def prefix_mask(lengths, T):
    mask = torch.ones(T, T, dtype=torch.bool).tril().repeat(len(lengths), 1, 1)
    for b, n in enumerate(lengths.tolist()):
        mask[b, :, :n] = True
    return mask[:, None]


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    made = [
        (torch.tensor([2]), 3),
        (torch.tensor([1]), 3),
        (torch.tensor([0]), 1),
        (torch.tensor([0, 3]), 3),
        (torch.tensor([2, 4]), 5),
    ]
    for b, t in ((3, 6), (2, 7), (5, 4)):
        made.append((torch.randint(0, t + 1, (b,), generator=generator), t))
    return made


def causal_alone(lengths, T):
    return torch.ones(T, T, dtype=torch.bool).tril().expand(len(lengths), 1, T, T)


def prefix_alone(lengths, T):
    return (torch.arange(T) < lengths[:, None])[:, None, None].expand(-1, 1, T, T)


def both_needed(lengths, T):
    return prefix_mask(torch.zeros_like(lengths), T) & prefix_alone(lengths, T)


def one_too_many(lengths, T):
    return prefix_mask((lengths + 1).clamp(max=T), T)


def one_too_few(lengths, T):
    return prefix_mask((lengths - 1).clamp(min=0), T)


def turned(lengths, T):
    return prefix_mask(lengths, T).mT


def opposite(lengths, T):
    return ~prefix_mask(lengths, T)


def square(lengths, T):
    mask = torch.zeros(len(lengths), T, T, dtype=torch.bool)
    for b, n in enumerate(lengths.tolist()):
        mask[b, :n, :n] = True
        mask[b, n:, n:] = torch.ones(T - n, T - n, dtype=torch.bool).tril()
    return mask[:, None]


def future_seen(lengths, T):
    return prefix_mask(lengths, T) | torch.ones(T, T, dtype=torch.bool).triu()


def without_heads(lengths, T):
    return prefix_mask(lengths, T)[:, 0]


def numbers(lengths, T):
    return prefix_mask(lengths, T).float()


def strict(lengths, T):
    return torch.ones(T, T, dtype=torch.bool).tril(-1) | prefix_alone(lengths, T)


def by_query(lengths, T):
    query = torch.arange(T)[:, None]
    return prefix_mask(torch.zeros_like(lengths), T) | (query < lengths[:, None, None, None])


def question_alone(lengths, T):
    inside = torch.arange(T) < lengths[:, None]  # (B, T)
    return (inside[:, None, :] & inside[:, :, None])[:, None]


def longest_for_all(lengths, T):
    return prefix_mask(lengths.max().expand_as(lengths), T)


def first_for_all(lengths, T):
    return prefix_mask(lengths[:1].expand_as(lengths), T)


def from_the_right(lengths, T):
    return prefix_mask(torch.zeros_like(lengths), T) | prefix_alone(T - lengths, T).logical_not()


def added(lengths, T):
    return torch.zeros(len(lengths), 1, T, T).masked_fill(~prefix_mask(lengths, T), -torch.inf)


def squeezed(lengths, T):
    return prefix_mask(lengths, T).squeeze()


EXERCISE = Function(
    number="23.2",
    title="Both in one mask",
    stars=2,
    wants="prefix_mask(lengths, T)",
    cases=cases,
    oracle=prefix_mask,
    mistakes=[
        (causal_alone, "That is the causal mask: the question should be seen in both directions."),
        (
            prefix_alone,
            "Only the question is seen. A token of the answer sees itself and those before it.",
        ),
        (both_needed, "You joined the two conditions by `and`; either is enough."),
        (
            one_too_many,
            "The token at place `lengths[b]` is the first of the answer, no more the question.",
        ),
        (one_too_few, "The last token of the question is at place `lengths[b]` − 1, and belongs to it."),
        (turned, "Queries and keys are exchanged: the query is the third dimension, the key the fourth."),
        (opposite, "True is where a query may look; yours is True where it may not."),
        (square, "The answer does not see the question in yours. It is what it should answer from."),
        (future_seen, "Here a query sees keys after it that are not of the question."),
        (without_heads, "Your mask is (B, T, T). A dimension of size 1 for the heads belongs second."),
        (numbers, "The mask should be bool, as `attend` wants it; yours holds numbers."),
        (strict, "A token of the answer does not see itself in yours."),
        (
            by_query,
            "Your question's tokens see everything. The question is what may be seen: ask it of the key.",
        ),
        (
            question_alone,
            "The answer's rows are empty. Its tokens see the question, themselves and those before.",
        ),
        (
            longest_for_all,
            "Each row of the batch has a question of its own length; you took the longest for all.",
        ),
        (
            first_for_all,
            "Each row of the batch has a question of its own length; you took the first's for all.",
        ),
        (from_the_right, "The question stands at the beginning: its places are 0 to `lengths[b]` − 1."),
        (added, "That is to be added to scores. The mask should be bool, True where a query may look."),
        (squeezed, "`squeeze` takes the dimension of the batch away, too, where that is 1."),
    ],
    right="The same weights are encoder, decoder or both; the mask alone decides.",
)
