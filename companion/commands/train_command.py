"""companion train: its options, and all that can be wrong with them."""

import contextlib
import dataclasses
import itertools
import math
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from companion import BUILDERS, village
from companion.commands import TABLES, add_table
from companion.commands.naming import JUDGE, MINUTES, READERS, RUNS, VILLAGE, open_data
from companion.gpt import GPT2_SIZES, GPTConfig
from companion.modern import LlamaConfig
from companion.runtime.command_line.judged_text import Marks, marks_for
from companion.runtime.command_line.options import add_fields, fields_of, names_of, refuse
from companion.runtime.command_line.settings import take_run_settings
from companion.runtime.data.prepared import Corpus, longest_row, prepared_source
from companion.runtime.files.atomic import claim
from companion.runtime.files.output_folders import check_unused, check_writable, visible_names
from companion.runtime.models.devices import check_attention, check_memory, pick_device
from companion.runtime.storage import model_names
from companion.runtime.storage.checkpoints import holds_model
from companion.runtime.training.distributed import (
    broadcast,
    check_shares,
    is_main,
    shared_device,
    world_size,
)
from companion.runtime.training.presets import OPTIMIZERS, PRESETS, pick_preset
from companion.runtime.training.resuming import SavedRun, holds_run, saved_settings
from companion.runtime.training.validation import check_fit, evaluations_within, warmup_within
from companion.tokenization import Tokenizer
from companion.training import TrainConfig

NOT_BESIDE = "describes a new model, and this run continues with an existing one"
LONGEST = 256  # tokens that no story of the village exceeds


@dataclass
class TrainPlan:
    """A training in which everything was checked, so that it can begin."""

    folder: Path  # where the run is saved; this process has claimed it
    data: Path  # the prepared text; the village, if nobody has prepared it yet, is prepared first
    shown_data: str | None  # data as config.toml names it; None for the village in its usual place
    build: Callable  # (config) -> model
    model: GPTConfig | LlamaConfig
    train: TrainConfig  # with --minutes, the number of steps is set once the steps have been timed
    optimizer: str  # one of OPTIMIZERS
    weights: Path | None  # folder of the weights to begin with (--init); None for random weights
    origin: dict | None  # the model that the run began with, as origin_of describes it, also when resumed
    resume: bool
    saved_steps: int  # steps that the resumed run has behind it; 0 for a new run
    minutes: float  # how long to train; 0 for no limit
    at_most: int | None  # the largest number of steps that --minutes may lead to; None for no limit
    own_eval: bool  # --eval-every is the reader's choice or the resumed run's, so it must stay as it is
    own_warmup: bool  # the warmup is the reader's choice or the resumed run's, so it must stay as it is
    judge: int  # stories judged at each evaluation
    marks: Marks | None  # how to show the judge's verdicts on samples of the village; None for no marks
    drawing: dict  # the [generation] table of --config, which the run's own config.toml repeats
    parallel: str  # ddp or fsdp (chapter 12); without torchrun it has no effect


@dataclass
class Text:
    """The text to learn from."""

    folder: Path
    source: str | None  # where the text is from, as prepare was told; None if the folder is not prepared
    corpus: Corpus | None  # None for a village that is not prepared yet
    tokenizer: Tokenizer


@dataclass
class Start:
    """The model at the first step: its shape, and where its weights are from."""

    config: GPTConfig | LlamaConfig
    build: Callable
    weights: Path | None = None  # as in TrainPlan
    origin: dict | None = None  # as in TrainPlan


def add(parser):
    add_table(
        parser,
        TABLES["train"],
        presets=PRESETS,
        about_presets="; ".join(f"{name}: {preset.help}" for name, preset in PRESETS.items()),
        architectures=list(BUILDERS),
        optimizers=OPTIMIZERS,
        sizes=list(GPT2_SIZES),
        minutes=MINUTES,
        judge=JUDGE,
    )
    add_fields(parser, TrainConfig, "training", skip=set())
    seen = names_of(TrainConfig) | {"vocab_size"}
    for name, (config_class, _) in BUILDERS.items():
        if new := names_of(config_class) - seen:
            add_fields(parser, config_class, f"model, {name}", skip=seen)
            seen |= new


