"""companion eval: how well a model predicts a text, tells stories and answers questions."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tqdm import tqdm

from companion import load, village
from companion.cli._learning import ask_for_steps, loss_on
from companion.cli._parsing import Range
from companion.cli._shared import (
    SETTINGS,
    ModelOptions,
    check_thinks,
    data_of,
    reads_as_the_village,
    refuse,
    table,
)
from companion.datasets import encode_documents, load_prepared
from companion.evaluation import Example, multiple_choice, wilson_interval
from companion.generation import LanguageModel
from companion.models.names import same_tokenizer
from companion.runtime.data.prepared import Split, prepared_meta
from companion.runtime.runs.resuming import BEST
from companion.runtime.runs.sessions import Loss
from companion.runtime.terminal import waiting
from companion.training import perplexity
from companion.village.excess import parts, word_losses
from companion.village.measures import gap_left, reference_lines, village_scores
from companion.village.reasoning import step_questions
from companion.village.tasks import QUESTIONS, questions

KINDS = {kind.replace(" ", "-"): kind for kind in QUESTIONS}
"""The village's kinds of questions, by the names that --tasks takes."""
SEEDS = 10**12 + 1
"""The seeds of the questions begin here, past those of `companion prepare`: no model was trained on them."""
STEPS = "steps"
"""The task for a model that writes steps."""
MOST_STEPS = 8
MEASURES = {
    "ended": "stories that came to an end; only these are judged below",
    "grammar": "sentences that are sentences of the village",
    "consistent": "stories without a contradiction",
    "flawless": "stories without any fault",
    "whole": "stories without any fault that end as a story should",
    "memory": "words that follow from the story so far, and are right",
    "recalls": "number of such words in a story, on average",
    "words": "number of words in a story, on average",
    "distinct": "stories that are unlike all earlier ones",
}
"""What the judge measures of stories, in the order of `village_scores`."""
EXAMPLES = 200
SPLIT_STORIES = 200
"""Stories whose loss is split into its unavoidable and its avoidable part, word by word."""


@dataclass(kw_only=True)
class Options(ModelOptions):
    """Measure a model: its loss, how true its stories are, its score in tasks.

    Args:
        data: Folder that companion prepare wrote, whose text is predicted, in pieces of at most 2,048 tokens.
            Default: the text that the model was trained on, if its folder is still there, else the village's
            stories.
        split: Part of the text: what the model was trained on, what was held out, or the village's test
            stories. Default: val.
        stories: Village only: number of stories that the model tells and the judge checks. Default: 100; 0
            for a model with another tokenizer.
        temperature: Temperature of the judged stories. Default: 0.8.
        seed: Seed of the judged stories and of the tasks.
        tasks: Tasks to measure, separated by commas. With it, only the tasks are measured. Add --data,
            --split or --stories to measure loss and stories too. They are questions about stories of the
            village: who-has, where-is-the-thing, where-is-somebody, how-many, who-is, who-broke, who-hid, or
            village for all of these. Or steps, for a model that writes steps before it answers (chapter 25):
            questions of one to eight steps, whose steps are judged, too.
        examples: Number of questions in each task, and of each number of steps. Default: 200.
        shots: Number of answered questions that stand before each question as examples. Default: 0.

    Example:
        companion eval --split test
    """

    data: Path | None = None
    split: Literal["train", "val", "test"] | None = None
    stories: Annotated[int | None, Range(0, 1_000_000)] = None
    temperature: Annotated[float | None, Range(0, 100)] = None
    seed: Annotated[int, Range(0, 10**12)] = 1
    tasks: str | None = None
    examples: Annotated[int | None, Range(1, 1_000_000)] = None
    shots: Annotated[int | None, Range(0, 99)] = None


@dataclass
class Text:
    """A text to predict."""

    split: Split
    is_village: bool
    has_lines: bool  # whether the village's reference lines apply to it
    title: str


