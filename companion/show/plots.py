"""The course's one visual language: colors, type and the figures that recur.

A notebook calls ``use_style()`` once and then draws with matplotlib as usual::

    from companion.show import plots

    plots.use_style()
    fig, ax = plt.subplots()
    (line,) = ax.plot(steps, losses)
    plots.label_line(line, "model")
    plots.level(ax, 0.31, "floor")

Every figure stands on a light card, so it reads the same on a light and on a dark page.
"""

import math
import sys
import textwrap
import tomllib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from matplotlib.ticker import LogLocator

from companion.village import DATA

BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
ORANGE = "#E69F00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
YELLOW = "#F0E442"
"""The palette of Okabe and Ito (2008), which the common kinds of color blindness keep apart. Orange, sky and
yellow are too pale on the card for thin lines and small type: fill areas with them."""

INK = "#2B2B2B"  # text
GRAY = "#757575"  # what matters less
RULE = "#DDDBD3"  # rules and grids
CARD = "#FBFAF6"  # the card under everything

FLOOR = GREEN  # the village's entropy: a level that recurs, always in the same color
FORGETFUL = "#A86F00"  # so does the forgetful reader
COUNTS = GRAY  # and so do word counts

HEAT = LinearSegmentedColormap.from_list("heat", [CARD, "#9CC9E3", BLUE, "#06304D"])
"""From nothing (the card) to much: for attention maps and other amounts, none of them negative."""

LINED = ";border-bottom:2px "
JUDGED = {
    "ok": "#CDE8DC",
    "misplaced": f"#F7EBA8{LINED}dotted",
    "contradiction": f"#F6CDB8{LINED}solid",
    "unknown": "#E3E1DA",
}
"""What marks the judge's verdicts: a color, and a line for who sees none. book.css has the dark ones."""

WIDTH = 6.4
"""Inches across a figure, at 100 points to the inch: a page's column. The style has the same."""

LADDER = DATA / "ladder.toml"


def power_above(difference: float, least: float = 1e-7) -> str:
    """A difference between two computations, rounded up to a power of ten: 4.8e-07 is "1e-06".

    The digits of such a difference depend on the processor. Its power of ten mostly does not.

    Args:
        difference: The difference, 0 or more.
        least: What smaller differences are taken for. 1e-07 is about what float32 itself rounds a number
            near 1 by.

    Raises:
        ValueError: If the difference is negative, infinite or NaN.
    """
    if not 0 <= difference < math.inf:
        raise ValueError(f"difference={difference} must be a finite number, 0 or more; take its abs()")
    return f"{10.0 ** math.ceil(math.log10(max(difference, least)) - 1e-9):g}"


def use_style() -> None:
    """Draw all that follows in the course's style; in a notebook, as PNG with two pixels to the point."""
    if "heat" not in mpl.colormaps:
        mpl.colormaps.register(HEAT, name="heat")
    plt.style.use("companion.show.course")  # course.mplstyle, beside this file
    ipython = sys.modules.get("IPython")
    if ipython and hasattr(ipython.get_ipython(), "kernel"):  # in a notebook
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina", bbox_inches=None)  # the whole card, always as wide


