"""A diagram of attention's heads, number by number."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from companion.show import draw
from companion.show.plots import BLUE, CARD, GRAY, GREEN, INK, ORANGE, PURPLE, legible

CELL = 0.1  # inches: the side of a square, which is a number
GAP = 0.09  # inches between parts
HEADS = (BLUE, ORANGE, GREEN, PURPLE)  # the colors of the heads


def heads_diagram(d_model: int, n_heads: int) -> Axes:
    """Draw the way of a text of four tokens through an attention layer.

    A square is a number, and a color is a head. Weights that the causal mask leaves are filled. Beside each
    grid stands the shape for a batch of B texts. A card has room for 4 heads and 16 numbers.

    Args:
        d_model: C, the width of the layer.
        n_heads: H, the number of heads. Each is D = C / H wide.
    """
    C = d_model
    H = n_heads
    T = 4  # tokens: the rows of every grid
    D = C // H
    tall = T * CELL
    piece = D * CELL
    full = C * CELL
    label = draw.text_width("head 0", draw.NOTE)
    head = max(3 * piece + 4 * GAP, tall + piece + 0.22 + 2 * GAP, label + piece + 4 * GAP)
    box = draw.Box("q_proj")
    step = max(box.width, full) + 2 * GAP
    span = max(H * head + (H - 1) * GAP, 3 * step - 2 * GAP)
    middle = 0.15 + span / 2
    lefts = [middle - (H * head + (H - 1) * GAP) / 2 + h * (head + GAP) for h in range(H)]
    stripes = [HEADS[column // D] for column in range(C)]
    _, ax = plt.subplots(layout="none")

    words: list[str] = []

    def note(y: float, shape: str, *done: str) -> None:
        words.extend([shape, *done])
        draw.note(ax, 0.15 + span + 0.15, y, shape)
        for i, text in enumerate(done):
            draw.note(ax, 0.15 + span + 0.15, y - 0.2 - 0.18 * i, text, color=legible(GRAY))

    y = 0.12
    _grid(ax, middle - full / 2, y, T, [GRAY] * C)
    note(y + tall / 2, "x  (B, T, C)")
    y += tall
    draw.line(ax, (middle, y), (middle, y + 0.14), arrow=False)
    inputs = y + 0.32 + box.height + 0.18
    for i, name in enumerate(("q_proj", "k_proj", "v_proj")):
        x = middle + (i - 1) * step
        draw.line(ax, (middle, y + 0.14), (x, y + 0.14), (x, y + 0.32))
        top = draw.Box(name, color=BLUE).draw(ax, x, y + 0.32)
        draw.line(ax, (x, top), (x, inputs))
        _grid(ax, x - full / 2, inputs, T, stripes)
    note(inputs + tall / 2, "3 × (B, T, C)")

    pieces = inputs + tall + 0.62
    weights = pieces + tall + 0.44
    outs = weights + tall + 0.24
    merged = outs + tall + 0.52
    for h, left in enumerate(lefts):
        color = HEADS[h]
        draw.frame(
            ax, (left, pieces - 0.26), (left + head, outs + tall + 0.08), "none", GRAY, linestyle=(0, (4, 2))
        )
        xs = [left + GAP + piece / 2 + i * (head - 2 * GAP - piece) / 2 for i in range(3)]
        for i, x in enumerate(xs):
            start = middle + (i - 1) * step - full / 2 + (h + 0.5) * piece
            ax.plot([start, x], [inputs + tall, pieces - 0.24], color=color, linewidth=1)
            _grid(ax, x - piece / 2, pieces, T, [color] * D)
            draw.note(ax, x, pieces - 0.12, "qkv"[i], "center")
        at = pieces + tall + 0.16
        x = left + GAP + tall / 2
        for side in xs[:2]:
            draw.line(ax, (side, pieces + tall), (side, at), (x, at), arrow=False)
        draw.line(ax, (x, at), (x, weights))
        _sign(ax, x, at, "@")
        _grid(ax, x - tall / 2, weights, T, [color] * T, causal=True)
        at = weights + tall / 2
        draw.line(ax, (x + tall / 2, at), (xs[2] - 0.09, at))
        draw.line(ax, (xs[2], pieces + tall), (xs[2], outs))
        _sign(ax, xs[2], at, "@")
        _grid(ax, xs[2] - piece / 2, outs, T, [color] * D)
        draw.note(ax, left + GAP, outs + tall / 2, f"head {h}")
        end = middle - full / 2 + (h + 0.5) * piece
        ax.plot([xs[2], end], [outs + tall, merged], color=color, linewidth=1)
    note(pieces + tall / 2, "3 × (B, H, T, D)", "cut")
    note(weights + tall / 2, "(B, H, T, T)", "q @ kᵀ / √D,", "mask, softmax")
    note(outs + tall / 2, "(B, H, T, D)", "weights @ v")

    _grid(ax, middle - full / 2, merged, T, stripes)
    note(merged + tall / 2, "(B, T, C)", "side by side")
    y = merged + tall
    draw.line(ax, (middle, y), (middle, y + 0.18))
    y = draw.Box("o_proj", color=BLUE).draw(ax, middle, y + 0.18)
    draw.line(ax, (middle, y), (middle, y + 0.18))
    _grid(ax, middle - full / 2, y + 0.18, T, [GRAY] * C)
    note(y + 0.18 + tall / 2, "y  (B, T, C)")
    widest = max(draw.text_width(word, draw.NOTE) for word in words)
    return draw.cut(ax, 0.15 + span + 0.3 + widest, y + 0.3 + tall)


def _grid(ax: Axes, left: float, low: float, rows: int, colors: list[str], causal: bool = False) -> None:
    """Draw a matrix with a row for each token, from the top down, and a column for each color.

    If causal is True, only the squares up to the diagonal are filled.
    """
    for row in range(rows):
        for column, color in enumerate(colors):
            fill = CARD if causal and column > row else draw.tint(color, 0.45)
            at = left + column * CELL, low + (rows - 1 - row) * CELL
            ax.add_patch(Rectangle(at, CELL, CELL, facecolor=fill, edgecolor=color, linewidth=0.6, zorder=2))


def _sign(ax: Axes, x: float, y: float, sign: str) -> None:
    """An operation on a line: its sign in a circle that hides the line."""
    draw.frame(ax, (x - 0.1, y - 0.1), (x + 0.1, y + 0.1), CARD, INK, rounding=0.1, zorder=3)
    ax.text(x, y, sign, fontsize=draw.NOTE, ha="center", va="center", zorder=4)