def run(options: Options) -> None:
    if options.data is not None and options.split == "test":
        raise ValueError("--split=test is the shipped village's; a prepared folder has train and val")
    names = [] if options.tasks is None else names_of_tasks(options.tasks)
    if not names:
        refuse(options, ["examples", "shots"], "works with --tasks only")
    if STEPS in names:
        refuse(options, ["shots"], "does not work with the task steps")
    teller = load(options.model, device=options.device, fast=True)
    if STEPS in names:
        check_thinks(options.model, teller)
    about_text = [options.data, options.split, options.stories]
    text = None
    if not names or any(value is not None for value in about_text):
        text = find_text(options, teller)
    stories = stories_to_judge(options, teller, text) if text else 0
    if not stories:
        refuse(options, ["temperature"], "concerns the judged stories; ask for some with --stories")
    tasks = {name: examples_of(name, options) for name in names if name != STEPS}

    split = options.split or "val"
    if text:
        measure_loss(teller, text, split)
        if text.has_lines and reads_as_the_village(teller.tokenizer):
            measure_excess(teller, split)
    if stories:
        measure_stories(teller, stories, options)
    if text and names:
        print("\nTasks\n")
    if tasks:
        measure_tasks(teller, tasks)
    if tasks and STEPS in names:
        print()
    if STEPS in names:
        measure_steps(teller, options.examples or EXAMPLES, SEEDS + options.seed)


# -- what can be wrong, found before any work begins --------------------


def names_of_tasks(typed: str) -> list[str]:
    """The names between commas, each once, `village` as those of all its kinds."""
    names = []
    for name in filter(None, map(str.strip, typed.split(","))):
        if name not in (*KINDS, "village", STEPS):
            known = f"{', '.join(KINDS)}, or village for all, or steps"
            rule = f"name some of {known}; lm_eval has public benchmarks"
            raise ValueError(f"--tasks={name} is no task: {rule}")
        names += KINDS if name == "village" else [name]
    if not names:
        raise ValueError(f"--tasks={typed!r} names no task; try who-has, or village")
    return list(dict.fromkeys(names))


def examples_of(name: str, options: Options) -> list[Example]:
    """Questions of a kind, each about another new story, after as many answered ones as --shots says."""
    n = options.examples or EXAMPLES
    shots = options.shots or 0
    drawn = questions(n + shots, SEEDS + options.seed, [KINDS[name]])
    answered = [f"{asked.prompt}{asked.answer}{asked.rest}\n\n" for asked in drawn]
    examples = []
    for i, asked in enumerate(drawn[:n]):
        prompt = "".join(answered[i + 1 : i + 1 + shots]) + asked.prompt
        examples.append(Example(prompt, asked.choices, asked.answer))
    return examples


def find_text(options: Options, teller: LanguageModel) -> Text:
    """The text of --data, of the model's training, or the village's."""
    name = options.split or "val"
    folder = options.data or own_data(options)
    if folder is None:
        split = encode_documents(village.load_split(name), teller.tokenizer)
        return Text(split, True, True, f"Loss on the village's stories, split {name}")
    corpus = load_prepared(folder)
    if not same_tokenizer(corpus.tokenizer, teller.tokenizer):
        raise ValueError(
            f"--data={folder} was prepared with another tokenizer than that of {options.model}, to which its"
            " tokens are other words; name the data that it was trained on"
        )
    split = getattr(corpus, name)
    source = corpus.meta.get("source")
    if source == "village":
        return Text(split, True, name == "val", f"Loss on the village's stories, split {name}")
    if options.stories:
        rule = f"concerns the village's stories, and --data={folder} holds another text"
        refuse(options, ["stories"], rule)
    return Text(split, False, False, f"Loss on {source}, split {name} ({folder})")


def own_data(options: Options) -> Path | None:
    """The folder of the text that a model was trained on; None for the village, and where it is not there."""
    asked_of_village = [options.stories, options.temperature]
    if options.split == "test" or any(value is not None for value in asked_of_village):
        return None
    about = data_of(options.model)
    if not isinstance(about, dict) or about.get("source") in (None, "", "village"):
        return None
    run = options.model.parent if options.model.name == BEST else options.model
    try:
        folder = Path(tomllib.loads((run / SETTINGS).read_text("utf-8"))["data"])
    except (OSError, ValueError, KeyError, TypeError):  # its settings name none, or are damaged
        return None
    return folder if prepared_meta(folder) == about else None


def stories_to_judge(options: Options, teller: LanguageModel, text: Text) -> int:
    """How many stories the model tells and the judge reads."""
    if not text.is_village:
        return 0
    if options.stories is None:
        return 100 if reads_as_the_village(teller.tokenizer) else 0
    return options.stories


# -- the work, and what came of it --------------------


def measure_loss(teller: LanguageModel, text: Text, name: str) -> None:
    """Predict the text, and print the loss with the lines to compare it with."""
    loss = loss_on(teller.model, text.split, "Predicting the text")
    print(text.title)
    lines = reference_lines(name) if text.has_lines else {}
    print()
    print(table(rows_of(loss, lines), right=[1]))
    if lines and gap_left(loss.bits_per_byte, lines) > 1:
        print("\nThe model needs more than the forgetful baseline, because it has not learned such stories.")