def contrast(color) -> float:
    """The contrast of a color with the card, from 1 (none) to 21. Source: WCAG 2.2, "contrast ratio"."""
    rgb = np.array([to_rgb(color), to_rgb(CARD)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ (0.2126, 0.7152, 0.0722) + 0.05)
    return light / dark


def legible(color) -> str:
    """The color for small type: with enough ink for a contrast of 4.5 with the card (WCAG 2.2, AA)."""
    rgb = np.array(to_rgb(color))
    ink = np.array(to_rgb(INK))
    mixes = (to_hex((1 - share) * rgb + share * ink) for share in np.linspace(0, 1, 51))
    return next(mix for mix in mixes if contrast(mix) >= 4.5)


def heat(color: str) -> LinearSegmentedColormap:
    """HEAT's steps in another color, for amounts that belong to what is drawn in it."""
    card = np.array(to_rgb(CARD))
    full = np.array(to_rgb(color))
    return LinearSegmentedColormap.from_list("", [card, 0.4 * full + 0.6 * card, full, 0.4 * full])


def label_line(line: Line2D, text: str, dx: float = 5, dy: float = 0) -> Text:
    """Write text at the right end of a line, in its color (darker where that is pale), instead of a legend.

    Args:
        line: The line.
        text: The label.
        dx: Points to the right of the line's last point.
        dy: Points above the line's last point. Use it to part two labels that meet.
    """
    x = line.get_xdata()[-1]
    y = line.get_ydata()[-1]
    color = legible(line.get_color())
    return line.axes.annotate(
        text, (x, y), (dx, dy), "data", "offset points", color=color, va="center_baseline"
    )


def level(ax: Axes, y: float, text: str, color: str = FLOOR) -> Line2D:
    """Draw a dashed line across at y, labelled right of the axes: a floor, a reader, a model to beat."""
    line = ax.axhline(y, color=color, linestyle=(0, (4, 2)), linewidth=1.2)
    place = ax.get_yaxis_transform()
    ax.annotate(text, (1, y), (5, 0), place, "offset points", color=legible(color), va="center_baseline")
    return line


def box(ax: Axes, x: float, y: float, width: float, height: float, color, text: str = "", size=11) -> None:
    """Draw a rounded box with text in its middle, as part of a diagram.

    Args:
        ax: Axes to draw in.
        x, y: The lower left corner.
        width, height: The box's size, in the units of the axes.
        color: The box's color.
        text: What stands in the box.
        size: The text's size in points.
    """
    style = "round,pad=0,rounding_size=0.8"
    ax.add_patch(FancyBboxPatch((x, y), width, height, style, facecolor=color, edgecolor=GRAY))
    ax.text(x + width / 2, y + height / 2 - 0.1, text, ha="center", va="center", fontsize=size)


def bars(ax: Axes, shares: Mapping[str, float], colors: Sequence[str]) -> None:
    """Draw shares as horizontal bars, from the top down, with the number at the end of each bar.

    Args:
        ax: Axes to draw in.
        shares: The shares by name, from 0 to 1.
        colors: One color for each bar.
    """
    drawn = ax.barh(list(shares), [float(share) for share in shares.values()], color=colors)
    ax.bar_label(drawn, fmt="%.2f", padding=4)
    ax.set_xlim(0, 1)
    ax.grid(False, axis="y")
    ax.invert_yaxis()


def earlier_rungs(chapter: str, path: str | Path = LADDER) -> dict[str, float]:
    """The rungs of the chapters before this one, in order.

    Args:
        chapter: Name of a chapter, such as "03_embeddings". Chapters that come before it by name are earlier.
        path: File with the ladder.

    Returns:
        Bits per byte by the name of the rung.
    """
    ladder = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    rungs = {}
    for name in sorted(ladder):
        if name < chapter:
            rungs |= ladder[name]
    return rungs


def ladder(rungs: Mapping[str, float], floor: float, earlier: Mapping[str, float] | None = None) -> Axes:
    """Draw the course's ladder: a row for each rung, from the top down, and the floor that ends it.

    The axis is logarithmic.

    Args:
        rungs: What this chapter adds, {name: bits per byte}, drawn in blue.
        floor: The village's entropy, in bits per byte.
        earlier: The rungs before this chapter, {name: bits per byte}, drawn in gray.
    """
    rows = {**(earlier or {}), **rungs}
    fig, ax = plt.subplots(figsize=(WIDTH, 0.75 + 0.24 * len(rows)))
    left = floor * 0.8
    right = max(8.0, *rows.values()) * 1.5
    for row, (name, bits) in enumerate(rows.items()):
        color = BLUE if name in rungs else GRAY
        ax.hlines(row, floor, bits, color=color, linewidth=1.2, alpha=0.5)
        ax.plot(bits, row, "o", color=color, markersize=5)
        label = {"color": legible(color), "fontsize": 9, "va": "center_baseline"}
        ax.annotate(f"{bits:.2f}", (bits, row), (7, 0), textcoords="offset points", **label)
    ax.axvspan(left, floor, color=FLOOR, alpha=0.15, linewidth=0)
    ax.axvline(floor, color=FLOOR, linewidth=1.5)
    place = ax.get_xaxis_transform()
    label = {"color": legible(FLOOR), "ha": "center"}
    ax.annotate(f"floor {floor:.2f}", (floor, 1), (0, 4), place, "offset points", **label)
    ax.set(xscale="log", xlim=(left, right), ylim=(len(rows) - 0.4, -0.6), xlabel="bits per byte")
    ticks = [tick for tick in (0.25, 0.5, 1, 2, 4, 8) if floor < tick < right]
    ax.set_xticks(ticks, map(str, ticks))
    ax.set_xticks([], minor=True)
    ax.set_yticks(range(len(rows)), rows)
    for label, name in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_color(INK if name in rungs else legible(GRAY))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(False, axis="y")
    return ax


def loss_curve(history: list[dict], levels: Mapping[str, float]) -> Axes:
    """Draw the losses on held-out and on training text against minutes of training, with levels to compare.

    Args:
        history: What `train` returns, a dict an evaluation. Each "train" is a mean since the row before, so
            it is drawn in the middle of its stretch, converted by the held-out text's bytes a token.
        levels: {name: bits per byte}. The lowest of them is taken for the floor.
    """
    minutes = [row["seconds"] / 60 for row in history]
    middles = [(a + b) / 2 for a, b in zip([0, *minutes], minutes, strict=False)]
    held_out = [row["bits_per_byte"] for row in history]
    training = [row["train"] * row["bits_per_byte"] / row["val"] for row in history]
    fig, ax = plt.subplots()
    ax.plot(minutes, held_out, "o-", markersize=3)
    ax.plot(middles, training, "o-", markersize=3, linewidth=1.2)
    ends = [("held-out text", minutes, held_out, BLUE), ("training text", middles, training, VERMILLION)]
    ends.sort(key=lambda end: end[2][-1])  # the label of the lower line stands below it
    for (name, x, y, color), up in zip(ends, (-12, 8), strict=True):
        label = {"textcoords": "offset points", "color": color, "ha": "right"}
        ax.annotate(f"{name} {y[-1]:.3f}", (x[-1], y[-1]), (0, up), **label)
    for name, bits in levels.items():
        level(ax, bits, f"{name} {bits:.3f}", FLOOR if bits == min(levels.values()) else FORGETFUL)
    lowest = min([*held_out, *training, *levels.values()])
    top = 1.1 * max(held_out)
    bottom = min(0.9 * lowest, lowest - 0.1 * (top - lowest))  # room for a label
    ax.set(xscale="log", xlabel="minutes of training, logarithmic axis")  # most happens in the first ones
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    ax.set(ylabel="bits per byte", ylim=(bottom, top))
    return ax


def confusion(matrix, classes: Sequence[str]) -> Axes:
    """Draw a confusion matrix, (K, K) counts, a row a true class: shades by row, the counts written in."""
    size = min(1.8 + 0.55 * len(classes), 18)
    ax = plt.subplots(figsize=(size + 1.2, size))[1]
    counts = np.array(matrix, dtype=int)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap=HEAT, vmin=0, vmax=1.25)
    for (i, j), n in np.ndenumerate(counts):
        color = CARD if 0.4 < shares[i, j] else INK
        ax.text(j, i, f"{n:,}", ha="center", va="center_baseline", color=color)
    names = [name if len(name) < 20 else name[:18] + " …" for name in classes]
    ax.set_xticks(range(len(names)), names, rotation=0 if len(names) < 4 else 45, parse_math=False)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.set(xlabel="called", ylabel="is")
    ax.grid(False)
    return ax


