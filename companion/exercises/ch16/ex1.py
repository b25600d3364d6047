"""The check of exercise 16.1: What the answers count."""

from companion.exercises.exercise import Number

ANSWERS, STORIES = 12 * 35, 4 * 120
EXERCISE = Number(
    number="16.1",
    title="What the answers count",
    stars=1,
    wants="share_of_the_answers()",
    answer=ANSWERS / (ANSWERS + STORIES),
    tolerance=0.001,
    mistakes=[
        (0.75, "That is the share of the rows. The mean is over targets, and a story has more of them."),
        (0.25, "That is the share of the rows that are stories."),
        (STORIES / (ANSWERS + STORIES), "That is the stories' share. The answers' is wanted."),
        (ANSWERS / STORIES, "That is answers for each target of a story: compare with all targets."),
        (STORIES / ANSWERS, "That is targets of stories for each of an answer."),
        (35 / 155, "That would be so with as many conversations as stories. Here they are 12 and 4."),
        (35 / 190, "Of a conversation's tokens that is the share that is learned. The rest is no target."),
        (12 * 190 / (12 * 190 + STORIES), "Of a conversation only the 35 tokens of answers are targets."),
        (ANSWERS / (12 * 190 + STORIES), "What is not learned is no target: it counts in no mean."),
        (2 / 3, "That is the example's share. Here other numbers are given."),
        (46.7, "Is that in percent? As a share, 40 % is 0.4."),
        (100 * ANSWERS / (ANSWERS + STORIES), "Is that in percent? As a share, 40 % is 0.4."),
        (46.67, "Is that in percent? As a share, 40 % is 0.4."),
        (ANSWERS, "That is how many targets the answers have. What share of all is it?"),
        (0.47, "Rounded? The share is wanted to within a thousandth."),
        (0.5, "That would be a guess. Count the targets of both kinds."),
    ],
    right="A quarter of the rows takes more than half of the loss: replay is weighed by targets.",
)
