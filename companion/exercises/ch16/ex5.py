"""The check of exercise 16.5: Where it goes wrong."""

import torch

from companion.exercises.exercise import Function, Problem


def first_mistakes(logits, tokens, learned):
    found = []
    for scores, row, marks in zip(logits, tokens, learned, strict=True):
        place = -1
        for t in range(1, len(row)):
            if marks[t] and int(scores[t - 1].argmax()) != int(row[t]):
                place = t
                break
        found.append(place)
    return torch.tensor(found)


def cases(seed):
    generator, made = torch.Generator().manual_seed(seed), []
    shapes = [(1, 1, 3), (1, 2, 3), (2, 3, 4), (3, 5, 4), (5, 7, 3), (4, 6, 5)]
    for number, (B, T, V) in enumerate(shapes if seed == 0 else shapes[2:]):
        logits = torch.randn(B, T, V, generator=generator)
        tokens = torch.randint(V, (B, T + 1), generator=generator)
        agree = torch.rand(B, T, generator=generator) < 0.75
        tokens[:, 1:] = torch.where(agree, logits.argmax(-1), tokens[:, 1:])
        learned = torch.rand(B, T + 1, generator=generator) < 0.6
        if number % 2:
            learned[0] = False
        else:
            learned[0] = True
        made.append((logits, tokens, learned))
    return made + (extremes() if seed == 0 else [])


def extremes():
    """Scores that are large, or nearly equal; a long row with a mistake far behind, and one of mistakes."""
    made = []
    for pair in ([100.0, 200.0], [1e5, 2e5], [10.0, 10.01], [1.001, 1.002], [-2e5, -1e5], [-1.002, -1.001]):
        for token in (0, 1):
            made.append((torch.tensor([[pair]]), torch.tensor([[0, token]]), torch.ones(1, 2).bool()))
    few = torch.tensor([[[-torch.inf, 0.5, -torch.inf], [-torch.inf, -torch.inf, -1.0]]])
    made += [(few, torch.tensor([[0, 1, k]]), torch.tensor([[False, True, True]])) for k in (1, 2)]
    many = torch.eye(12)[None].repeat(6, 1, 1)  # (6, 12, 12): at place t the likeliest is t
    tokens = torch.cat([torch.zeros(6, 1, dtype=torch.int64), many.argmax(-1)], 1)
    tokens[1, 10] = tokens[5, 12] = 1
    made.append((many, tokens, torch.ones(6, 13).bool()))
    logits = torch.tensor([0.0, 1.0, 0.5]).expand(2, 300, 3).contiguous()
    for place in (40, 150, 299):
        tokens, learned = torch.ones(2, 301, dtype=torch.int64), torch.ones(2, 301).bool()
        tokens[0, place] = tokens[1, place + 1 :] = 2
        made.append((logits, tokens, learned))
    return [*made, (logits, torch.zeros(2, 301, dtype=torch.int64), torch.ones(2, 301).bool())]


INTEGERS = "It must be int64, as an index is; this is {}. `.long()` makes it so."


def in_integers(answer, *args):
    """The answer's tensor of places; one of another kind of number is none, for nothing is found with it."""
    found = answer(*args)
    if isinstance(found, torch.Tensor) and found.dtype not in (torch.int64, torch.bool):
        raise Problem(INTEGERS.format(str(found.dtype).removeprefix("torch.")))
    return found


def wrong_at(logits, tokens, learned):
    return (logits.argmax(-1) != tokens[:, 1:]) & learned[:, 1:]


def pick(wrong, none=-1, plus=1):
    found = wrong.long().argmax(1) + plus
    return torch.where(wrong.any(1), found, torch.full_like(found, none))


EXERCISE = Function(
    number="16.5",
    title="Where it goes wrong",
    stars=2,
    wants="first_mistakes(logits, tokens, learned)",
    cases=cases,
    oracle=first_mistakes,
    call=in_integers,
    mistakes=[
        (
            lambda logits, tokens, learned: pick(wrong_at(logits, tokens, learned), plus=0),
            "That is the place in `logits`. The token that is wrong stands one later in `tokens`.",
        ),
        (
            lambda logits, tokens, learned: pick(logits.argmax(-1) != tokens[:, 1:]),
            "What is not learned is no mistake: the model need not foresee the user.",
        ),
        (
            lambda logits, tokens, learned: pick(wrong_at(logits, tokens, learned), none=1),
            "A row without a mistake has −1. `argmax` of only False is 0.",
        ),
        (
            lambda logits, tokens, learned: pick(wrong_at(logits, tokens, learned), none=0),
            "A row without a mistake has −1.",
        ),
        (
            lambda logits, tokens, learned: pick((logits.argmax(-1) != tokens[:, :-1]) & learned[:, :-1]),
            "The scores at `t` are for the token at `t + 1`; you compared them with the one that was read.",
        ),
        (
            lambda logits, tokens, learned: pick(
                (logits.argmax(-1) != tokens[:, :-1]) & learned[:, :-1], plus=0
            ),
            "The scores at `t` are for the token at `t + 1`; you compared them with the one that was read.",
        ),
        (
            lambda logits, tokens, learned: pick((logits.argmax(-1) != tokens[:, 1:]) & learned[:, :-1]),
            "The marks belong to the tokens that are predicted, not to those that are read.",
        ),
        (
            lambda logits, tokens, learned: pick((logits.argmax(-1) == tokens[:, 1:]) & learned[:, 1:]),
            "That is the first token that is right.",
        ),
        (
            lambda logits, tokens, learned: wrong_at(logits, tokens, learned).sum(1),
            "That is how many are wrong. Where is the first?",
        ),
        (
            lambda logits, tokens, learned: ~wrong_at(logits, tokens, learned).any(1),
            "That is whether all is right, as `says` tells. Where is the first mistake?",
        ),
    ],
    right="So one sees where an answer fails: at its first word, in its form, or at the word that answers.",
)
