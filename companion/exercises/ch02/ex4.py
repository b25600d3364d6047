"""The check of exercise 2.4: Only a quarter overlaps."""

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="2.4",
    title="Only a quarter overlaps",
    stars=2,
    wants="leaked_share()",
    answer=0.5 * 0.9,
    tolerance=0.022,
    mistakes=[
        (
            0.25,
            "A quarter of a window lies in the window before it. And in the one after it?",
        ),
        (
            0.5,
            "Half of a window's questions stand in a neighbor, yes. But is every neighbor among the "
            "counted ones?",
        ),
        (
            0.225,
            "You counted one neighbor. A window overlaps with the one before it and with the one after it.",
        ),
        (
            0.9,
            "That is how often a neighbor is counted. But only some of a window's questions have one: draw"
            " three windows below each other.",
        ),
        (
            0.75,
            "Three quarters are the way from one window's start to the next. How much of a window is in no"
            " other?",
        ),
        (0.675, "Three quarters are the stride's share. What is shared with a neighbor is the rest."),
        (
            1 / 3,
            "Is it 16 of 48? 48 is the way to the next window. One asks 64 questions; it has two neighbors.",
        ),
        (0.55, "That is the share that did not leak."),
        (0.05, "That is how often a shared question's neighbor is held out as well, so that nothing leaks."),
        (0.1, "That is the share of windows held out. How many of their questions were also counted?"),
        (45, "As a share, please: a number between 0 and 1."),
    ],
    right=(
        "Nearly half of the held-out questions were counted, answers and all, though windows overlap by a "
        "quarter."
    ),
)
