"""A text as it is drawn, and how probable each of its tokens was."""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from companion.generation import LanguageModel, stream
from companion.runtime.models.modules import eval_mode
from companion.runtime.text.end_tokens import decode_answer, drawn_token, until

OTHERS = 4  # how many tokens besides the drawn one are named


class Seen(NamedTuple):
    """A token's text, its probability where it stands, and the likeliest tokens there with theirs."""

    text: str
    probability: float
    likeliest: tuple[tuple[str, float], ...]

    @property
    def others(self) -> list[tuple[str, float]]:
        """The likeliest tokens without the one that was drawn."""
        return [one for one in self.likeliest if one[0] != self.text]


class Drawing:
    """What follows a prompt. Iterate over it to draw the text piece by piece.

    Args:
        teller: The model.
        prompt: The beginning of the text.
        max_new_tokens: Largest number of tokens to draw. It is cut to what fits into the model's context, so
            that every token's probability can be had afterwards.
        seed: Seed of the choices.
        options: Options of `generate`.

    Attributes:
        ids: The tokens drawn so far.

    Raises:
        ValueError: If the prompt leaves no room.
    """

    def __init__(self, teller: LanguageModel, prompt: str, max_new_tokens: int, seed: int, **options):
        self.teller = teller
        self.row = teller.encode(prompt)
        self.ids: list[int] = []
        self.n = min(max_new_tokens, teller.model.config.context_length + 1 - self.row.shape[1])
        self.settings = teller.settings(self.row, self.n, seed, options)

    def __iter__(self) -> Iterator[str]:
        return decode_answer(self.teller.tokenizer, self._kept())

    def _kept(self) -> Iterator[int]:
        drawn = stream(self.teller.reader(), self.row, **self.settings)
        for i in until(drawn, self.settings["stop"]):
            self.ids.append(i)
            yield i

    def seen(self) -> list[Seen]:
        """Each token that was drawn, as the model saw it, before temperature, top-k and top-p."""
        return as_seen(self.teller, self.row[0].tolist(), list(self.ids))


@torch.no_grad()
def as_seen(teller: LanguageModel, before: list[int], ids: list[int]) -> list[Seen]:
    """The tokens ids, which follow the tokens before, with their probabilities, in one pass of the model.

    The tokens together must fit into the model's context, the last one aside.
    """
    if not ids:
        return []
    tokens = torch.tensor([[*before, *ids[:-1]]], device=next(teller.model.parameters()).device)
    with eval_mode(teller.model):
        hidden = teller.model.hidden(tokens)[0, len(before) - 1 :]  # (n, C), one for each of ids
        probabilities = teller.model.logits(hidden).float().softmax(-1).cpu()  # (n, V)
    top = probabilities.topk(min(OTHERS + 1, probabilities.shape[-1]))
    found = []
    for i, row, largest, top_ids in zip(ids, probabilities, top.values, top.indices, strict=True):
        pairs = zip(top_ids.tolist(), largest.tolist(), strict=True)
        likeliest = tuple((token_text(teller, j), probability) for j, probability in pairs)
        found.append(Seen(token_text(teller, i), row[i].item(), likeliest))
    return found


def token_text(teller: LanguageModel, i: int) -> str:
    """A token's text; bytes that are no whole character are shown as question marks."""
    token = drawn_token(teller.tokenizer, i)
    return token if isinstance(token, str) else token.decode("utf-8", "replace")