def rows_of(loss: Loss, lines: dict[str, float]) -> list[tuple[str, str, str]]:
    """The rows of the table of a loss."""
    rows = [("bits per byte", f"{loss.bits_per_byte:.4f}", "what the model needs to predict a byte")]
    if lines:
        gap = gap_left(loss.bits_per_byte, lines)
        forgetful = "a perfect model that forgets earlier sentences"
        rows += [
            ("  floor", f"{lines['floor']:.4f}", "the entropy of the village: no model can do better"),
            ("  forgetful baseline", f"{lines['forgetful reader']:.4f}", forgetful),
        ]
        if gap <= 1:
            rows.append(("  gap left", f"{gap:.1%}", "of the way from the forgetful baseline to the floor"))
    rows.append(("nats per token", f"{loss.nats_per_token:.4f}", "the same loss for a token, as in training"))
    rows.append(("perplexity", f"{perplexity(loss.nats_per_token):.2f}", "e to the power of nats per token"))
    return rows


def measure_excess(teller: LanguageModel, name: str) -> None:
    """Print how much of a word's loss nobody could have avoided, and where the rest is."""
    with waiting("Reading as the perfect reader"):
        stories = word_losses(teller, village.load_split(name)[:SPLIT_STORIES])
    every = parts(stories, lambda word: "every")["every"]
    low, high = every.interval
    paid_by_all = "what the perfect reader pays too, who knows the village's rules"
    interval = f"95 % interval {low:.4f} to {high:.4f}"
    rows = [
        ("bits a word", every.unavoidable + every.excess, f"in the first {len(stories):,} of these stories"),
        ("  unavoidable", every.unavoidable, paid_by_all),
        ("  avoidable", every.excess, f"what only this model pays; {interval}"),
    ]
    split = parts(stories, lambda word: f"{word.kind} {'told before' if word.back else 'not told yet'}")
    for kind, part in list(split.items())[:3]:
        low, high = part.interval
        each = f"{part.words:,} words with {part.excess:.3f} bits each ({low:.3f} to {high:.3f})"
        rows.append((f"    {kind}", part.share * every.excess, f"{part.share:.0%} of that; {each}"))
    shown = [(name, f"{bits:.4f}", about) for name, bits, about in rows]
    print("\n" + table(shown, right=[1]))


def measure_stories(teller: LanguageModel, n: int, options: Options) -> None:
    """Let the model tell stories, and print what the village's judge says of them."""
    temperature = 0.8 if options.temperature is None else options.temperature
    with waiting(f"Telling {n:,} stories"):
        scores = village_scores(teller, n, options.seed, temperature)
    print(f"\n{n:,} stories that the model told, checked by the village's judge\n")
    rows = []
    for name, value in scores.items():
        shown = f"{value:.1f}" if name in ("recalls", "words") else f"{value:.1%}"
        rows.append((name, shown, MEASURES[name]))
    print(table(rows, right=[1]))
    if "grammar" not in scores:
        print("None of the stories came to an end, so there is nothing to judge: train longer.")


def measure_tasks(teller: LanguageModel, tasks: dict[str, list[Example]]) -> None:
    """Ask, and print for each task the share right, its interval, and the share by chance."""
    rows = [("task", "right", "95 % interval", "by chance", "questions")]
    for name, examples in tqdm(tasks.items(), unit="task", leave=False, disable=None):
        n = len(examples)
        right = int(multiple_choice(teller, examples).sum())
        low, high = wilson_interval(right, n)
        chance = sum(1 / len(example.choices) for example in examples) / n
        rows.append((name, f"{right / n:.3f}", f"{low:.3f} to {high:.3f}", f"{chance:.3f}", f"{n:,}"))
    print(table(rows, right=[1, 2, 3, 4]))


def measure_steps(teller: LanguageModel, n: int, seed: int) -> None:
    """Ask n questions of each number of steps, and print the shares right and proved."""
    rows = [["steps", "right", "95 % interval", "proved", "95 % interval", "questions"]]
    for steps in tqdm(range(1, MOST_STEPS + 1), unit="number of steps", leave=False, disable=None):
        right, proved, _ = ask_for_steps(teller, step_questions(n, seed, [steps]))
        row = [str(steps)]
        for count in (right, proved):
            low, high = wilson_interval(count, n)
            row += [f"{count / n:.3f}", f"{low:.3f} to {high:.3f}"]
        rows.append([*row, f"{n:,}"])
    print(table(rows, right=range(6)))
