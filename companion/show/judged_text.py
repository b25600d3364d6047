"""A village story in a terminal: each sentence with the judge's mark, in color or as a sign.

`marked` takes a text in pieces, as a model writes it, and hands it on sentence by sentence, because the
judge can only mark a whole sentence.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten

from companion.runtime.terminal import Styled, cleaned, is_terminal, shows_color
from companion.village import VILLAGE, Verdict, judge
from companion.village.judge import LONGEST_SENTENCE

MEANINGS = {
    "ok": "the village could say it here",
    "misplaced": "not false, but out of place",
    "contradiction": "false in this story",
    "unknown": "no sentence of the village",
}
"""The judge's verdicts, and what each one means."""

COLORS = {"ok": "32", "misplaced": "33", "contradiction": "1;31", "unknown": "2"}
"""Green, yellow, bold red and faint, as the codes that ECMA-48 has for them (SGR)."""

SIGNS = {"ok": "✓", "misplaced": "~", "contradiction": "✗", "unknown": "?"}

LISTED = 5
"""Sentences that the judge explains; in a story that went wrong early, more would only repeat the reason."""


@dataclass(frozen=True)
class Marks:
    """How the judge's verdicts are shown."""

    color: bool  # what is not right has a sign as well, for readers who do not see the colors

    def sign(self, kind: str) -> str:
        """The sign of a kind of verdict, in its color."""
        return f"\x1b[{COLORS[kind]}m{SIGNS[kind]}\x1b[0m" if self.color else SIGNS[kind]

    def legend(self) -> str:
        """What each sign means, in one line."""
        return Styled("; ".join(f"{self.sign(kind)} {meaning}" for kind, meaning in MEANINGS.items()))

    def sentence(self, verdict: Verdict, text: str | None = None) -> str:
        """A sentence with its mark. If only a part of the sentence is shown, `text` is that part."""
        text = cleaned(verdict.sentence if text is None else text)
        sign = SIGNS[verdict.kind]
        if not self.color:
            return f"{sign} {text}"
        text = text if verdict.kind == "ok" else f"{sign} {text}"
        return f"\x1b[{COLORS[verdict.kind]}m{text}\x1b[0m"


def marks_for(choice: str, in_pipe: str = "off") -> Marks | None:
    """How to mark what goes to standard output.

    Args:
        choice: "color", "signs", "off" or "auto". "auto" means color in a terminal that shows it, and signs
            in another terminal.
        in_pipe: What "auto" means if the output is no terminal.

    Returns:
        The marks, or None for no marks at all.
    """
    if choice == "auto" and not is_terminal():
        choice = in_pipe
    elif choice == "auto":
        choice = "color" if shows_color() else "signs"
    return None if choice == "off" else Marks(choice == "color")


def marked_line(text: str, marks: Marks, longest: int) -> str:
    """The beginning of a story in one line with its marks; at most `longest` letters of it."""
    parts = []
    room = longest
    for verdict in judge(text):
        short = verdict.sentence[:room]
        parts.append(marks.sentence(verdict, short))
        room -= len(verdict.sentence) + 1
        if room <= 0:
            break
    more = " …" if len(" ".join(text.split())) > longest else ""
    return Styled(" ".join(parts) + more)


def marked_story(text: str, marks: Marks) -> str:
    """A whole story with its marks, and below it what the judge found."""
    verdicts = judge(text)
    sentences = " ".join(marks.sentence(verdict) for verdict in verdicts)
    return Styled(f"{sentences}\n{findings(verdicts)}")


def findings(verdicts: Sequence[Verdict]) -> str:
    """What the judge found in a text: how many sentences are right, and what is wrong with each other one."""
    counts = Counter(verdict.kind for verdict in verdicts)
    right = counts["ok"]
    n = len(verdicts)
    lines = ["", f"The judge: {right} of {n} sentences {'fits' if right == n == 1 else 'fit'} the story."]
    wrong = [verdict for verdict in verdicts if verdict.kind in ("contradiction", "misplaced")]
    for verdict in wrong[:LISTED]:
        short = cleaned(shorten(verdict.sentence, 60, placeholder=" …"))
        meaning = f"{MEANINGS[verdict.kind]} ({cleaned(verdict.reason)})"
        lines.append(f"  {SIGNS[verdict.kind]} {meaning}: {short}")
    if len(wrong) > LISTED:
        lines.append(f"  … and {len(wrong) - LISTED} more")
    if counts["unknown"]:
        lines.append(f"  {SIGNS['unknown']} {MEANINGS['unknown']}: {counts['unknown']} of {n}")
    return Styled("\n".join(lines))


def is_story(text: str) -> bool:
    """Whether a text begins with the opening of a village story."""
    found = VILLAGE.match(" ".join(text.split()), 0)
    return found is not None and found[0].part == "opening"


def final_verdicts(text: str) -> list[Verdict]:
    """The verdicts on the beginning of a text that nothing which may follow will change.

    A verdict is final once a space follows its sentence. What is no sentence of the village may be the
    first half of one, until more words follow than any sentence of the village has.
    """
    more = " " if text[-1:].isspace() else ""
    text = " ".join(text.split()) + more
    done = []
    end = 0
    for verdict in judge(text):
        start = end
        end += len(verdict.sentence) + 1
        is_open = verdict.kind == "unknown" and len(text[start:].split()) <= LONGEST_SENTENCE
        if end > len(text) or is_open:
            break
        done.append(verdict)
    return done


def marked(pieces: Iterable[str], marks: Marks | None, stories_only: bool = False) -> Iterator[str]:
    """Hand on a text that comes in pieces, with the judge's marks, sentence by sentence.

    If anything was marked, the findings of the judge follow at the end.

    Args:
        pieces: The text.
        marks: How to mark the sentences. None hands on the pieces as they are.
        stories_only: Whether to mark nothing unless the text begins as a story of the village does.
    """
    if marks is None:
        yield from pieces
        return
    text = ""
    shown = 0

    def new_sentences(verdicts: Sequence[Verdict]) -> Iterator[str]:
        """The sentences that were not shown before."""
        nonlocal shown
        for verdict in verdicts[shown:]:
            yield Styled(f"{' ' if shown else ''}{marks.sentence(verdict)}")
            shown += 1

    pieces = iter(pieces)
    for piece in pieces:
        ended = text.endswith((".", "!", "?", '"')) and piece[:1].isspace()
        text += piece
        if not ended:
            continue
        verdicts = final_verdicts(text)
        if stories_only and verdicts and not shown and not is_story(text):
            yield text
            yield from pieces
            return
        yield from new_sentences(verdicts)
    if stories_only and not is_story(text):
        yield text
        return
    verdicts = judge(text)
    yield from new_sentences(verdicts)
    if verdicts:
        yield Styled(f"\n{findings(verdicts)}")
