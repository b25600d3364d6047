"""The check of exercise 24.2: What a name says."""

from companion.exercises.exercise import Number

WIDTH, LAYERS, TABLES = 6144, 56, 2 * 32768 * 6144
ATTENTION = 2 * WIDTH * WIDTH + 2 * WIDTH * 8 * 128
EXPERT, ROUTER, THIN = 3 * WIDTH * 16384, 8 * WIDTH, 2 * WIDTH + 2 * 128  # thin: norms


def billions(n_experts: int, tables: int = TABLES, attention: int = ATTENTION) -> float:
    """Weights with so many experts in a layer."""
    return (LAYERS * (attention + ROUTER + THIN + n_experts * EXPERT) + WIDTH + tables) / 1e9


EXERCISE = Number(
    number="24.2",
    title="What a name says",
    stars=1,
    wants="active_billions()",
    answer=billions(2),
    tolerance=0.1,
    mistakes=[
        (
            39,
            "That is the right number, rounded too far, or that with one table of two: give one decimal "
            "place.",
        ),
        (141, "That is the whole model. Which experts does a token leave alone?"),
        (billions(8), "That is the whole model. Which experts does a token leave alone?"),
        (billions(2, 0), "Embedding and head are missing; both work on a token's way here."),
        (billions(2, TABLES // 2), "One of two tables is missing: `tied=False` gives the head its own."),
        (billions(1), "That is so with one expert a token. It uses two."),
        (billions(2, TABLES, 4 * WIDTH * WIDTH), "There are 8 heads of keys and values, not 48."),
        (billions(2) * 1e9, "That is the number itself; give it in billions."),
        (billions(2) * 1e3, "In millions, yes: give it in billions."),
        (billions(8) / 4, "Not all shrinks to a quarter: attention and tables work on every token."),
        (LAYERS * 2 * EXPERT / 1e9, "Those are the experts alone. Attention and the tables work too."),
        (44, "Two times 22? The experts share attention and tables, and hold less than the name says."),
    ],
    right="Of 141 billion, 39 work on a token: what it costs is not in its name.",
)
