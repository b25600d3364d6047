"""A story as running text, with strips below its words: what somebody believes, or what is true, at each."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from companion.show.plots import GRAY, INK, RULE, WIDTH, legible

LETTERS = 69
"""Letters in a line, of a typeface whose letters are all as wide."""


def lines_of(words: Sequence[str]) -> list[list[tuple[int, int]]]:
    """Words broken into lines.

    Returns:
        For each line, pairs of the index of a word and the column where the word begins.
    """
    lines = [[]]
    column = 0
    for i, word in enumerate(words):
        if lines[-1] and column + len(word) > LETTERS:
            lines.append([])
            column = 0
        lines[-1].append((i, column))
        column += len(word)
    return lines


def strips(words: Sequence[str], rows: Mapping[str, Sequence], colors: Mapping[str, str]) -> Figure:
    """Draw words with a strip below them for each row, named at the left of every line.

    Args:
        words: The words with their spaces, as tokens have them.
        rows: By name, a cell for each word: None, or a pair of the name of a color and how sure the row is,
            from 0 to 1. A row whose name ends in "(true)" has a thin strip, which is labelled "true".
        colors: Colors by name. They are written above as the key.
    """
    lines = lines_of(words)
    left = max(len(name) for name in rows if not name.endswith("(true)")) + 2
    thin = [name.endswith("(true)") for name in rows]
    heights = [0.5 if is_thin else 0.75 for is_thin in thin]
    tall = 1.5 + sum(heights) + 0.1 * len(rows)  # a line of text, its strips, a gap
    fig, ax = plt.subplots(figsize=(WIDTH, 0.35 + 0.165 * tall * len(lines)))
    ax.set(xlim=(-left, LETTERS), ylim=(tall * len(lines) + 0.2, -1.6))
    ax.set_axis_off()
    type_ = {"family": "DejaVu Sans Mono", "fontsize": 9, "va": "center"}
    x = 0.0
    for name, color in colors.items():
        ax.add_patch(Rectangle((x, -1.3), 1.6, 0.75, color=color, linewidth=0))
        ax.text(x + 2.2, -0.92, name, color=legible(color), **type_)
        x += len(name) + 5
    for n, line in enumerate(lines):
        for i, column in line:
            ax.text(column, n * tall + 0.3, words[i].rstrip("\n"), color=INK, **type_)
        y = n * tall + 1.0
        for (name, cells), is_thin, height in zip(rows.items(), thin, heights, strict=True):
            label = "true" if is_thin else name
            ax.text(-left, y + height / 2, label, color=legible(GRAY), **type_)
            for i, column in line:
                shape = ((column, y), len(words[i]), height)
                ax.add_patch(Rectangle(*shape, color=RULE, alpha=0.5, linewidth=0))
                if cells[i] is not None:
                    who, sure = cells[i]
                    ax.add_patch(Rectangle(*shape, color=colors[who], alpha=sure, linewidth=0))
            y += height + 0.1
    return fig
