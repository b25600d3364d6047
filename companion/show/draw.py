"""What diagrams are drawn with: boxes, lines and notes on a card. Lengths are inches, type sizes points."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch
from matplotlib.textpath import TextPath

from companion.show.plots import CARD, INK

NAME = 10.5  # points: the names of parts
NOTE = 9.5  # points: their classes, shapes and counts


@dataclass
class Box:
    """A part as it is drawn: a name, a note below it, and rows of boxes inside, the first row at the bottom.

    Attributes:
        count: Number of parameters of the part.
        gives: Shape of the part's output.
        rows: For each row its boxes, what is done after it, and what it gives.
        at: Height of the drawn box's middle, in inches.
    """

    name: str
    note: str = ""
    color: str = CARD
    count: int = 0
    gives: str = ""
    rows: list[tuple[list[Box], str, str]] = field(default_factory=list)
    at: float = 0.0

    @property
    def width(self) -> float:
        widths = [text_width(self.name, NAME) + 0.2, text_width(self.note, NOTE) + 0.2]
        for row, done, given in self.rows:
            widths.append(sum(box.width + 0.1 for box in row) + 0.1)
            if row is not self.rows[-1][0]:  # these stand beside the line to the next row
                widths += [2 * (text_width(done, NOTE) + 0.2), 2 * (text_width(given, NOTE) + 0.2)]
        return max(widths)

    @property
    def height(self) -> float:
        return 0.28 + 0.19 * bool(self.note) + (0.62 * len(self.rows) - 0.22 if self.rows else 0)

    def draw(self, ax: Axes, x: float, bottom: float) -> float:
        """Draw it with its middle at x, and return where it ends on top."""
        top = bottom + self.height
        half = self.width / 2
        frame(ax, (x - half, bottom), (x + half, top), tint(self.color), self.color)
        self.at = (bottom + top) / 2
        name = {"fontsize": NAME, "ha": "center", "va": "center"}
        ax.text(x, top - 0.15, self.name, **name)
        note(ax, x, top - 0.33, self.note, "center")
        y = bottom + 0.1
        for i, (row, done, given) in enumerate(self.rows):
            start = x - (sum(box.width + 0.1 for box in row) - 0.1) / 2
            last = i == len(self.rows) - 1
            for box in row:
                middle = start + box.width / 2
                box.draw(ax, middle, y)
                if not last and len(row) > 1:  # they meet
                    line(ax, (middle, y + 0.28), (middle, y + 0.36), (x, y + 0.36), arrow=False)
                start += box.width + 0.1
            y += 0.28
            if not last:
                line(ax, (x, y), (x, y + 0.34))
                note(ax, x - 0.1, y + 0.18, done, "right")
                note(ax, x + 0.1, y + 0.18, given)
            y += 0.34
        return top


def line(ax: Axes, *points: tuple[float, float], arrow: bool = True) -> None:
    """A line through points, in inches, that ends in an arrow."""
    ax.plot(*zip(*points, strict=True), color=INK, linewidth=1.1, solid_joinstyle="round")
    if arrow:
        look = {"arrowstyle": "-|>, head_width=0.16", "color": INK, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", points[-1], points[-2], arrowprops=look)


def frame(ax: Axes, low: tuple, high: tuple, fill, edge, rounding: float = 0.06, **look) -> None:
    """A box with round corners between two points, in inches."""
    x, y = low
    style = f"round,pad=0,rounding_size={rounding}"
    ax.add_patch(FancyBboxPatch(low, high[0] - x, high[1] - y, style, facecolor=fill, edgecolor=edge, **look))


def note(ax: Axes, x: float, y: float, text: str, ha: str = "left", **look) -> None:
    """A text in the smaller size; none at all where it is empty."""
    if text:
        ax.text(x, y, text, fontsize=NOTE, ha=ha, va="center", **look)


@cache
def text_width(text: str, points: float) -> float:
    """Inches that a text is wide."""
    return TextPath((0, 0), text, size=points).get_extents().x1 / 72 if text else 0.0


def tint(color: str, share: float = 0.25) -> tuple[float, ...]:
    """A color so pale that ink reads on it: a share of it in the card's."""
    return tuple(share * a + (1 - share) * b for a, b in zip(to_rgb(color), to_rgb(CARD), strict=True))


def cut(ax: Axes, width: float, height: float) -> Axes:
    """Make the card as large as what was drawn, so that an inch of the drawing is one."""
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    ax.figure.set_size_inches(round(width, 2), round(height, 2))  # a whole number of pixels
    return ax
