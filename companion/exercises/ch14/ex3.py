"""The check of exercise 14.3: Where to point for induction."""

import torch

from companion.exercises.exercise import Function


def behind_same(tokens):
    T = tokens.shape[1]
    at = torch.arange(T)
    same = tokens[:, :, None] == torch.nn.functional.pad(tokens, (1, 0), value=-1)[:, None, :-1]
    return same & (at[:, None] >= at)


def cases(seed):
    by_hand = [
        (torch.tensor([[7, 3, 7]]),),
        (torch.tensor([[7, 3, 5]]),),
        (torch.tensor([[7, 7]]),),
        (torch.tensor([[7, 7, 7]]),),
        (torch.tensor([[7]]),),
        (torch.tensor([[7, 3, 7, 3, 7]]),),
        (torch.tensor([[1, 2, 1], [2, 2, 1]]),),
        (torch.tensor([[0, 4, 0, 4]]),),
        (torch.tensor([[300, 5, 44, 300]]),),  # 300 is 44 in eight bits
        (torch.tensor([[70000, 1, 4464]]),),  # the same in sixteen
        (torch.tensor([[2048, 1, 2049]]),),  # one number in half precision
        (torch.tensor([[50000, 1, 50001, 2, 50000]]),),
        (torch.tensor([[7, *range(30, 48), 7]]),),  # far apart
        (torch.tensor([[7, *range(300, 368), 7]]),),
    ]
    generator = torch.Generator().manual_seed(seed)
    made = by_hand if seed == 0 else []
    return made + [
        (torch.randint(3, (4, 6), generator=generator),),
        (torch.randint(5, (2, 9), generator=generator),),
    ]


def at_same(tokens):
    at = torch.arange(tokens.shape[1])
    return (tokens[:, :, None] == tokens[:, None]) & (at[:, None] > at)


def at_same_and_itself(tokens):
    at = torch.arange(tokens.shape[1])
    return (tokens[:, :, None] == tokens[:, None]) & (at[:, None] >= at)


def round_the_corner(tokens):
    at = torch.arange(tokens.shape[1])
    return (tokens[:, :, None] == tokens.roll(1, 1)[:, None]) & (at[:, None] >= at)


def future(tokens):
    return tokens[:, :, None] == torch.nn.functional.pad(tokens, (1, 0), value=-1)[:, None, :-1]


def not_itself(tokens):
    at = torch.arange(tokens.shape[1])
    return behind_same(tokens) & (at[:, None] > at)


def newest(tokens):
    found = behind_same(tokens)
    return found & (found.flip(-1).cumsum(-1).flip(-1) == 1)


def oldest(tokens):
    found = behind_same(tokens)
    return found & (found.cumsum(-1) == 1)


def in_front(tokens):
    at = torch.arange(tokens.shape[1])
    same = tokens[:, :, None] == torch.nn.functional.pad(tokens, (0, 1), value=-1)[:, None, 1:]
    return same & (at[:, None] > at + 1)


EXERCISE = Function(
    number="14.3",
    title="Where to point",
    stars=2,
    wants="behind_same(tokens)",
    cases=cases,
    oracle=behind_same,
    mistakes=[
        (at_same, "You point at the earlier same token. The one behind it is wanted."),
        (at_same_and_itself, "You point at the same tokens. The ones behind the earlier of them are wanted."),
        (
            round_the_corner,
            "The first token has none before it; `roll` takes the last token of the row for it.",
        ),
        (
            lambda tokens: future(tokens) & ~torch.eye(tokens.shape[1], dtype=torch.bool),
            "A query sees its own position and those before it, and no later ones.",
        ),
        (future, "A query sees its own position and those before it, and no later ones."),
        (not_itself, "In `7 7` the second 7 itself stands behind an earlier 7: a query may see itself."),
        (newest, "Every earlier same token counts, not the newest alone."),
        (oldest, "Every earlier same token counts, not the oldest alone."),
        (in_front, "You point at the token in front of the earlier one. The one behind it is wanted."),
        (lambda tokens: behind_same(tokens).mT, "Queries are rows, keys are columns: yours are exchanged."),
        (lambda tokens: behind_same(tokens)[0], "A mask for each row is wanted, (B, T, T)."),
        (lambda tokens: behind_same(tokens).any(0), "A mask for each row is wanted, (B, T, T)."),
        (lambda tokens: ~behind_same(tokens), "True is where to look. Yours is the reverse."),
        (
            lambda tokens: behind_same(tokens).any(-1),
            "For each query all its keys are wanted, (B, T, T); you only say whether it has some.",
        ),
    ],
    right="This mask points in any text. Where words repeat with their neighbors, a score may have other "
    "reasons.",
)
