"""A story with strips below its words."""

import matplotlib.pyplot as plt
import pytest

from companion.show.plots import BLUE, VERMILLION
from companion.show.strips import LETTERS, lines_of, strips


def test_words_are_broken_into_lines_that_fit_and_none_is_lost():
    words = ["Once", *[" word"] * 40, ".", " x" * 30]
    lines = lines_of(words)
    assert [i for line in lines for i, _ in line] == list(range(len(words)))
    assert all(column + len(words[i]) <= LETTERS for line in lines for i, column in line)
    assert all(line[0][1] == 0 for line in lines) and len(lines) > 2


def test_a_strip_has_the_color_of_who_is_believed_and_pales_with_doubt():
    rows = {"key": [None, ("Mara", 0.5)], "key (true)": [("Finn", 1.0), None]}
    fig = strips(["The", " key"], rows, {"Mara": BLUE, "Finn": VERMILLION})
    drawn = [(patch.get_facecolor(), patch.get_height()) for patch in fig.axes[0].patches]
    colored = [(color, height) for color, height in drawn if color[:3] == plt.matplotlib.colors.to_rgb(BLUE)]
    assert any(color[3] == pytest.approx(0.5) for color, _ in colored)
    assert {text.get_text() for text in fig.axes[0].texts} == {"The", " key", "Mara", "Finn", "key", "true"}
    plt.close(fig)
