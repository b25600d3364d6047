"""companion finetune rewards: the village's judge prefers true stories (DPO) or rewards them (GRPO), or pairs
of a file are preferred."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from tqdm import tqdm

from companion import load
from companion.cli._learning import (
    LearningOptions,
    Row,
    bits_of,
    check_turn_end,
    measuring,
    output_of,
    rows_of,
    save_report,
    take_steps,
    with_interval,
)
from companion.cli._parsing import Range
from companion.cli._shared import REASONER, SHIPPED, refuse, take
from companion.cli.finetune._checked_steps import by_checker, measured_steps, print_steps
from companion.cli.finetune._preferences import BATCH, batch_of, by_judge, by_pairs, text_log_probs
from companion.evaluation import wilson_interval
from companion.generation import LanguageModel
from companion.gpt import GPT
from companion.models.names import origin_of, trainable_folder
from companion.rewards import sample_groups
from companion.runtime.data.conversations import check_turns
from companion.runtime.data.preference_pairs import placed_pairs
from companion.runtime.files.atomic import claim
from companion.runtime.terminal import amount, as_typed, waiting
from companion.training import Trainer, save_checkpoint
from companion.village import load_split
from companion.village.tasks import begun, patterns, true_story

ASKED = 200  # stories, or pairs, to measure with unless --asked says otherwise
STRANGER = 0.5
"""Bits per byte of the village's stories from which on a model tells no true one. The floor is 0.19, a model
that forgets earlier sentences needs 0.37, and a public model that never read such a story more than 1."""
JUDGED = {  # by method: what the judge's options are unless given
    "dpo": {"steps": 224, "lr": 1e-4, "prompts": 128, "size": 8, "mixed": 1.5, "average": 0.3},
    "grpo": {"steps": 18, "lr": 3e-4, "prompts": 32, "size": 4, "mixed": 0.0, "average": 0.0},
}


@dataclass(kw_only=True)
class Options(LearningOptions):
    """Train a model with rewards: for true stories, for right answers, or from pairs of texts.

    Args:
        data: Pairs for DPO: JSON Lines with prompt, chosen and rejected. A model with a chat template reads
            the prompt as the user's message and learns the others as its answers. Default: the village's
            judge.
        output: Folder to write to. Default: runs/rewards/village, or the name of --data.
        checker: Reward answers to questions that need steps (chapter 25), with answer for the right answer
            alone, with steps for each true step as well. Default for --model: the reasoner that comes with
            the course.
        switch: With --checker: how rewards become a loss. Default: grpo.
        steps: Training steps. Default: 224; with grpo 18; with a checker 80; with a file, two passes.
        lr: Learning rate. Default: 0.0001; with grpo or a checker 0.0003; for a swift that tells stories
            0.001; with a file 0.00001.
        method: Dpo prefers true stories to others, and samples new ones every 8 steps; grpo lowers the
            probability of false sentences. Default: dpo.
        prompts: Prompts to sample stories for: every 8 steps. Default: 128; with grpo every step, 32; with a
            checker every 2 steps, 16 questions.
        size: Texts for each prompt. Default: 8; with grpo 4.
        mixed: Weight in the loss of true stories from the village. Default: 1.5; with grpo 0.
        average: The saved weights are a mean of old and new weights; this is the share of the old ones.
            Default: 0.3; with grpo 0.
        beta: Beta of DPO, which limits how far the model moves. Default: 0.1.
        asked: Stories of the village, or questions, to measure with; fewer take less time. Default: 200; none
            with a file and a model that does not know such stories.

    Example:
        companion finetune rewards --checker steps --switch dapo
    """

    MOST_USED: ClassVar = "data model output overwrite checker method steps lr asked"
    data: Path | None = None
    checker: Literal["answer", "steps"] | None = None
    switch: Literal["grpo", "dr_grpo", "dapo", "gspo"] | None = None
    steps: Annotated[int | None, Range(1, 1_000_000)] = None
    lr: Annotated[float | None, Range(1e-09, 1)] = None
    method: Literal["dpo", "grpo"] | None = None
    prompts: Annotated[int | None, Range(1, 1024)] = None
    size: Annotated[int | None, Range(2, 1024)] = None
    mixed: Annotated[float | None, Range(0, 100)] = None
    average: Annotated[float | None, Range(0, 1)] = None
    beta: Annotated[float | None, Range(1e-06, 100)] = None
    asked: Annotated[int | None, Range(2, 1_000_000)] = None


def run(options: Options) -> None:
    check_together(options)
    if options.checker and options.model == SHIPPED:
        options.model = REASONER
    placed = placed_pairs(options.data) if options.data else []
    output = output_of(options, "rewards")
    folder = trainable_folder("--model", options.model)
    teller = load(folder, options.device, fast=True)
    if options.checker:
        trainer, progress, learned = by_checker(options, teller)
        measure = partial(measured_steps, teller, options)
        show = partial(print_steps, options.asked)
        aim = "ask it"
        command = ["chat", "--think"]
    else:
        pairs = rows_of_pairs(teller, placed, options.model)
        asked = stories_asked(options, teller)
        add_defaults(options, teller.model, len(pairs))
        before = load(folder, options.device, fast=True)
        if pairs:
            trainer, progress, learned = by_pairs(options, teller, before, pairs)
        else:
            trainer, progress, learned = by_judge(options, teller, before)
        measure = partial(measured, teller, pairs, asked, options.seed)
        show = partial(print_figures, min(ASKED, len(pairs)), asked)
        if pairs and teller.tokenizer.template is not None:
            aim = "talk with it"
            command = ["chat"]
        else:
            aim = "let it tell a story"
            command = ["generate"]
    about = {"init": origin_of(options.model, folder), "learned": learned, "seed": options.seed}

    with claim(output):
        figures = {"before": measure()}
        early, stopped = take_possible_steps(trainer, progress)
        if options.average:
            step_back(teller, before, options.average)
        teller.model.eval()
        about |= {"steps": trainer.steps, "stopped": stopped}
        save_checkpoint(output, teller.model, teller.tokenizer, about)
        if early:
            print(f"\n{early}", file=sys.stderr)
        with measuring(output):
            figures["after"] = measure()
            save_report(output, {"steps": trainer.steps} | figures)
    print(f"Trained for {amount(trainer.steps, 'step')}.")
    show(figures)
    print(f"In {output}: the model, and report.json. To {aim}:\n")
    print(f"  {as_typed('companion', *command, '--model', output)}")


def check_together(options: Options) -> None:
    """Check that options were given for one kind of rewards only.

    Raises:
        ValueError: If one would be ignored.
    """
    of_judge = ["method", "prompts", "size", "mixed", "average"]
    if options.checker:
        refuse(options, ["data", "method", "mixed", "average", "beta"], "does not work with --checker")
        return
    refuse(options, ["switch"], "works with --checker only")
    if options.data is None:
        refuse(options, ["beta"], "works with pairs only; name a file with --data")
    else:
        refuse(options, of_judge, "works with the village's judge only, without --data")


def stories_asked(options: Options, teller: LanguageModel) -> int:
    """How many stories to measure with.

    Raises:
        ValueError: If the judge cannot reward the model's stories.
    """
    if options.data is not None and options.asked is not None:
        return options.asked
    needs = bits_of(teller, load_split("val")[:4])
    if needs < STRANGER:
        return options.asked or ASKED
    if options.data is not None:
        return 0
    raise ValueError(
        f"--model={options.model} does not know the village's stories, so the judge would find nothing to"
        f" reward (it needs {needs:.2f} bits for a byte of them, and {STRANGER} are too many); name a model"
        " that was trained on such stories, or give pairs of yours with --data"
    )


def add_defaults(options: Options, model: GPT, n_pairs: int) -> None:
    """Add what was not given; a swift was trained in longer steps."""
    if n_pairs:
        take(options, {"steps": 2 * math.ceil(n_pairs / BATCH), "lr": 1e-5, "beta": 0.1})
        return
    take(options, {"method": "dpo"})
    if model.config.architecture == "swift":
        take(options, {"lr": 1e-3})
    take(options, JUDGED[options.method])


def rows_of_pairs(teller: LanguageModel, placed: list, name: Path) -> list[tuple[Row, Row]]:
    """The chosen and the rejected text of each pair as tokens, after its prompt.

    A model with a chat template reads them as it reads conversations: the prompt is the user's message.

    Args:
        teller: The model.
        placed: Pairs, as `placed_pairs` returns them.
        name: What to call the model in messages.

    Raises:
        ValueError: If a pair has a text that is longer than the model reads, or that the template refuses.
    """
    if placed and teller.tokenizer.template is not None:
        check_turn_end(name, teller.tokenizer)
    pairs = []
    for place, (prompt, chosen, rejected) in placed:
        pairs.append((row_of(teller, prompt, chosen, place), row_of(teller, prompt, rejected, place)))
    return pairs


def row_of(teller: LanguageModel, prompt: str, text: str, place: str) -> Row:
    """A text after its prompt as tokens, and which of them are learned."""
    longest = teller.model.config.context_length
    if teller.tokenizer.template is None:
        ids = [*teller.begin, *teller.tokenizer.encode(prompt + text), teller.end]
        if len(ids) > longest + 1:  # the last is only predicted
            rule = f"the model reads {longest + 1}; shorten it"
            raise ValueError(f"{place} has a text of {len(ids)} tokens; {rule}")
        return ids, [True] * len(ids)  # the prompt's part is the same in both texts of a pair
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]
    check_turns(messages, place)
    return rows_of([(place, messages)], teller.tokenizer, longest)[0]


def take_possible_steps(trainer: Trainer, progress: Callable[[float], str]) -> tuple[str, bool]:
    """Take the steps of a training whose model is saved also where they end early.

    Returns:
        Why they ended early, in a line, or ""; and whether it was Ctrl-C.
    """
    try:
        take_steps(trainer, progress)
    except KeyboardInterrupt:
        if not trainer.steps:
            raise KeyboardInterrupt("stopped before the first step; nothing was saved") from None
        return f"stopped after {amount(trainer.steps, 'step')}; the model is saved as it is now", True
    except ValueError as error:  # a round in which nothing could be preferred
        if not trainer.steps:
            raise
        return f"ended after {amount(trainer.steps, 'step')}, and the model is saved: {error}", False
    return "", False


def measured(teller: LanguageModel, pairs: list, asked: int, seed: int) -> dict:
    """What the model does now: with the pairs that it learns from, and of stories of the village."""
    found = {}
    if pairs:
        found["chosen likelier"] = chosen_likelier(teller, pairs[:ASKED])
    if asked:
        found |= measured_stories(teller, asked, seed)
    return found


def print_figures(n_pairs: int, n_stories: int, figures: dict[str, dict]) -> None:
    """Print what was measured before and after."""
    if n_pairs:
        shares = ", ".join(f"{row['chosen likelier']:.1%} {when}" for when, row in figures.items())
        likelier = "the model finds the chosen text likelier than the rejected one"
        print(f"Of {n_pairs:,} pairs, {likelier} in {shares}.")
    if n_stories:
        print(f"Measured on {n_stories:,} village stories, before and after:")
        for when, row in figures.items():
            true = with_interval(row, "true", "interval")
            kind = f"words {row['words']:.0f}  patterns {row['patterns']}"
            print(f"  {when:6}  {true}  {kind}  bits per byte {row['bits per byte']:.4f}")


@torch.no_grad()
def chosen_likelier(teller: LanguageModel, pairs: list[tuple[Row, Row]]) -> float:
    """The share of pairs of which the model finds the chosen text likelier than the rejected one."""
    right = 0
    starts = range(0, len(pairs), BATCH)
    for i in tqdm(starts, "Reading pairs", unit="batch", leave=False, delay=1, disable=None):
        chosen, rejected = batch_of(teller, pairs[i : i + BATCH])
        chosen_now = text_log_probs(teller.model, *chosen)  # (N,)
        rejected_now = text_log_probs(teller.model, *rejected)
        right += int((chosen_now > rejected_now).sum())
    return right / len(pairs)


def measured_stories(teller: LanguageModel, n: int, seed: int) -> dict:
    """What a model's ends of n begun stories are, at temperature 0.8, and its loss on n of the test split."""
    generator = torch.Generator().manual_seed(seed)
    prompts = begun(math.ceil(n / 2), seed + 7000)
    samples = []
    with waiting(f"Letting the model tell {n:,} stories"):
        for i in range(0, len(prompts), 32):
            samples += sample_groups(teller, prompts[i : i + 32], 2, generator, temperature=0.8).texts
    samples = samples[:n]
    right = int(sum(true_story(*sample) for sample in samples))
    texts = [text for text, _ in samples]
    return {
        "stories": n,
        "true": right / n,
        "interval": list(wilson_interval(right, n)),
        "words": sum(len(text.split()) for text in texts) / n,
        "patterns": len(patterns(texts)),
        "bits per byte": bits_of(teller, load_split("test")[:n]),
    }


def step_back(teller: LanguageModel, before: LanguageModel, share: float) -> None:
    """Put the mean of the weights before and now into the model. `share` is the share of those before."""
    weights = before.model.state_dict()
    with torch.no_grad():
        for name, weight in teller.model.state_dict().items():
            weight.lerp_(weights[name], share)
