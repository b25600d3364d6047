"""The thoughts of a model, which it writes between <think> and </think>, apart from its answer."""

from companion.runtime.text.end_tokens import TextDecoder
from companion.runtime.text.tokenizer import Tokenizer
from companion.village.reasoning import END_THINK, THINK


def n_begun(text: str, marks: list[str]) -> int:
    """Return how many characters at the end of a text could be the beginning of a mark."""
    longest = 0
    for mark in marks:
        for n in range(1, len(mark)):
            if text.endswith(mark[:n]):
                longest = max(longest, n)
    return longest


class Thoughts:
    """Cuts a text that comes in pieces into thoughts and answer, without the marks and spaces after them.

    Args:
        inside: Whether the text begins with thoughts, because the prompt ended with <think>.

    Attributes:
        held: Text at the end of the pieces so far that could begin a mark.
        after_mark: Whether nothing but spaces came since the last mark.
    """

    def __init__(self, inside: bool = False):
        self.inside = inside
        self.after_mark = inside
        self.held = ""

    def add(self, piece: str) -> list[tuple[str, str]]:
        """Return the texts that are known now, each with its field of a message."""
        text = self.held + piece
        found = []
        while True:
            mark = END_THINK if self.inside else THINK
            before, is_there, after = text.partition(mark)
            if not is_there:
                break
            found.append(self.part(before))
            self.inside = not self.inside
            self.after_mark = True
            text = after
        n_known = len(text) - n_begun(text, [mark])
        self.held = text[n_known:]
        found.append(self.part(text[:n_known]))
        return [part for part in found if part[1]]

    def end(self) -> list[tuple[str, str]]:
        """Return the text that was held back."""
        held = self.held
        self.held = ""
        return [self.part(held)] if held else []

    def part(self, text: str) -> tuple[str, str]:
        """Return a text with its field, without the spaces after a mark."""
        if self.after_mark:
            text = text.lstrip()
            self.after_mark = not text
        return ("reasoning_content" if self.inside else "content"), text


def thinking_decoder(tokenizer: Tokenizer) -> TextDecoder:
    """Return a decoder as answer_decoder does, but one that shows <think> and </think>."""
    shown = {tokenizer.special_tokens.get(name) for name in (THINK, END_THINK)}
    return TextDecoder(tokenizer, tokenizer.control - shown)


def ends_with_think(tokenizer: Tokenizer, ids: list[int]) -> bool:
    """Return whether a prompt ends with <think>, as some templates write it, so that thoughts come first."""
    return tokenizer.decode(ids[-8:]).rstrip().endswith(THINK)
