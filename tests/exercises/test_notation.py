"""How checks are written down: headings, inputs, and mistakes as edits of the right answer."""

import pytest

from companion.exercises.notation import Chapter

MISTAKES = """
    sum(values) => len(values) || max(values)
    found = sum(values) => found = sum(values) ; return found => return -found || return 2 * found
        That is no sum.
    = it + 1 || it - 1
    : min || max
        Off.
"""


@pytest.fixture
def exercises():
    """A function and a number, as a chapter's module has them."""
    chapter = Chapter()

    @chapter.function(
        "1.1 A total ★★", right="It adds.", inputs="[1] || [1, 2]\n[3,\n  4]", mistakes=MISTAKES
    )
    def total(values):
        found = sum(values)
        return found

    chapter.number(
        "1.2 A half ★",
        right="It is.",
        wants="half()",
        answer=0.5,
        tolerance=0.1,
        mistakes="""
            4 / 2 || 50
                Upside down, or in percent?
            0
                Nothing.
        """,
    )
    return chapter.exercises


def test_a_heading_has_number_title_and_stars(exercises):
    assert [(one.number, one.title, one.stars) for one in exercises] == [
        ("1.1", "A total", 2),
        ("1.2", "A half", 1),
    ]


@pytest.mark.parametrize("heading", ["1.1 A total", "A total ★", "1.1 ★", "1 A total ★"])
def test_a_heading_without_one_of_them_is_refused(heading):
    with pytest.raises(ValueError, match="is no exercise's heading; write one such as '1.1 One merge ★'"):
        Chapter().number(heading, wants="half()", answer=0.5, tolerance=0.1, mistakes="", right="")


def test_a_line_may_hold_several_inputs(exercises):
    assert exercises[0].cases(0) == [([1],), ([1, 2],), ([3, 4],)]
    assert exercises[0].cases(1) == []


def test_a_line_may_hold_several_mistakes_with_one_message(exercises):
    function, number = exercises
    found = [(wrong([3, 4]), message) for wrong, message in function.mistakes]
    assert found[:4] == [(answer, "That is no sum.") for answer in (2, 4, -7, 14)]
    assert found[4:] == [(answer, "Off.") for answer in (8, 6, 3, 4)]
    percent = "Upside down, or in percent?"
    assert number.mistakes == [(2, percent), (50, percent), (0, "Nothing.")]


@pytest.mark.parametrize(
    ("mistakes", "problem"),
    [
        ("found => total\n    No.", "'found' stands 2 times in the right answer"),
        ("sum\n    No.", "'sum' is no edit: it has no =>"),
        ("sum => max", "the mistake 'sum => max' has no message"),
        ("    No.\nsum => max\n    No.", "begins with a message"),
    ],
)
def test_a_slip_of_an_author_is_named(exercises, mistakes, problem):
    function, _ = exercises
    with pytest.raises(ValueError, match=problem):
        list(type(function.mistakes)("1.1", function.mistakes.source, mistakes))
