"""What a training will be, from its options: everything that can be wrong is found here, before any work."""

import contextlib
import dataclasses
import re
import tomllib
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion import BUILDERS, village
from companion.cli._shared import DRAWING, RUNS, VILLAGE, check_unused, check_writable, refuse, visible_names
from companion.datasets import load_prepared
from companion.gpt import GPTConfig
from companion.models import names as model_names
from companion.modern import LlamaConfig
from companion.runtime.data.prepared import Corpus, prepared_source
from companion.runtime.files.atomic import claim
from companion.runtime.models.devices import empty_model, pick_device
from companion.runtime.runs.distributed import broadcast, check_shares, is_main, shared_device, world_size
from companion.runtime.runs.resuming import LOG, holds_run, read_log
from companion.runtime.runs.sessions import Clock
from companion.runtime.runs.validation import MAX_COUNT, check_fit, evaluations_within, warmup_within
from companion.runtime.storage.checkpoints import architecture_of, holds_model, read_config
from companion.show.judged_text import Marks, marks_for
from companion.tokenization import Tokenizer
from companion.training import TrainConfig

NOT_BESIDE = "describes a new model, and this run continues with an existing one"


def names_of(config_class: type) -> set[str]:
    """The fields of a config dataclass."""
    return {field.name for field in dataclasses.fields(config_class)}


FIELDS = set().union(*(names_of(config_class) for config_class, _ in BUILDERS.values()))
"""The fields of all models' configurations."""


@dataclass
class Preset:
    """A model and a training that are known to go well: what differs from the defaults, see presets.toml."""

    model: dict
    train: dict
    minutes: float  # that the training may take
    architecture: str = "gpt2"
    optimizer: str = "adamw"


PRESETS = {
    name: Preset(**table)
    for name, table in tomllib.loads(Path(__file__).with_name("presets.toml").read_text("utf-8")).items()
}

GOING_ON = PRESETS.pop("init")  # what --init takes


@dataclass
class SavedRun:
    """What a folder's config.json holds of its run."""

    architecture: str
    shape: dict  # fields of the model's configuration
    train: dict  # settings of training, with the optimizer's name
    steps: int  # steps done
    origin: dict | None  # the model that it went on from, as origin_of has it
    clock: dict  # elapsed seconds; of a run by the clock also seconds, and most_steps if limited


@dataclass
class Start:
    """The model at the first step: its shape, and where its weights are from."""

    config: GPTConfig | LlamaConfig
    build: Callable  # (config) -> model
    derived: Collection[str] = ()  # fields of the configuration that follow from the others
    weights: Path | None = None  # folder of the weights to begin with (--init); None for random weights
    origin: dict | None = None  # the model that the run once began with, as origin_of describes it


@dataclass
class TrainPlan:
    """A training in which everything was checked, so that it can begin."""

    start: Start
    data: Path  # the prepared text; the village, if nobody has prepared it yet, is prepared first
    is_village: bool
    folder: Path  # where the run is saved; this process has claimed it
    resume: bool
    train: TrainConfig  # with --minutes, the number of steps in it follows the clock
    optimizer: str
    parallel: str
    clock: Clock  # how long to train
    judge: int  # stories that are judged at each evaluation
    marks: Marks | None  # how to show the judge's verdicts on samples of the village
    prompt: str  # what the samples begin with


def make_plan(options: Any, held: ExitStack) -> TrainPlan:
    """The training that the options ask for.

    Raises:
        ValueError: If the options ask for what cannot be.
    """
    asked = asked_for(options)
    preset = pick_preset(asked)
    if options.preset == "text" and options.data is None:
        raise ValueError(
            "--preset=text is for a text of yours; name its folder, which prepare made, with --data"
        )
    data = options.data or VILLAGE
    source = prepared_source(data)
    is_village = source in (None, "village")
    if not is_village:
        if options.data is None:
            raise ValueError(f"{data} holds the data of {source}; name a folder with --data")
        if options.judge:
            raise ValueError(f"--judge works with the village only, not with {source}; leave it out")
    corpus = load_prepared(data) if options.data or source else None  # None: the village is not made yet
    shipped = village.DATA / "village" / "tokenizer.json"
    tokenizer = corpus.tokenizer if corpus else Tokenizer.load(shipped)

    folder = options.checkpoint or RUNS / data.resolve().name
    # Fields of the model's configuration and settings of training, by name, where no option says otherwise.
    defaults = preset.model | preset.train | {"optimizer": preset.optimizer, "accumulate": world_size()}
    saved = find_saved_run(asked, folder) if options.resume else None
    if saved:
        defaults |= saved.shape | saved.train
    if "init" in asked or (saved and saved.origin):
        start = model_to_go_on_with(asked, saved, data, tokenizer)
        defaults["context_length"] = min(defaults["context_length"], start.config.context_length)
    else:
        architecture = saved.architecture if saved else preset.architecture
        start = new_model(asked, architecture, defaults, tokenizer.vocab_size)

    config = training_settings(asked, defaults, options.resume)
    optimizer = options.optimizer or defaults["optimizer"]
    check_parallel(options.parallel, config, optimizer, start.config.architecture)
    empty = empty_model(start.config, start.build, copies=4)
    if corpus:
        check_fit(empty, corpus, config)
    else:
        check_writable("--data", data)
    start.config = empty.config  # with what the builder adds to it
    if is_main():
        folder = claim_folder(options, folder, held)
    return TrainPlan(
        start=start,
        data=data,
        is_village=is_village,
        folder=Path(broadcast(str(folder))),
        resume=options.resume,
        train=config,
        optimizer=optimizer,
        parallel=options.parallel or "ddp",
        clock=clock_of(asked, config, preset, saved),
        judge=options.judge or 0,
        marks=marks_for(options.marks, in_pipe="signs") if is_village else None,
        prompt=DRAWING["prompt"] if is_village else first_words(corpus),
    )


