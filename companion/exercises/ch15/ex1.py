"""The check of exercise 15.1: A rare class."""

from companion.exercises.exercise import Number

RECALL, ALARM, SHARE = 0.9, 0.05, 0.01
HITS, FALSE = RECALL * SHARE, ALARM * (1 - SHARE)

BOTH = "Among those called spam are the spam that was found and the letters that were called so by mistake."

EXERCISE = Number(
    number="15.1",
    title="A rare class",
    stars=1,
    wants="precision_of_the_filter()",
    answer=HITS / (HITS + FALSE),
    tolerance=0.001,
    mistakes=[
        (
            0.9,
            "That is the recall: of the spam, how much is found. Of what is called spam, how much is?",
        ),
        (
            0.95,
            "That is the share that it calls rightly, of the honest letters or of all.",
        ),
        (0.05, "That is the share of the honest letters that are called spam."),
        (0.01, "That is the share of spam in all letters, before anybody looked."),
        (0.9 / 0.95, "That would be so if half of the letters were spam. Here 1 in 100 is. " + BOTH),
        (HITS / (HITS + ALARM), "Nearly: 5 % are of the 99 in 100 that are honest, not of all."),
        (
            HITS,
            "That is spam and found, of all letters. What share of those called spam is it?",
        ),
        (HITS / FALSE, "That is spam for each honest letter among those called spam. " + BOTH),
        (
            FALSE / (HITS + FALSE),
            "That is the share of those called spam that is honest: the rest is wanted.",
        ),
        *[
            (percent, "Is that in percent? As a share, 40 % is 0.4.")
            for percent in (100 * HITS / (HITS + FALSE), 15, 15.3, 15.38, 15.385, 15.4)
        ],
        (FALSE + HITS, "That is the share of all letters that is called spam. " + BOTH),
        (2 / 3, "That is the example's precision. Here other numbers are given."),
        (1 - SHARE, "That is the share of honest letters."),
        (0.15, "Rounded? The share is wanted to within a thousandth."),
        (0.5, "That would be a guess. Take 10,000 letters and count."),
    ],
    right="Of thirteen letters that it holds back, eleven are honest, though it is right in 95 of 100 cases: "
    "for a rare class the mistakes on the frequent one outnumber the finds.",
)
