"""companion eval: how well a model predicts a text, tells stories and answers questions."""

import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from tqdm import tqdm

from companion import load, village
from companion.cli._exams import KINDS, Exam, check_fit, exam_of, lines_of, names_of_tasks, score
from companion.cli._learning import loss_on
from companion.cli._options import refuse
from companion.cli._parsing import Range
from companion.cli._settings import CONFIG
from companion.cli._shared import ModelOptions, data_of, open_data
from companion.cli._tables import table
from companion.datasets import encode_documents
from companion.generation import LanguageModel
from companion.models.names import same_tokenizer
from companion.runtime.data.prepared import Split, prepared_meta
from companion.runtime.generation.sampling_arguments import check_sampling, seeded
from companion.runtime.runs.resuming import BEST
from companion.runtime.runs.sessions import Loss
from companion.runtime.terminal import waiting
from companion.tokenization import Tokenizer
from companion.training import perplexity
from companion.village.measures import gap_left, reference_lines, village_scores

EXAMPLES = 200
TEMPERATURE = 0.8
OF_STORIES = "concerns the judged stories; ask for some with --stories"


@dataclass(kw_only=True)
class Options(ModelOptions):
    """Measure a model: its loss, how true its stories are, its score in tasks.

    Args:
        data: Folder that companion prepare wrote, whose text is predicted. Default: the text that the model
            was trained on, if its folder is still there, else the village's stories.
        split: Part of the text: what the model was trained on, what was held out, or the village's test
            stories. Default: val.
        stories: Village only: number of stories that the model tells and the judge checks. Default: 100; 0
            for a model with another tokenizer.
        temperature: Temperature of the judged stories. Default: 0.8.
        seed: Seed of the judged stories and of the tasks.
        tasks: Tasks to measure, separated by commas. With it, only the tasks are measured. Add --data,
            --split or --stories to measure loss and stories too. Questions about stories of the village:
            who-has,
            where-is-the-thing, where-is-somebody, how-many, who-is, who-broke, who-hid, or village for all of
            these. Files of public benchmarks: hellaswag, arc, mmlu, gsm8k, lambada, such as arc.jsonl, or
            arc:mine.parquet to say which benchmark it is.
        examples: Number of questions in each task; of a file, the first ones. Default: 200.
        shots: Number of answered questions that stand before each question as examples. Default: 0.

    Example:
        companion eval --split test
    """

    data: Path | None = None
    split: Literal["train", "val", "test"] | None = None
    stories: Annotated[int | None, Range(0, 1_000_000)] = None
    temperature: float | None = None
    seed: int = 1
    tasks: str | None = None
    examples: Annotated[int | None, Range(1, 1_000_000)] = None
    shots: Annotated[int | None, Range(0, 99)] = None


def run(options: Options) -> None:
    with ExitStack() as held:
        plan = make_plan(options, held)
        report(plan, do(plan))


@dataclass
class TextPlan:
    """A text to predict, and stories to judge."""

    split: Split
    name: str  # of the split: train, val or test
    limits: str | None  # the village's split whose reference lines apply; None where none do
    note: str | None  # a line that says which text this is; None where that is plain
    judged: int  # how many stories the model tells and the judge reads
    seed: int
    temperature: float


@dataclass
class EvaluatePlan:
    """What to measure of a model."""

    teller: LanguageModel
    text: TextPlan | None  # None with tasks alone
    exams: list[Exam]


@dataclass
class TextResult:
    """What was measured on a text."""

    pieces: int | None  # tokens of the longest piece, where a document was too long to be read at once
    loss: Loss
    lines: dict[str, float]  # the reference lines in bits per byte, by name; empty where none apply
    scores: dict[str, float]  # the marks of the judged stories; empty where none were judged


@dataclass
class EvaluateResult:
    """What was measured."""

    text: TextResult | None
    right: list[int]  # for each exam, how many questions the model got right


def make_plan(args: Options, held: ExitStack) -> EvaluatePlan:
    check_sampling(TEMPERATURE if args.temperature is None else args.temperature)
    seeded(args.seed)
    if args.data is not None and args.split == "test":
        raise ValueError("--split=test is the shipped village's; a prepared folder has train and val")
    if args.tasks is None:
        refuse(args, ["examples", "shots"], "works with --tasks only")
    names = [] if args.tasks is None else names_of_tasks(args.tasks)
    with_text = not names or any(getattr(args, name) is not None for name in ("data", "split", "stories"))
    if not with_text or args.stories == 0:
        refuse(args, ["temperature"], OF_STORIES)
    how = args.examples or EXAMPLES, args.shots or 0, args.seed
    exams = {name: exam_of(name, *how) for name in names if name not in KINDS}  # files before the model
    teller = load(args.model, device=args.device, fast=True)
    text = plan_text(args, teller) if with_text else None
    exams |= {name: exam_of(name, *how) for name in names if name in KINDS}
    for exam in exams.values():
        check_fit(teller, exam)
    return EvaluatePlan(teller, text, [exams[name] for name in names])


