"""Where, in the tokens of a story, it is said who has what: for looking into a model (chapter 14).

Every name and every thing of the village is one token, with the space before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from companion.village.machine import VILLAGE
from companion.village.tasks import Question
from companion.village.words import KINDS


@dataclass(frozen=True)
class Tie:
    """A name that directly follows a thing, as in `the red key Vera brought`.

    Attributes:
        at: Position of the name in the row. The thing stands at position at - 1.
        thing: Number of the thing in KINDS["thing"].
        again: Whether the row has named this thing before.
    """

    at: int
    thing: int
    again: bool


def ties(row: Sequence[int], tokenizer) -> list[Tie]:
    """The names that directly follow a thing, in a row of token ids, from left to right."""
    names = _tokens("name", tokenizer)
    things = _tokens("thing", tokenizer)
    return [
        Tie(at, things.index(before), before in row[: at - 1])
        for at, (before, here) in enumerate(zip(row, row[1:], strict=False), 1)
        if before in things and here in names
    ]


def story_masks(tokens: torch.Tensor, real: torch.Tensor, tokenizer) -> dict[str, torch.Tensor]:
    """Where a head could look in stories.

    The key is the token before the query, or an earlier token that is the same as the query. If the query is
    a name directly after a thing, the key can also be that thing.

    Args:
        tokens: Stories, (B, T).
        real: (B, T), False for padding.
        tokenizer: The tokenizer of the tokens.

    Returns:
        A mask by name for each of the three, bool (B, T, T), True for (query, key).
    """
    at = torch.arange(tokens.shape[1])
    count = real.sum(1).tolist()
    earlier = (at[:, None] > at) & real[:, :, None]
    from_name = torch.zeros_like(earlier)
    for b, row in enumerate(tokens.tolist()):
        for tie in ties(row[: count[b]], tokenizer):
            from_name[b, tie.at, tie.at - 1] = True
    return {
        "the token before": earlier & (at[:, None] - at == 1),
        "the same token": earlier & (tokens[:, :, None] == tokens[:, None]),
        "from a name to its thing": from_name,
    }


def question_masks(
    tokens: torch.Tensor, real: torch.Tensor, questions: Sequence[Question], tokenizer
) -> dict[str, torch.Tensor]:
    """Where a head could look at the end of questions of `held`.

    The query is the last token, which is the thing that is asked about. The keys are the holder's name in one
    mask, and all other names in the other mask.

    Args:
        tokens: The prompts, (B, T).
        real: (B, T), False for padding.
        questions: The B questions.
        tokenizer: The tokenizer of the tokens.

    Returns:
        Both masks by name, bool (B, T, T), True for (query, key).
    """
    named = torch.isin(tokens, torch.tensor(_tokens("name", tokenizer))) & real
    right = tokens == torch.tensor([tokenizer.encode(question.answer)[0] for question in questions])[:, None]
    each = torch.arange(len(tokens))
    last = real.sum(1) - 1
    keys_of = {"from a thing to its holder": named & right, "… to the other names": named & ~right}
    masks = {}
    for what, keys in keys_of.items():
        masks[what] = torch.zeros(*tokens.shape, tokens.shape[1], dtype=torch.bool)
        masks[what][each, last] = keys
    return masks


def named_things(question: Question) -> set[str]:
    """The things that the story of a question of `held` names, before it is asked."""
    story, _ = question.prompt.rsplit(" The ", 1)
    return set(re.findall(r"\w+", story)) & set(KINDS["thing"])


def holders(text: str, thing: str, places: Sequence[int]) -> list[str | None]:
    """Who holds the thing at each of these places in a story.

    What counts is what was true when the sentence at that place began.

    Args:
        text: A story of the village.
        thing: The noun of the thing.
        places: Positions of characters, in any order.

    Returns:
        A name for each place, or None where nobody holds the thing.

    Raises:
        ValueError: If the text is no story of the village.
    """
    known = [(step.start, state.holder(thing)) for state, step in VILLAGE.moments(text)]
    found = []
    for place in places:
        before = [name for start, name in known if start <= max(0, place)]
        found.append(before[-1])
    return found


def _tokens(kind: str, tokenizer) -> list[int]:
    """The one token of each word of a kind, in the order of KINDS."""
    return [tokenizer.encode(f" {word}")[0] for word in KINDS[kind]]
