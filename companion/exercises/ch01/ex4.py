"""The check of exercise 1.4: Tokens that never come."""

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="1.4",
    title="Tokens that never come",
    stars=2,
    wants="never_used()",
    answer=108 / 767,
    tolerance=0.0006,
    mistakes=[
        (
            315 / 1024,
            "You counted all ids. Single bytes that no story holds are there so that no text is ever "
            "unknown; the "
            "question is about the 767 that training made.",
        ),
        (
            109 / 768,
            "You counted `<|endoftext|>` among the merged tokens. Its id is 1023, the last; it is no merge.",
        ),
        (
            314 / 767,
            "You counted single bytes among the unused, too. Only tokens of two bytes and more were merged.",
        ),
        (108 / 1024, "You divided by all 1,024 ids. How many of them came from merges?"),
        (
            154 / 767,
            "That is the share for the held-out stories. Encode those that the merges were made from.",
        ),
        (659 / 767, "That is the share of the tokens that do come."),
        (100 * 108 / 767, "That is in percent. Give it as a share, between 0 and 1."),
        (14.08, "That is in percent. Give it as a share, between 0 and 1."),
        (108, "That is their number. Divide it by the number of merges."),
    ],
    right=(
        "Every seventh merge only led to a longer token; of these a model will learn at most that "
        "they never come."
    ),
)
