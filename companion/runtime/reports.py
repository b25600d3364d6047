"""What a training says of itself: a line at each evaluation, and at its end what its figures mean."""

from pathlib import Path

from companion.runtime.checkpoints import BEST
from companion.runtime.runs import lowest_row, rises


def evaluation_line(row: dict, perplexity: float) -> str:
    """Where a run stands. Losses are in nats per token."""
    return (
        f"step {row['step']:>6}  loss: training {row['train']:.3f}, held-out {row['val']:.3f}"
        f" (perplexity {perplexity:.2f}, {row['bits_per_byte']:.3f} bits per byte)"
    )


def first_rise(history: list[dict], folder: Path) -> str | None:
    """What is to be said at the last evaluation of a history, if it is the first that shows a rise."""
    if not rises(history) or any(rises(history[:n]) for n in range(len(history))):
        return None
    lowest = lowest_row(history)
    return (
        f"Since step {lowest['step']:,} the held-out loss rises from {lowest['val']:.3f}, and the training"
        f" loss falls: the model begins to learn its text by heart. The best weights are kept in"
        f" {folder / BEST}; Ctrl-C ends the run."
    )


def minutes_of(seconds: float) -> str:
    """A time of training in words."""
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.1f} minutes"


def what_it_is(last: dict, n_tokens: int) -> str:
    """Which model the figures are of: how long it has learned, and how often its n_tokens passed by."""
    return (
        f"This is a model after {minutes_of(last['seconds'])} of training: in {last['step']:,} steps it read"
        f" {last['tokens']:,} tokens, {last['tokens'] / n_tokens:.1f} times its text."
    )


def gap_means(gap: float) -> str:
    """What a share of the gap between the forgetful reader and the floor says of a model."""
    if gap > 1.05:
        return "Over 100 %: it still learns how sentences go; who has what comes after that."
    if gap > 0.5:
        return "Its sentences are the village's, but it forgets most of who has what."
    if gap > 0.15:
        return "Its sentences are the village's, and it remembers part of who has what."
    return "Its sentences are the village's, and it remembers nearly all of who has what."


def bytes_mean(bits: float) -> str:
    """What bits per byte say of a model of a text whose floor nobody knows."""
    return (
        f"Of a byte's 8 bits, {bits:.1f} still surprise it. How few could do nobody knows of such a text:"
        " compare with other runs on it."
    )


def best_is_elsewhere(history: list[dict], folder: Path) -> str | None:
    """Where the best weights are, if they are not the last."""
    lowest, last = lowest_row(history), history[-1]
    if lowest["step"] == last["step"] or not (folder / BEST).is_dir():
        return None
    return (
        f"The held-out loss was lowest at step {lowest['step']:,}: {lowest['bits_per_byte']:.3f} bits per"
        f" byte. The weights of that step are in {folder / BEST}."
    )


def scores_line(scores: dict) -> str:
    """What a model's own stories show of it."""
    if "grammar" not in scores:
        return "No story of it came to an end yet, so there is nothing to judge: train longer."
    return (
        f"Grammar: {scores['grammar']:.0%} of sentences are the village's. Memory: {scores['memory']:.0%} of"
        f" recalled words are right, {scores['consistent']:.0%} of stories hold no contradiction,"
        f" {scores['flawless']:.0%} no fault."
    )
