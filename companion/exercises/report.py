"""What the reader gets to see: a verdict, and the state of the exercises; as text and as HTML."""

from dataclasses import dataclass
from html import escape

RIGHT, NOT_YET, NOT_ATTEMPTED, UNCLEAR = "right", "not yet", "not attempted yet", "unclear"
COLORS = {RIGHT: "#009E73", NOT_YET: "#D55E00", NOT_ATTEMPTED: "#8A8A8A", UNCLEAR: "#8A8A8A"}
"""Of a card's edge: visible on white and on black. The text keeps the page's own color."""

VALUES = ("input", "expected", "got", "printed")
"""Rows that hold values of the reader's program, not sentences."""


@dataclass(frozen=True)
class Report:
    """An outcome, a headline that says it, and rows of a name and what there is to tell."""

    outcome: str
    headline: str
    rows: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        width = max((len(name) for name, _ in self.rows), default=0)
        return "\n".join([self.headline, *(f"  {name:{width}}  {text}" for name, text in self.rows)])

    def _repr_html_(self) -> str:
        lines = [f"<b>{sentence(self.headline)}</b>"]
        for name, text in self.rows:
            content = f"<code>{escape(text)}</code>" if name in VALUES else sentence(text)
            lines.append(f"<i>{name}</i>&ensp;{content}")
        return card(COLORS[self.outcome], lines)


@dataclass(frozen=True)
class Progress:
    """Chapter -> outcome -> numbers of its exercises, as in "1.3 ★★"."""

    chapters: dict[int, dict[str, list[str]]]

    def lines(self) -> list[str]:
        """A line for each chapter."""
        if not self.chapters:
            return ["No exercise was checked in this session yet."]
        found = []
        for chapter, outcomes in self.chapters.items():
            total = sum(map(len, outcomes.values()))
            parts = [f"{outcome}: {', '.join(numbers)}" for outcome, numbers in outcomes.items() if numbers]
            head = f"Chapter {chapter}, {len(outcomes[RIGHT])} of {total} right. "
            found.append(head + "; ".join(parts).capitalize() + ".")
        return found

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        all_of_them = (pair for outcomes in self.chapters.values() for pair in outcomes.items())
        found = {outcome for outcome, numbers in all_of_them if numbers}
        lines = (escape(line).replace(" ★", "\N{NO-BREAK SPACE}★") for line in self.lines())
        return card(COLORS[RIGHT if found == {RIGHT} else NOT_ATTEMPTED], lines)


def card(color: str, lines) -> str:
    """Lines of HTML beside a colored edge."""
    content = "".join(f"<div>{line}</div>" for line in lines)
    return f'<div style="border-left: 4px solid {color}; padding: 0.2em 0.9em;">{content}</div>'


def sentence(text: str) -> str:
    """A sentence as HTML, with what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
