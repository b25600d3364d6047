"""What a training says of itself: a line at each evaluation, and at its end what its figures mean."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from companion.runtime.command_line.settings import CONFIG, Generation, write_run_settings
from companion.runtime.data.prepared import Split, longest_row
from companion.runtime.training.resuming import BEST, read_log
from companion.runtime.training.sessions import lowest_row, rises
from companion.village.measures import gap_left, reference_lines, village_scores

PROMPT = Generation.prompt
USUAL = 256
"""Tokens of the rows in most presets."""
TOLD = 40
"""Stories that are judged at a training's end."""
SAMPLE = 200
"""The most tokens of the sample that is shown at each evaluation."""
STORY = 250
"""The most tokens of the story that is shown at a training's end."""


class Reporter:
    """Called at each evaluation: prints how it stands and a sample, judges stories, writes the settings.

    tell: from the model to what tells with it. corpus: has meta. plan: as write_run_settings takes it.
    """

    def __init__(self, tell: Callable, corpus: Any, plan: Any):
        self.tell, self.plan = tell, plan
        self.is_village = corpus.meta.get("source") == "village"

    def __call__(self, model: Any, row: dict) -> dict:
        from tqdm.auto import tqdm

        write_run_settings(self.plan)
        teller, prompt = self.tell(model), PROMPT if self.is_village else ""
        sample = teller.tell(prompt, max_new_tokens=SAMPLE, temperature=0.8, seed=row["step"])
        more = {"sample": sample}
        if self.plan.judge and self.is_village:
            more |= village_scores(teller, self.plan.judge, seed=row["step"])
        tqdm.write(evaluation_line(row, math.exp(row["val"]) if row["val"] < 709 else math.inf))
        shown = " ".join(sample.split())  # in one line, where the text has many
        tqdm.write(f"  {shown[:160]}{' …' if len(shown) > 160 else ''}")
        if said := first_rise(read_log(self.plan.folder), self.plan.folder):
            tqdm.write(said)
        return more


def long_rows(split: Split, context_length: int, c: Any) -> str | None:
    """What to say, before a first step, of rows far longer than usual, or than documents. c: the model's."""
    longest = longest_row(split, context_length)
    times = multiplications(c, longest) / multiplications(c, USUAL)
    if times >= 10:
        return (
            f"Rows have up to {longest:,} tokens, and attention compares each with all before it: a step may"
            f" take {float(f'{times:.1g}'):,.0f} times as long as with {USUAL} (--context-length)."
        )
    if context_length >= 2 * longest:
        return f"A row is a document, the longest {longest:,} tokens: of {context_length:,} no more are used."
    return None


def multiplications(c: Any, length: int) -> int:
    """About how many a row takes, forward: with the matrices of the blocks and the head, and in attention."""
    matrices = 12 * c.n_layers * c.d_model**2 + c.vocab_size * c.d_model
    return length * (matrices + c.n_layers * c.d_model * length)


def print_results(teller: Any, folder: Path, corpus: Any, history: list[dict]) -> None:
    """What a run came to: a story, its loss, and what that means. teller: of the model in its folder."""
    is_village, last = corpus.meta.get("source") == "village", history[-1]
    story = teller.tell(PROMPT if is_village else "", seed=1, max_new_tokens=STORY)
    print(f"\nA story of your model:\n\n  {story}\n")
    print(what_it_is(last, len(corpus.train.tokens)))
    print(f"Loss: {last['bits_per_byte']:.3f} bits per byte on text it has not seen.")
    if is_village:
        lines = reference_lines()
        gap = gap_left(last["bits_per_byte"], lines)
        print(
            f"The floor is {lines['floor']:.3f}; a perfect reader who forgets what it was told"
            f" reaches {lines['forgetful reader']:.3f}. {gap:.0%} of that gap is left."
        )
        print(gap_means(gap))
        print(scores_line(village_scores(teller, TOLD, seed=1), TOLD))
    else:
        print(bytes_mean(last["bits_per_byte"]))
    if worse := best_is_elsewhere(history, folder):
        print(worse)
    print(f"\nModel: {folder}   Curve: {folder / 'loss.png'}   Settings: {folder / CONFIG}")


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


def scores_line(scores: dict, n: int) -> str:
    """What a model's own stories show of it. n: how many it began; those without an end are not judged."""
    if "grammar" not in scores:
        return "No story of it came to an end yet, so there is nothing to judge: train longer."
    ended = round(n * scores["ended"])
    return (
        f"Grammar: {scores['grammar']:.0%} of sentences are the village's. Memory: {scores['memory']:.0%} of"
        f" recalled words are right. Of {ended} stories {scores['consistent']:.0%} hold no contradiction,"
        f" {scores['flawless']:.0%} no fault."
    )
