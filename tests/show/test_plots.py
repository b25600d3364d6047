"""The figures' one visual language."""

import math
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from companion import book, village
from companion.show import plots

pytestmark = pytest.mark.usefixtures("style")

PARTS = "card", "curve", "story"


@pytest.mark.parametrize("color", ["BLUE", "VERMILLION", "GREEN", "GRAY", "FORGETFUL"])
def test_colors_of_lines_stand_out_from_the_card(color):
    assert plots.contrast("#000000") == pytest.approx(20.1, abs=0.2)
    assert plots.contrast(getattr(plots, color)) > 3 and plots.contrast(plots.INK) > 7


@pytest.mark.parametrize("color", ["PURPLE", "FORGETFUL", "SKY"])
def test_small_type_in_a_color_is_legible_and_of_the_same_hue(color):
    line, label = (to_rgb(shade) for shade in (getattr(plots, color), plots.legible(getattr(plots, color))))
    assert 4.5 <= plots.contrast(label) < 5.1
    assert [line[i] > line[j] for i in range(3) for j in range(i)] == [
        label[i] > label[j] for i in range(3) for j in range(i)
    ]
    assert plots.legible(plots.BLUE) == plots.BLUE.lower()


def test_bars_run_from_the_top_down_with_their_shares():
    _, ax = plt.subplots()
    plots.bars(ax, {"Mara": 0.1, "Ivy": 0.734}, [plots.BLUE, plots.GRAY])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Mara", "Ivy"]
    assert [label.get_text() for label in ax.texts] == ["0.10", "0.73"]
    assert [to_rgb(bar.get_facecolor()[:3]) for bar in ax.patches] == [to_rgb(plots.BLUE), to_rgb(plots.GRAY)]
    assert ax.yaxis_inverted() and ax.get_xlim() == (0, 1)


def test_earlier_rungs_are_those_of_the_chapters_before(tmp_path):
    path = tmp_path / "ladder.toml"
    path.write_text('[10_c]\n"four" = 0.4\n[01_a]\n"one" = 8.0\n"two" = 2.3\n[02_b]\n"three" = 0.5\n')
    assert plots.earlier_rungs("02_b", path) == {"one": 8.0, "two": 2.3}
    assert list(plots.earlier_rungs("11_d", path)) == ["one", "two", "three", "four"]


def test_the_ladder_lies_with_the_data_which_a_wheel_has_in_the_package():
    assert plots.LADDER.parent == village.DATA and plots.earlier_rungs("02_datasets")


def test_the_ladder_has_a_row_for_each_rung_and_the_floor(tmp_path):
    ax = plots.ladder({"window": 0.58}, 0.31, {"uniform bytes": 8.0, "pairs": 0.69})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["uniform bytes", "pairs", "window"]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [8.0, 0.69, 0.58]
    assert [dot.get_color() for dot in dots] == [plots.GRAY, plots.GRAY, plots.BLUE]
    assert [text.get_text() for text in ax.texts] == ["8.00", "0.69", "0.58", "floor 0.31"]
    low, high = ax.get_xlim()
    assert low < 0.31 and high > 8 and ax.yaxis_inverted()
    ax.figure.savefig(tmp_path / "ladder.png")


def test_a_certificate_shows_facts_loss_floor_and_a_story_within_its_frame():
    history = [{"seconds": 60 * i, "bits_per_byte": b} for i, b in enumerate([2.0, 0.7, 0.4], 1)]
    story = "Mara found a key. " * 60
    fig = plots.certificate("A model", ["built by Ada", "7 parameters"], history, 0.3, story)
    card, curve, panel = (next(ax for ax in fig.axes if ax.get_label() == name) for name in PARTS)
    assert card.texts[0].get_text() == "built by Ada\n7 parameters"
    assert " ".join(panel.texts[0].get_text().split()) == story[:700].strip()
    assert (
        list(curve.lines[0].get_ydata()) == [2.0, 0.7, 0.4] and list(curve.lines[1].get_ydata()) == [0.3] * 2
    )
    fig.canvas.draw()
    frame = next(
        artist for artist in fig.get_children() if isinstance(artist, plt.Rectangle) and not artist.get_fill()
    )
    frame, text = frame.get_window_extent(), panel.texts[0].get_window_extent()
    assert frame.x0 < text.x0 and text.x1 < frame.x1 and frame.y0 < text.y0


def test_the_judges_marks_differ_without_color_and_in_the_dark():
    """What is not ok has a reason beside it. A line marks what is false, and another what is misplaced."""
    from companion.village import judge

    verdicts = judge("Once upon a time, the baker Mara lived by the mill. " * 2 + "They all were kings.")
    html = plots.judged([*verdicts, *judge("The key Mara hid at the mill was hard to find.")]).data
    lines = [re.search(r"border-bottom:2px (\w+)", span) for span in html.split("</span>")[:4]]
    assert [line and line[1] for line in lines] == [None, "dotted", None, "solid"]
    assert html.count("<em") == 3
    css = (Path(book.__file__).parent / "static" / "book.css").read_text(encoding="utf-8")
    for color in re.findall(r"background:(#\w+)", html):
        assert f'html[data-theme="dark"] .bd-content span[style*="{color}"] {{' in css, color


def test_names_of_classes_are_no_formulas(tmp_path, recwarn):
    names = [f"$$ {k} 天" for k in range(2)]
    plots.save(tmp_path / "a.png", plots.confusion, 9 * np.eye(2, dtype=int), names)
    assert not recwarn.list


def test_the_loss_curve_names_both_losses_and_its_levels(tmp_path):
    rows = [(60, 3.0, 2.0, 1.0), (120, 1.5, 1.6, 0.8), (180, 1.0, 1.8, 0.9)]
    history = [dict(zip(("seconds", "train", "val", "bits_per_byte"), row, strict=True)) for row in rows]
    ax = plots.loss_curve(history, {"forgetful reader": 0.56, "floor": 0.3})
    held_out, training, *levels = ax.lines
    assert list(held_out.get_xdata()) == [1, 2, 3] and list(held_out.get_ydata()) == [1.0, 0.8, 0.9]
    assert list(training.get_xdata()) == [0.5, 1.5, 2.5]  # in the middle of what it is the mean of
    assert list(training.get_ydata()) == pytest.approx([1.5, 0.75, 0.5])
    assert [line.get_color() for line in levels] == [plots.FORGETFUL, plots.FLOOR]
    names = ["training text 0.500", "held-out text 0.900", "forgetful reader 0.560", "floor 0.300"]
    assert [text.get_text() for text in ax.texts] == names and ax.get_ylim()[0] < 0.3
    ax.figure.savefig(tmp_path / "curve.png")


@pytest.mark.parametrize(
    ("difference", "power"), [(1e-6, "1e-06"), (1.01e-6, "1e-05"), (0, "1e-07"), (30, "100")]
)
def test_a_difference_is_rounded_up_to_a_power_of_ten(difference, power):
    assert plots.power_above(difference) == power


@pytest.mark.parametrize("difference", [-1e-6, math.nan])
def test_what_is_no_difference_is_refused(difference):
    with pytest.raises(ValueError, match="difference="):
        plots.power_above(difference)
