"""The check of exercise 14.2: From which block on."""

import torch

from companion.exercises.exercise import Function


def settled(lens, answers):
    tops = lens.argmax(-1)  # (L + 1, B)
    found = []
    for right in (tops == answers).T.tolist():
        layer = len(right)
        while layer and right[layer - 1]:
            layer -= 1
        found.append(layer)
    return found


def lens_of(tops, V=5):
    """Scores (L + 1, B, V) whose largest are at these tokens, and the rest drawn; NaN-free."""
    tops = torch.tensor(tops)
    generator = torch.Generator().manual_seed(int(tops.sum()) + tops.numel())
    scores = torch.randn(*tops.shape, V, generator=generator)
    return scores.scatter(-1, tops[..., None], scores.max().item() + 1)


def close_race(tops, V):
    """The same where the largest is so by little: no token has as much as a fifth of the probability."""
    tops = torch.tensor(tops)
    scores = (torch.arange(V) / 100).expand(*tops.shape, V)
    return scores.scatter(-1, tops[..., None], 0.5)


def cases(seed):
    by_hand = [
        (lens_of([[3], [1], [2], [2]]), torch.tensor([2])),
        (lens_of([[1], [1], [1]]), torch.tensor([1])),
        (lens_of([[1], [2], [2]]), torch.tensor([1])),  # it knew, and forgot
        (lens_of([[1], [0], [1]]), torch.tensor([1])),  # it knew, forgot, and knew again
        (lens_of([[0, 1, 2], [0, 2, 2], [1, 2, 2], [1, 2, 3]]), torch.tensor([1, 2, 2])),
        (lens_of([[4, 4], [4, 0]]), torch.tensor([4, 4])),
        (lens_of([[2, 3]]), torch.tensor([2, 2])),
        (lens_of([[2], [1], [2], [1], [2]]), torch.tensor([2])),
        (lens_of([[2], [1], [2], [1], [2], [1], [2]]), torch.tensor([2])),
        (lens_of([[2], [1]] * 6 + [[2]]), torch.tensor([2])),
        (close_race([[1], [2], [2]], 6), torch.tensor([2])),
        (close_race([[1, 7], [2, 7], [2, 7]], 20), torch.tensor([2, 7])),
        (torch.tensor([[[100.0, 200.0, 0.0]], [[100.0, 200.0, 0.0]]]), torch.tensor([1])),
        (torch.tensor([[[-300.0, -200.0, -400.0]], [[-300.0, -200.0, -400.0]]]), torch.tensor([1])),
        (torch.tensor([[[1000.0, 1000.25, 0.0]], [[1000.0, 1000.25, 0.0]]]), torch.tensor([1])),
        (torch.tensor([[[-9.0, -8.0, -7.0]], [[-3.0, -9.0, -3.5]], [[-1.0, -0.5, -2.0]]]), torch.tensor([1])),
    ]
    generator = torch.Generator().manual_seed(seed)
    made = by_hand if seed == 0 else []
    for L, B, V in ((4, 6, 3), (7, 5, 4)):
        answers = torch.randint(V, (B,), generator=generator)
        tops = torch.randint(V, (L, B), generator=generator)
        late = torch.randint(L + 1, (B,), generator=generator)
        tops = torch.where(torch.arange(L)[:, None] >= late, answers, tops)
        made.append((lens_of(tops.tolist(), V), answers))
    return made


def first_time(lens, answers):
    right = lens.argmax(-1) == answers
    return [(column.index(True) if True in column else len(column)) for column in right.T.tolist()]


def first_time_or_0(lens, answers):
    return (lens.argmax(-1) == answers).int().argmax(0)


def one_less(lens, answers):
    return [layer - 1 for layer in settled(lens, answers)]


def counted(lens, answers):
    return (lens.argmax(-1) == answers).sum(0)


def one_more(lens, answers):
    return [layer + 1 for layer in settled(lens, answers)]


def back(lens, answers):
    return [len(lens) - layer for layer in settled(lens, answers)]


def never_as(value):
    def wrong(lens, answers):
        return [value(lens) if layer == len(lens) else layer for layer in settled(lens, answers)]

    return wrong


def lost_once(lens, answers):
    """From the first loss on the next time that it is right."""
    found = []
    for right in (lens.argmax(-1) == answers).T.tolist():
        first = right.index(True) if right[-1] else len(right)
        loss = right.index(False, first) if False in right[first:] else first
        found.append(right.index(True, loss) if right[-1] else len(right))
    return found


def above_half(lens, answers):
    likely = lens.softmax(-1)[:, torch.arange(len(answers)), answers] > 0.5
    return len(lens) - likely.long().flip(0).cumprod(0).sum(0)


def most_wrong(lens, answers):
    return len(lens) - (lens.argmax(-1) == answers).sum(0)


EXERCISE = Function(
    number="14.2",
    title="From which block on?",
    stars=1,
    wants="settled(lens, answers)",
    cases=cases,
    oracle=settled,
    mistakes=[
        (first_time, "That is the first layer that says it. A later one may say something else again."),
        (
            first_time_or_0,
            "That is the first layer that says it, or 0 where none does. A later one may say something else "
            "again.",
        ),
        (counted, "That counts the layers that say it. The first of those at the end is wanted."),
        (most_wrong, "That counts the layers that do not say it, wherever they stand."),
        (lost_once, "It may be lost more than once; what counts is the last time."),
        (above_half, "The largest of many scores may have a probability far below one half."),
        (back, "You counted from the end. Count layers from 0."),
        (one_more, "Layers count from 0, and so do your results."),
        (
            one_less,
            "That is the last layer that does not say it, or -1. The one behind it is the first of those "
            "that do.",
        ),
        (never_as(lambda lens: -1), "Where the last layer does not say it, the number of layers is wanted."),
        (
            never_as(lambda lens: None),
            "Where the last layer does not say it, the number of layers is wanted.",
        ),
        (
            never_as(lambda lens: len(lens) - 1),
            "Where the last layer does not say it, the number of layers is wanted.",
        ),
        (never_as(lambda lens: 0), "Where the last layer does not say it, the number of layers is wanted."),
        (
            lambda lens, answers: [max(settled(lens, answers))] * len(answers),
            "One number for each row is wanted, not one for all.",
        ),
        (lambda lens, answers: lens.argmax(-1)[-1], "Those are tokens, what the last layer says."),
    ],
    right="An early guess that is given up again does not count: what counts is from where on it stays.",
)
