"""Pictures of a classifier's report: what was called what, and how well its confidence can be trusted."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from companion.show import plots


def confusion(matrix, classes: Sequence[str]) -> Axes:
    """Draw a confusion matrix, (K, K) counts, a row a true class: shades by row, the counts written in."""
    matrix = [[int(n) for n in row] for row in matrix]
    size = 1.8 + 0.55 * len(classes)
    ax = plt.subplots(figsize=(size + 1.2, size))[1]
    shares = [[n / max(1, sum(row)) for n in row] for row in matrix]
    ax.imshow(shares, cmap=plots.HEAT, vmin=0, vmax=1.25)
    for i, row in enumerate(matrix):
        for j, n in enumerate(row):
            color = plots.CARD if 0.4 < shares[i][j] else plots.INK
            ax.text(j, i, f"{n:,}", ha="center", va="center_baseline", color=color)
    names = [name if len(name) < 20 else name[:18] + " …" for name in classes]
    ax.set_xticks(range(len(names)), names, rotation=0 if len(names) < 4 else 45)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="called", ylabel="is")
    ax.grid(False)
    return ax


def reliability(confidence, accuracy, count) -> Axes:
    """Draw the share right against the confidence, (bins,) each; points as large as the counts."""
    ax = plt.subplots(figsize=(4, 3.6))[1]
    ax.plot([0, 1], [0, 1], color=plots.GRAY, linewidth=1, linestyle=(0, (4, 2)))
    total = max(1, sum(int(n) for n in count))
    sizes = [20 + 300 * int(n) / total for n in count]
    ax.scatter(confidence, accuracy, sizes, color=plots.BLUE, clip_on=False, zorder=3)
    for x, y, n, size in zip(confidence, accuracy, count, sizes, strict=True):
        side = -1 if x > 0.4 else 1  # the number stands where there is room for it
        beside, where = (
            (side * (4 + size**0.5 / 2), 0),
            {"ha": "right" if side < 0 else "left", "va": "center"},
        )
        text = f"{int(n):,} text{'s' * (int(n) != 1)}"
        ax.annotate(text, (float(x), float(y)), beside, textcoords="offset points", **where)
    ax.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.03), ylim=(-0.03, 1.03))
    return ax