def plan_text(args, teller: LanguageModel) -> TextPlan:
    """The text to predict, and the stories to judge."""
    told_in = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
    name = args.split or "val"
    data, note = (args.data, None) if args.data is not None else own_data(args)
    if data is None:
        split = encode_documents(village.load_split(name), teller.tokenizer)
        is_village = True
    else:
        corpus = open_data(data)
        split = getattr(corpus, name)
        is_village = corpus.meta.get("source") == "village"
        if not same_tokenizer(corpus.tokenizer, teller.tokenizer):
            raise ValueError(
                f"--data={data} was prepared with another tokenizer than that of {args.model}, to"
                " which its tokens are other words; name the data that it was trained on"
            )
    if not is_village:
        for option, given in (("stories", args.stories or None), ("temperature", args.temperature)):
            if given is not None:
                rule = f"concerns the village's stories, and --data={data} holds another text; leave it out"
                raise ValueError(f"--{option}={given} {rule}")
    limits = is_village and (data is None or name == "val")
    usual = 100 if same_tokenizer(told_in, teller.tokenizer) else 0
    judged = 0 if not is_village else usual if args.stories is None else args.stories
    if not judged:
        refuse(args, ["temperature"], OF_STORIES)
    temperature = TEMPERATURE if args.temperature is None else args.temperature
    return TextPlan(split, name, name if limits else None, note, judged, args.seed, temperature)


def own_data(args) -> tuple[Path | None, str | None]:
    """What to measure without --data: (None, for the village, or the folder of the model's own text; a note).

    The note says which text it is; None for a model of the village, or of an unknown text.
    """
    source, folder = text_of(args.model)
    if source in (None, "", "village"):
        return None, None
    of_village = args.split == "test" or args.stories is not None or args.temperature is not None
    if folder and not of_village:
        part = "it was trained on" if args.split == "train" else "was held out"
        return folder, f"Loss on the model's own text, {source}, the part that {part} ({folder})"
    how = f"--data {folder}" if folder else "--data and its prepared folder"
    rest = f"The model was trained on {source}. To measure it on that text, add {how}."
    return None, f"Loss on the village's stories. {rest}"


def text_of(model: Path) -> tuple[str | None, Path | None]:
    """(where the text is from that a run was trained on, its prepared folder), None for what is not known."""
    about = data_of(model)
    if not isinstance(about, dict):
        return None, None
    named = data_named(model.parent if model.name == BEST else model)
    return about.get("source"), named if named and prepared_meta(named) == about else None


def data_named(run: Path) -> Path | None:
    """The folder of data that a run's settings name; None where they name none, or are damaged."""
    try:
        return Path(tomllib.loads((run / CONFIG).read_text("utf-8"))["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def do(plan: EvaluatePlan) -> EvaluateResult:
    text = measure_text(plan.teller, plan.text) if plan.text else None
    exams = tqdm(plan.exams, unit="task", leave=False, disable=None if plan.exams else True)
    right = [score(plan.teller, exam) for exam in exams]
    return EvaluateResult(text, right)


def measure_text(teller: LanguageModel, text: TextPlan) -> TextResult:
    """Measure the loss on the text, with the lines to hold it against, and judge the stories."""
    loss, length = loss_on(teller.model, text.split, "Predicting the text")
    scores = {}
    if text.judged:
        with waiting(f"Telling {text.judged:,} stories"):
            scores = village_scores(teller, text.judged, text.seed, text.temperature)
    lines = reference_lines(text.limits) if text.limits else {}
    longest = int(np.diff(text.split.starts).max())
    return TextResult(length if longest > length else None, loss, lines, scores)


def report(plan: EvaluatePlan, result: EvaluateResult) -> None:
    if plan.text and result.text:
        report_text(plan.text, result.text, plan.teller.model.config.context_length)
    if plan.exams:
        if plan.text:
            print("\nTasks\n")
        print("\n".join(lines_of(plan.exams, result.right)))


def report_text(text: TextPlan, result: TextResult, context_length: int) -> None:
    loss = result.loss
    print(text.note or f"Loss on the {'village' if text.limits else 'prepared text'}, split {text.name}")
    if result.pieces is not None and result.pieces < context_length:
        pieces = f"The text was read in pieces of at most {result.pieces:,} tokens."
        print(f"{pieces} The model's whole context, {context_length:,} tokens, takes too much memory.")
    rows = [("bits per byte", f"{loss.bits_per_byte:.4f}", "what the model needs to predict a byte")]
    if lines := result.lines:
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
    print()
    print("\n".join(table(rows, right=[1])))
    if lines and gap > 1:
        print("\nThe model needs more than the forgetful baseline, because it has not learned such stories.")
    if result.scores:
        print(f"\n{text.judged:,} stories that the model told, checked by the village's judge\n")
        rows = [(name, shown(name, value), MEASURES[name]) for name, value in result.scores.items()]
        print("\n".join(table(rows, right=[1])))
        if "grammar" not in result.scores:
            print("None of the stories came to an end, so there is nothing to judge: train longer.")


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


def shown(name: str, value: float) -> str:
    """A measure as the table shows it: a share in per cent, or a number."""
    return f"{value:.1f}" if name in ("recalls", "words") else f"{value:.1%}"