def plan(args: Namespace, held: ExitStack) -> TrainPlan:
    """Find everything that can be wrong with a training, before any work begins."""
    drawing = settle_options(args)
    preset = pick_preset(args)
    text = find_text(args)
    if text.source not in (None, "village"):
        drawing = {"prompt": ""} | drawing  # "Once" begins the village's stories, and perhaps no other text

    folder = args.checkpoint or RUNS / text.folder.resolve().name
    architecture = preset.architecture
    # Fields of the model's configuration and settings of training, by name, where no option says otherwise.
    defaults = preset.model | preset.train
    defaults["optimizer"] = preset.optimizer
    defaults["accumulate"] = world_size()
    saved = None
    if args.resume:
        saved = find_saved_run(args, folder)
        architecture = saved.architecture
        defaults |= saved.shape
        defaults |= saved.train

    if args.init or (saved and saved.origin):
        start = model_to_go_on_with(args, saved, text)
        defaults["context_length"] = min(defaults["context_length"], start.config.context_length)
    else:
        start = new_model(args, architecture, defaults, text.tokenizer.vocab_size)

    own_warmup = args.resume or args.warmup_steps is not None
    own_eval = args.resume or args.eval_every is not None
    train = training_settings(args, defaults, own_warmup, own_eval)
    optimizer = args.optimizer or defaults["optimizer"]
    check_parallel(args.parallel, train, optimizer, args.resume, start.config.architecture)
    check_size(start.config, start.build, train, text.corpus, start.origin)
    empty_model = start.build(start.config, meta=True)
    config = empty_model.config  # with what the builder adds to it
    if text.corpus:
        check_fit(empty_model, text.corpus, train)
    else:
        check_writable("--data", text.folder)
    minutes, at_most = time_limits(args, preset.minutes, train.steps)

    folder = take_folder(args, folder, text.folder, held)
    return TrainPlan(
        folder=folder,
        data=text.folder,
        shown_data=None if text.folder == VILLAGE else text.folder.as_posix(),
        build=start.build,
        model=config,
        train=train,
        optimizer=optimizer,
        weights=start.weights,
        origin=start.origin,
        resume=args.resume,
        saved_steps=saved.steps if saved else 0,
        minutes=minutes,
        at_most=at_most,
        own_eval=own_eval,
        own_warmup=own_warmup,
        judge=args.judge or 0,
        marks=marks_for(args.marks, in_pipe="signs", encoding=sys.stdout.encoding),
        drawing=drawing,
        parallel=args.parallel or "ddp",
    )


# -- options ------------------------------------------------------------------


def settle_options(args: Namespace) -> dict:
    """Let --size and --config stand in for options that were not given; return the file's [generation]."""
    if args.init and args.resume:
        raise ValueError("--resume goes on with a run, and --init begins one; leave one of them out")
    drawing = take_run_settings(args, BUILDERS, TrainConfig, GPT2_SIZES, READERS)
    if args.resume:
        args.init = None  # which --config may have named; the resumed run has weights of its own
        refuse(args, ["preset"], NOT_BESIDE)
    if args.init:
        refuse(args, ["preset", "size", "architecture"], NOT_BESIDE)
    return drawing


# -- data and tokenizer ------------------------------------------------------------------


def find_text(args: Namespace) -> Text:
    """The text of --data, or the village's. Raises ValueError for a folder without such a text."""
    folder = args.data or VILLAGE
    source = prepared_source(folder)
    if args.data is None and source not in (None, "village"):
        raise ValueError(f"{folder} holds the data of {source}; name a folder with --data")
    if args.judge and source not in (None, "village"):
        raise ValueError(
            f"--judge={args.judge} works with the village's stories only, not with {source}; leave it out"
        )
    if args.data is None and source is None:
        tokenizer = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
        return Text(folder, source, None, tokenizer)
    corpus = open_data(folder)
    return Text(folder, source, corpus, corpus.tokenizer)


# -- the model, and where its weights are from --------------------------------------------


def find_saved_run(args: Namespace, folder: Path) -> SavedRun:
    """The run to resume. Raises ValueError where there is none, or the options are not those of it."""
    if not (holds_run(folder) or holds_model(folder)):
        raise ValueError(f"--resume: {folder} holds no saved run; leave it out to begin one")
    saved = saved_settings(folder, args.architecture, BUILDERS)
    if args.steps is not None and args.steps < saved.steps:
        rule = f"{folder} has done {saved.steps:,} already; give more, or leave it out"
        raise ValueError(f"--steps={args.steps}: {rule}")
    optimizer = saved.train["optimizer"]
    if args.optimizer not in (None, optimizer):
        asked = f"--optimizer={args.optimizer} cannot resume {folder}"
        raise ValueError(f"{asked}, which was trained with {optimizer}; leave it out")
    return saved


def model_to_go_on_with(args: Namespace, saved: SavedRun | None, text: Text) -> Start:
    """The model of --init, or, for a run that is resumed, the model that this run once began with."""
    from companion.pretrained import FAMILIES

    options = set()
    for config_class, _ in BUILDERS.values():
        options |= names_of(config_class)
    refuse(args, sorted(options - names_of(TrainConfig) - {"vocab_size"}), NOT_BESIDE)
    if saved:
        config_class, build = BUILDERS[saved.architecture]
        return Start(config_class(**saved.shape), build, origin=saved.origin)

    folder = model_names.folder_of(args.init)
    model_names.check_floats("--init", folder)
    config, build = model_names.shape_of(folder, BUILDERS, FAMILIES)
    tokenizer = model_names.tokenizer_of(folder, Tokenizer.load)
    source = text.source or "village"
    model_names.check_prepared_for(args.init, tokenizer, text.tokenizer, text.folder, source)
    origin = model_names.origin_of(args.init, folder)
    # The weights are those of the folder, not of the name, so that what was checked here is what is trained.
    return Start(dataclasses.replace(config, dropout=0.0), build, weights=folder, origin=origin)


