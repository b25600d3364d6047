"""The check of exercise 15.2: Padding on either side."""

import random

import torch

from companion.exercises.exercise import Function


def last_states(hidden, mask):
    rows = []
    for states, real in zip(hidden, mask, strict=True):
        rows.append(states[real.nonzero()[-1, 0]])
    return torch.stack(rows)


def cases(seed):
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    shapes = [(1, 1, 1, "right"), (1, 3, 2, "right"), (1, 3, 2, "left"), (2, 4, 3, "right"),
              (2, 4, 3, "left"), (3, 5, 2, "both"), (4, 7, 3, "both"),
              (5, 6, 4, "right"), (6, 3, 5, "left")]  # fmt: skip
    made = []
    if seed == 0:
        # a place above 127 is no int8, one above 256 not always a bfloat16, one above 2048 no float16
        for T, start, end in ((200, 0, 200), (400, 3, 298), (2300, 100, 2250)):
            mask = torch.zeros(1, T, dtype=torch.bool)
            mask[0, start:end] = True
            made.append((torch.arange(float(T))[None, :, None], mask))
    for B, T, C, side in shapes if seed == 0 else shapes[3:]:
        mask = torch.zeros(B, T, dtype=torch.bool)
        for row in range(B):
            n = T if row == B - 1 and side != "both" else rng.randint(1, T)
            start = {"right": 0, "left": T - n, "both": rng.randint(0, T - n)}[side]
            mask[row, start : start + n] = True
        made.append((torch.randn(B, T, C, generator=generator), mask))
    return made


def by_count(hidden, mask):
    return hidden[torch.arange(len(hidden)), mask.sum(1) - 1]


def at_the_end(hidden, mask):
    return hidden[:, -1]


def at_the_start(hidden, mask):
    return hidden[:, 0]


def first_real(hidden, mask):
    return hidden[torch.arange(len(hidden)), mask.long().argmax(1)]


def at_count(hidden, mask):
    return hidden[torch.arange(len(hidden)), mask.sum(1).clamp(max=hidden.shape[1] - 1)]


def before_padding(hidden, mask):
    """Right for padding on one side alone; where there is padding on both, the first is left of the row."""
    return hidden[torch.arange(len(hidden)), (~mask).int().argmax(1) - 1]


def mean(hidden, mask):
    return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def mean_of_all(hidden, mask):
    return hidden.mean(1)


def from_the_left(hidden, mask):
    """Right for padding on the left alone."""
    return hidden[torch.arange(len(hidden)), -torch.ones(len(hidden), dtype=torch.long)]


def of_the_longest(hidden, mask):
    return hidden[:, mask.sum(1).max() - 1]


def row_of_all(hidden, mask):
    return hidden[:, mask.sum(1) - 1]


def masked_out(hidden, mask):
    return (hidden * mask[..., None])[:, -1]


def with_a_dimension(hidden, mask):
    return last_states(hidden, mask)[:, None]


COUNT = "With padding on the left, the number of real tokens is not where the last one stands."
EXERCISE = Function(
    number="15.2",
    title="Padding on either side",
    stars=1,
    wants="last_states(hidden, mask)",
    cases=cases,
    oracle=last_states,
    mistakes=[
        (by_count, COUNT),
        (at_the_end, "That is the batch's last position: padding, where rows are filled up on the right."),
        (at_the_start, "That is the first position of each row."),
        (first_real, "`argmax` of the mask finds the first real token. The last is wanted."),
        (at_count, "The state behind the last real token was read: positions count from 0. " + COUNT),
        (
            before_padding,
            "You looked for the first padding. It may stand left of the tokens, and more right of them.",
        ),
        (mean, "That is the mean over the real tokens. The state at the last of them is wanted."),
        (mean_of_all, "That is the mean over all positions, padding too."),
        (of_the_longest, "Each row has its own last token; you took the longest row's for all."),
        (row_of_all, "That takes all rows' positions from each row: (B, B, C). Pair row 0 with its own."),
        (masked_out, "Multiplying by the mask makes padding 0. It moves no state to the end."),
        (with_a_dimension, "There is a dimension too many: (B, C) is wanted."),
    ],
    right="The mask says where the last token is, whichever side was filled up: many models for chat are "
    "padded on the left, so that all rows end together.",
)
