"""The check of exercise 19.2: How far off?"""

from companion.exercises.exercise import Number

STEP = 0.6

EXERCISE = Number(
    number="19.2",
    title="How far off?",
    stars=1,
    wants="mean_squared_error()",
    answer=STEP**2 / 12,
    tolerance=0.0005,
    mistakes=[
        (STEP**2 / 4, "That is the largest squared error, half a step squared. The mean is asked for."),
        (STEP / 4, "That is the mean error without its sign. Square first, then take the mean."),
        (STEP**2 / 3, "The error is at most half a step, not a whole one."),
        (STEP**2 / 6, "That is twice as much; the mean of a square between 0 and h is h²/3, and h is 0.3."),
        (STEP / 12, "The step is squared."),
        (0.0, "Errors of both signs do cancel, but their squares do not."),
        (STEP / 12**0.5, "That is the root of it."),
        (STEP**2 / 48, "The 12 belongs to the whole step, from −0.3 to 0.3."),
        (
            STEP**2 / 8,
            "The mean of the square is not half of the largest: small errors' squares are smaller yet.",
        ),
        (
            STEP**3 / 12,
            "That is the sum over the step (the integral); a mean is divided by the step's length.",
        ),
        (STEP**2, "No error is as long as a step."),
    ],
    right="Twice the step makes this four times as large.",
)