def new_model(args: Namespace, architecture: str, defaults: dict, vocab_size: int) -> Start:
    """A model with random weights. Raises ValueError for an option that its architecture does not have."""
    config_class, build = BUILDERS[architecture]
    for other, _ in BUILDERS.values():
        strange = names_of(other) - names_of(config_class) - names_of(TrainConfig)
        refuse(args, sorted(strange), f"is not an option of {architecture}")
    fields = fields_of(config_class, defaults, args)
    fields["vocab_size"] = vocab_size
    return Start(config_class(**fields), build)


# -- settings of training ------------------------------------------------------------------


def training_settings(args: Namespace, defaults: dict, own_warmup: bool, own_eval: bool) -> TrainConfig:
    """The defaults, overridden by options. Raises ValueError for a value out of range or a missing device."""
    settings = fields_of(TrainConfig, defaults, args)
    if not own_warmup:
        settings["warmup_steps"] = warmup_within(settings["steps"], settings["warmup_steps"])
    if not own_eval:
        settings["eval_every"] = evaluations_within(settings["steps"], settings["eval_every"])
    settings["device"] = shared_device(settings.get("device", "auto"))
    train = TrainConfig(**settings)
    pick_device(train.device)
    return train


def time_limits(args: Namespace, usual_minutes: float, steps: int) -> tuple[float, int | None]:
    """(minutes, at most so many steps), as in TrainPlan."""
    if args.minutes is not None:
        return args.minutes, args.steps
    if args.steps or args.resume:
        return 0, steps
    return usual_minutes, steps


# -- checks ------------------------------------------------------------------


def check_size(
    model: GPTConfig | LlamaConfig,
    build: Callable,
    train: TrainConfig,
    corpus: Corpus | None,
    origin: dict | None,
) -> None:
    """ValueError for a model or a batch that memory cannot hold. corpus: None if it is not prepared yet."""
    if corpus:
        in_train = longest_row(corpus.train, train.context_length)
        in_val = longest_row(corpus.val, train.context_length)
        longest = max(in_train, in_val)
    else:
        longest = min(LONGEST, train.context_length)
    rows = train.batch_size
    if origin:
        rows = max(rows, 32)  # 32 are evaluated at once
    check_memory(model, build, copies=4, tokens=rows * longest)
    if pick_device(train.device).type == "cpu":
        check_attention(model, train.batch_size, longest)


def check_parallel(
    parallel: str | None, train: TrainConfig, optimizer: str, resume: bool, architecture: str
) -> None:
    """ValueError, in one line, for what several processes, or one, cannot do."""
    size = world_size()
    if size == 1:
        if parallel:
            start = "torchrun --nproc-per-node 2 -m companion train"
            raise ValueError(
                f"--parallel={parallel} works with several processes only; start them with {start}"
            )
        return
    if resume and train.accumulate % size:
        most = math.gcd(train.accumulate, size)
        rule = f"{size} processes cannot share the {train.accumulate} of a step; start {most}"
        raise ValueError(f"accumulate={train.accumulate} is the resumed run's, and {rule}")
    check_shares(train.accumulate, size)
    if parallel == "fsdp" and optimizer == "muon":
        rule = "Muon needs whole matrices, and of these each process would have a share"
        raise ValueError(f"--parallel=fsdp: {rule}; add --architecture gpt2 or --optimizer adamw, or use ddp")
    if parallel == "fsdp" and train.compile:
        raise ValueError("--parallel=fsdp cannot be compiled here; leave out --compile, or use ddp")
    if architecture == "experts":
        rule = "the biases of its routers are moved in one process"
        raise ValueError(f"architecture=experts: {rule}; start it without torchrun, or train swift")


# -- the folder ------------------------------------------------------------------


def take_folder(args: Namespace, folder: Path, data: Path, held: ExitStack) -> Path:
    """Claim the folder of the run: the one that was named, or else a free one, with the name of the data."""
    if is_main():
        if args.checkpoint or args.resume:
            if not args.resume:
                check_new(folder)
            held.enter_context(claim(folder))
        else:
            folder = claim_free_folder(data.resolve().name, held)
    return Path(broadcast(str(folder)))


def check_new(folder: Path) -> None:
    """ValueError for a folder in which no run can begin."""
    if holds_model(folder):
        remedy = "add --resume to go on, or " if holds_run(folder) else ""
        raise ValueError(f"--checkpoint={folder} holds a model already; {remedy}name another folder")
    check_unused("--checkpoint", folder)


def claim_free_folder(name: str, held: ExitStack) -> Path:
    """Claim the first of runs/name, runs/name-2 … that is empty and that no other run has claimed."""
    for number in itertools.count(1):
        folder = RUNS / (name if number == 1 else f"{name}-{number}")
        if not visible_names(folder):
            with contextlib.suppress(ValueError):
                held.enter_context(claim(folder))
                return folder
    raise AssertionError("unreachable: there are always more numbers")