def asked_for(options: Any) -> dict[str, Any]:
    """What was typed or stands in the file of settings, by name."""
    asked = {name: value for name, value in vars(options).items() if value is not None and value is not False}
    del asked["fields"]
    if options.resume and options.config:
        asked.pop("init", None)  # which the file may name; the resumed run has weights of its own
    if options.resume and "init" in asked:
        raise ValueError("--resume goes on with a run, and --init begins one; leave one of them out")
    if options.resume:
        refuse(asked, ["preset"], NOT_BESIDE)
    if "init" in asked:
        refuse(asked, ["preset", "architecture"], NOT_BESIDE)
    return asked | options.fields


def pick_preset(asked: dict) -> Preset:
    """The preset that was named, or else the one whose rates suit the optimizer.

    Without a preset and an architecture, a model is a swift.

    Raises:
        ValueError: If the preset's rate is for another optimizer than the one that was named, and neither
            --lr nor --resume was given.
    """
    architecture = asked.get("architecture")
    optimizer = asked.get("optimizer") or ("adamw" if architecture == "gpt2" else "muon")
    usual = "village" if optimizer == "adamw" else "modern"
    preset = GOING_ON if "init" in asked else PRESETS[asked.get("preset", usual)]
    if optimizer != preset.optimizer and "optimizer" in asked and not {"lr", "resume"} & set(asked):
        named = f"--init={asked['init']}" if "init" in asked else f"preset {asked['preset']}"
        raise ValueError(f"--optimizer={optimizer} needs --lr: {named} has one for {preset.optimizer}")
    usual_architecture = PRESETS[asked.get("preset", "modern")].architecture
    return dataclasses.replace(preset, architecture=architecture or usual_architecture)


def find_saved_run(asked: dict, folder: Path) -> SavedRun:
    """The run to resume.

    Raises:
        ValueError: If there is no saved run, or the options are not those of the run.
    """
    saved = read_config(folder)
    shape = dict(saved["config"])
    provenance = saved["provenance"]
    architecture = architecture_of(shape, BUILDERS, folder)
    del shape["architecture"]
    if asked.get("architecture", architecture) != architecture:
        problem = f"--architecture={asked['architecture']} cannot resume {folder}, a {architecture}"
        raise ValueError(f"{problem}; leave it out")
    if "train" not in provenance:
        raise ValueError(f"{folder} holds a model but no run; leave out --resume, and name another folder")
    steps = provenance["steps"]
    if asked.get("steps", steps) < steps:
        rule = f"{folder} has done {steps:,} already; give more, or leave it out"
        raise ValueError(f"--steps={asked['steps']}: {rule}")
    optimizer = "muon" if "Muon" in provenance.get("optimizers", []) else "adamw"
    train = provenance["train"] | {"optimizer": optimizer}
    clock = provenance.get("clock")
    if clock is None:
        history = read_log(folder) if (folder / LOG).exists() else []
        clock = {"elapsed": history[-1]["seconds"] if history else 0.0}
    return SavedRun(architecture, shape, train, steps, provenance.get("init"), clock)


def model_to_go_on_with(asked: dict, saved: SavedRun | None, data: Path, tokenizer: Tokenizer) -> Start:
    """The model of --init, or, for a run that is resumed, the model that this run once began with."""
    refuse(asked, sorted(FIELDS - names_of(TrainConfig)), NOT_BESIDE)
    if saved:
        config_class, build = BUILDERS[saved.architecture]
        return Start(config_class(**saved.shape), build, origin=saved.origin)
    name = asked["init"]
    folder = model_names.trainable_folder("--init", name)
    config, build = model_names.shape_of(folder)
    theirs = model_names.tokenizer_of(folder)
    model_names.check_prepared_for(name, theirs, tokenizer, data)
    origin = model_names.origin_of(name, folder)
    # Of the folder, not of the name, so that what was checked here is what is trained.
    config = dataclasses.replace(config, dropout=0.0)
    return Start(config, build, weights=folder, origin=origin)