def certificate(title: str, facts: Sequence[str], history: list[dict], floor: float, story: str) -> Figure:
    """Draw a model's certificate in a frame: its facts beside its loss, and its best story below them.

    Args:
        title: Heading of the certificate.
        facts: The facts, one line each.
        history: What `train` returns, a dict for each evaluation with "seconds" and "bits_per_byte".
        floor: The village's entropy, in bits per byte.
        story: The story, of which 700 characters are shown.
    """
    lines = textwrap.wrap(story[:700], 68)
    heights = [3, 0.28 * len(lines)]  # inches, about: the frame fits the story
    fig, axes = plt.subplot_mosaic(
        [["card", "curve"], ["story", "story"]], figsize=(WIDTH, 1.1 + sum(heights)), height_ratios=heights
    )
    fig.get_layout_engine().set(rect=(0.03, 0.03, 0.94, 0.84))
    fig.suptitle(title, fontsize=14, y=0.94)
    axes["card"].text(0, 0.95, "\n".join(facts), va="top", linespacing=1.6)
    text = axes["story"].text(0, 0.95, "\n".join(lines), va="top", linespacing=1.5, fontsize=11)
    text.set_in_layout(False)
    for name in ("card", "story"):
        axes[name].set_axis_off()
    curve = axes["curve"]
    minutes = [row["seconds"] / 60 for row in history]
    curve.plot(minutes, [row["bits_per_byte"] for row in history], "o-", markersize=3)
    curve.axhline(floor, color=FLOOR, linestyle=(0, (4, 2)), linewidth=1.2)
    curve.text(minutes[-1], floor - 0.01, "floor", color=legible(FLOOR), ha="right", va="top")
    curve.set(xlabel="minutes of training", ylabel="bits per byte", ylim=(floor - 0.04, floor + 0.41))
    fig.add_artist(plt.Rectangle((0.008, 0.01), 0.984, 0.98, fill=False, color=BLUE, linewidth=2))
    return fig


def save(path: str | Path, draw: Callable[..., Axes], *args) -> None:
    """Draw into a file; no window is opened."""
    plt.switch_backend("agg")
    use_style()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # of a script that the font lacks
        figure = draw(*args).figure
        figure.savefig(path)
    plt.close(figure)


def judged(verdicts: Iterable):
    """Show what the village's judge said, sentence by sentence: ok, misplaced, contradiction or unknown.

    Sentences that are ok stand on green. The others are marked by color (yellow, red, gray), by a line
    (dotted, solid, none) and by the reason beside them.

    Args:
        verdicts: What `companion.village.judge` returns.
    """
    from IPython.display import HTML  # the command line draws too, and needs no IPython

    parts = []
    for verdict in verdicts:
        style = f"background:{JUDGED[verdict.kind]};color:{INK};border-radius:3px;padding:1px 3px"
        note = f' <em style="font-size:85%">({escape(verdict.reason)})</em>' if verdict.reason else ""
        parts.append(f'<span style="{style}">{escape(verdict.sentence)}{note}</span>')
    return HTML(f'<p style="line-height:1.9;max-width:42em">{" ".join(parts)}</p>')
