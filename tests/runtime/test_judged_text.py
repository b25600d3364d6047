"""The judge's marks in a terminal: the same however the text comes, and only where they belong."""

import io
import os
import random
import re
import sys
import threading

import pytest
from support.command_line import AtOnce

from companion.runtime.terminal import Styled, screens, waiting, wrapped
from companion.show.judged_text import COLORS, Marks, marked, marked_line, marked_story, marks_for
from companion.village import judge, load_split

COLOR, PLAIN = Marks(True), Marks(False)
STORIES = load_split("val")[:6]
FALSE = "Mara ate a key. Once upon a time, nobody said a word of this here."


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def pieces_of(text: str, seed: int) -> list[str]:
    """A text cut at random places, but before spaces more often, as a tokenizer cuts it."""
    rng, pieces = random.Random(seed), []
    for word in re.findall(r"\s*\S+", text):
        cut = rng.randint(0, len(word)) if rng.random() < 0.3 else 0
        pieces += [word[:cut], word[cut:]]
    return pieces


def damaged(text: str, seed: int) -> str:
    """A story with one word exchanged, and a sentence in it that is none of the village."""
    words = text.split()
    at = random.Random(seed).randrange(8, len(words))
    words[at] = "spoons"
    return " ".join([*words[: at // 2], "Zzz said nothing.", *words[at // 2 :]])


@pytest.mark.parametrize("marks", [COLOR, PLAIN])
@pytest.mark.parametrize("text", [*STORIES, *map(damaged, STORIES, range(6)), FALSE, STORIES[0][:200]])
def test_a_text_in_pieces_gets_the_marks_of_the_whole_text(text, marks):
    for seed in range(4):
        assert "".join(marked(pieces_of(text, seed), marks)) == marked_story(text, marks)


def test_sentences_are_handed_on_before_the_text_ends():
    verdicts = judge(STORIES[0])
    coming = marked(pieces_of(STORIES[0], 1), PLAIN)
    assert next(coming) == f"✓ {verdicts[0].sentence}"


@pytest.mark.parametrize("text", ["Mara.", "Mara has it. Leo has not.", "", "Hello! " * 60])
def test_an_answer_that_is_no_story_comes_as_it_is(text):
    assert "".join(marked(pieces_of(text, 1), COLOR, stories_only=True)) == "".join(pieces_of(text, 1))
    assert "".join(marked(pieces_of(STORIES[0], 1), COLOR, True)) == marked_story(STORIES[0], COLOR)
    assert list(marked(["a", " b"], None)) == ["a", " b"]


def test_what_is_not_right_has_a_sign_beside_its_color_and_its_reason_below():
    out = marked_story(f"{STORIES[0]} Mara ate a key.", COLOR)
    first = judge(STORIES[0])[0].sentence
    assert f"\x1b[{COLORS['ok']}m{first}\x1b[0m" in out
    assert f"\x1b[{COLORS['unknown']}m? Mara ate a key.\x1b[0m" in out
    assert COLOR.sign("ok") == "\x1b[32m✓\x1b[0m" and COLOR.legend().startswith(COLOR.sign("ok"))
    assert "✗ false in this story; ? no sentence of the village" in PLAIN.legend()
    n = len(judge(STORIES[0]))
    assert f"The judge: {n} of {n + 1} sentences fit the story." in out
    assert out.endswith(f"\n  ? no sentence of the village: 1 of {n + 1}")
    assert "\x1b" not in marked_story(FALSE, PLAIN) and "? Mara ate a key." in marked_story(FALSE, PLAIN)


def test_what_is_false_is_explained_and_not_more_than_a_few_times():
    first = judge(STORIES[0])[0].sentence
    named = " ".join(['"Where is Olaf?" asked Pip. It was easy: at the mill.'] * 7)
    out = marked_story(f"{first} {named}", PLAIN)
    wrong = [v for v in judge(f"{first} {named}") if v.kind == "contradiction"]
    assert len(wrong) == 7 and out.count(f"false in this story ({wrong[0].reason}): ") == 5
    assert out.endswith("\n  … and 2 more") and "unknown" not in out


def test_a_line_is_cut_by_the_letters_of_the_text_and_not_by_those_of_the_marks():
    shown = re.sub(r"\x1b\[[\d;]*m", "", marked_line(STORIES[0], COLOR, 80))
    assert shown == f"{STORIES[0][:80]} …"
    assert marked_line("Mara ate a key.", PLAIN, 80) == "? Mara ate a key."


# -- where marks are shown ------------------------------------------------------------------


def enter_terminal(monkeypatch) -> None:
    """Let standard output be a terminal with colors. (In a fixture, pytest would take it back.)"""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", Terminal())


@pytest.mark.skipif(os.name == "nt", reason="colors are found in another way there")
def test_color_is_for_terminals_that_have_it(monkeypatch):
    enter_terminal(monkeypatch)
    assert marks_for("auto").color
    monkeypatch.setenv("NO_COLOR", "1")
    assert marks_for("auto") == PLAIN and marks_for("color") == COLOR
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert marks_for("auto") == PLAIN
    assert marks_for("off") is None


def test_a_pipe_gets_what_its_command_says(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert marks_for("auto") is None and marks_for("auto", "signs") == PLAIN
    assert marks_for("color") == COLOR and marks_for("signs") == PLAIN


def test_a_terminal_carries_out_our_codes_and_not_those_of_a_model(monkeypatch):
    enter_terminal(monkeypatch)
    terminal = sys.stdout
    with screens():
        print(Styled("\x1b[32mgreen\x1b[0m"), end=" ")
        print("\x1b[2Jwiped", end="")
    assert terminal.getvalue() == "\x1b[32mgreen\x1b[0m ·[2Jwiped"
    assert marked_story("\x1b[2Jwiped.", COLOR).count("\x1b") == 2  # those before and after the sentence


# -- what takes long ------------------------------------------------------------------


@pytest.mark.parametrize(("stream", "said"), [(Terminal(), "Loading ...\n"), (io.StringIO(), "")])
def test_work_that_takes_long_is_said_in_a_terminal(stream, said, monkeypatch):
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(threading, "Timer", AtOnce)
    with waiting("Loading"):
        assert stream.getvalue() == said


def test_work_that_ends_before_is_not_said_afterwards(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    before = set(threading.enumerate())
    with waiting("Working"):
        (timer,) = set(threading.enumerate()) - before
    assert timer.finished.is_set()


def test_a_terminal_s_lines_end_between_words_and_colors_take_no_room(monkeypatch):
    monkeypatch.setattr("companion.runtime.terminal.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "12")
    assert wrapped("  one two three four") == "  one two\nthree four"
    colored = wrapped(Styled("\x1b[32mone two five\x1b[0m six"))
    assert type(colored) is Styled and colored == "\x1b[32mone two five\x1b[0m\nsix"
