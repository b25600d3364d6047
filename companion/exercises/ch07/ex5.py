"""The check of exercise 7.5: One odd batch."""

from companion.exercises.exercise import Number


def slow_steps(beta_2=0.99, root=0.5):
    """How many of the 1,000 steps after a gradient of 100, among ones, are shorter than half the rate."""
    m, v, slow = 1.0, 1.0, 0
    for g in [100.0] + [1.0] * 1000:
        m, v = 0.9 * m + 0.1 * g, beta_2 * v + (1 - beta_2) * g * g
        slow += m / v**root < 0.5
    return slow


EXERCISE = Number(
    number="7.5",
    title="One odd batch",
    stars=2,
    wants="slow_steps()",
    answer=slow_steps(),
    tolerance=0.5,
    mistakes=[
        (
            0,
            "None would be right with clipping, or if Adam forgot as fast as it sees. How long does the "
            "square of 100 stay in the average of squares?",
        ),
        (
            10,
            "Ten steps or so is how long the average of the gradient remembers. The average of squares, with "
            "0.99, remembers longer, and what it has to remember is the square of 100.",
        ),
        (
            348,
            "Close: after the 348th step it is over. But count only the slow ones. What does the other "
            "average, of the gradient itself, do in the first few steps?",
        ),
        (
            slow_steps(beta_2=0.999),
            "That is with PyTorch's own β₂ = 0.999, and shows why we take less. With 0.99 it is shorter.",
        ),
        (
            1000,
            "Not all of them: the average of squares keeps 0.99 of itself in each step, so the odd one "
            "fades.",
        ),
        (
            69,
            "After 69 steps half of the odd square is left. That half is still 50 times what v was before: "
            "look at what it does to m/√v.",
        ),
        (
            slow_steps(root=1.0),
            "That is for m/v, without the root. Equation (4) divides by √v.",
        ),
    ],
    right="The odd step is hardly longer than others; the brake comes after it. With clipping, none is slow.",
)