def new_model(asked: dict, architecture: str, defaults: dict, vocab_size: int) -> Start:
    """A model with random weights.

    Raises:
        ValueError: If an option was given that the architecture does not have.
    """
    config_class, build = BUILDERS[architecture]
    strange = FIELDS - names_of(config_class) - names_of(TrainConfig)
    refuse(asked, sorted(strange), f"is not an option of {architecture}")
    fields = {name: x for name, x in (defaults | asked).items() if name in names_of(config_class)}
    optional = {field.name for field in dataclasses.fields(config_class) if field.default is None}
    config = config_class(**fields | {"vocab_size": vocab_size})
    return Start(config, build, derived=optional - set(fields))


def training_settings(asked: dict, defaults: dict, resume: bool) -> TrainConfig:
    """The default settings, overridden by the options.

    Raises:
        ValueError: If a value is out of range or a device is missing.
    """
    settings = {name: x for name, x in (defaults | asked).items() if name in names_of(TrainConfig)}
    if not resume and "warmup_steps" not in asked:
        settings["warmup_steps"] = warmup_within(settings["steps"], settings["warmup_steps"])
    if not resume and "eval_every" not in asked:
        settings["eval_every"] = evaluations_within(settings["steps"], settings["eval_every"])
    settings["device"] = shared_device(settings.get("device", "auto"))
    config = TrainConfig(**settings)
    pick_device(config.device)
    return config


def clock_of(asked: dict, config: TrainConfig, preset: Preset, saved: SavedRun | None) -> Clock:
    """How long to train: the time asked for, or what is left of a run that was cut, or the preset's."""
    minutes = asked.get("minutes")
    most_steps = asked.get("steps", MAX_COUNT)
    elapsed = saved.clock["elapsed"] if saved else 0.0
    if minutes is None and "steps" not in asked:
        most_steps = config.steps
        if saved is None:
            minutes = preset.minutes
        elif "seconds" in saved.clock and saved.steps < config.steps:
            most_steps = saved.clock.get("most_steps", MAX_COUNT)
            minutes = max(0.0, saved.clock["seconds"] - elapsed) / 60
    if not minutes:
        return Clock(elapsed=elapsed)
    eval_every = None if saved or "eval_every" in asked else config.eval_every
    return Clock(elapsed + 60 * minutes, most_steps, elapsed, eval_every)


def check_parallel(parallel: str | None, train: TrainConfig, optimizer: str, architecture: str) -> None:
    """Check that the training can run in this number of processes.

    Raises:
        ValueError: If it cannot, with a message of one line.
    """
    size = world_size()
    if size == 1 and parallel:
        why = "needs several processes, as torchrun --nproc-per-node 2 -m companion train starts them"
        raise ValueError(f"--parallel {why}; leave it out")
    if size == 1:
        return
    check_shares(train.accumulate, size)
    if parallel == "fsdp" and optimizer == "muon":
        rule = "Muon needs whole matrices, and of these each process would have a share"
        raise ValueError(f"--parallel=fsdp: {rule}; add --architecture gpt2 or --optimizer adamw, or use ddp")
    if architecture == "experts":
        rule = "the biases of its routers are moved in one process"
        raise ValueError(f"architecture=experts: {rule}; start it without torchrun, or train swift")


def claim_folder(options: Any, folder: Path, held: ExitStack) -> Path:
    """Claim the folder of a run: that of --checkpoint, or the first of folder, folder-2 … that is free."""
    if options.checkpoint or options.resume:
        if holds_model(folder) and not options.resume:
            remedy = "add --resume to go on, or " if holds_run(folder) else ""
            raise ValueError(f"--checkpoint={folder} holds a model already; {remedy}name another folder")
        if not options.resume:
            check_unused("--checkpoint", folder)
        held.enter_context(claim(folder))
        return folder
    free = folder
    number = 1
    while True:
        if not visible_names(free):
            with contextlib.suppress(ValueError):  # another run has claimed it
                held.enter_context(claim(free))
                return free
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")


def first_words(corpus: Corpus) -> str:
    """The first words of a held-out document, at most five and of its first line."""
    start, end = corpus.val.starts[:2]
    tokens = corpus.val.tokens[start + 1 : min(end, start + 65)]
    words = re.match(r"\S+(?: +\S+){0,4}", corpus.tokenizer.decode(tokens.tolist()).strip())
    return words[0][:60] if words else ""
