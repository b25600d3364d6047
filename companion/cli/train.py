"""companion train: a model of the village's stories, or of a text of yours."""

import contextlib
import dataclasses
import tomllib
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import nn

from companion import BUILDERS, load, village
from companion.cli import prepare
from companion.cli._outputs import check_unused, check_writable, visible_names
from companion.cli._parsing import Range
from companion.cli._shared import DRAWING, RUNS, VILLAGE, refuse
from companion.cli._training_report import (
    Reporter,
    best_is_elsewhere,
    first_words,
    is_overfitted,
    print_results,
    teller_of,
    time_of,
    write_run_settings,
)
from companion.datasets import load_prepared
from companion.gpt import GPTConfig
from companion.models import names as model_names
from companion.modern import LlamaConfig, Muon
from companion.runtime.data.prepared import Corpus, prepared_source
from companion.runtime.files.atomic import claim
from companion.runtime.models.devices import empty_model, pick_device
from companion.runtime.runs.distributed import broadcast, check_shares, is_main, shared_device, world_size
from companion.runtime.runs.optimizers import beside_adamw
from companion.runtime.runs.resuming import BEST, SavedRun, holds_run, saved_settings
from companion.runtime.runs.sessions import Clock
from companion.runtime.runs.validation import MAX_COUNT, check_fit, evaluations_within, warmup_within
from companion.runtime.storage.checkpoints import holds_model
from companion.runtime.terminal import amount, as_typed
from companion.show.judged_text import Marks, marks_for
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, train

NOT_BESIDE = "describes a new model, and this run continues with an existing one"


def names_of(config_class: type) -> set[str]:
    """The fields of a config dataclass."""
    return {field.name for field in dataclasses.fields(config_class)}


FIELDS = set().union(*(names_of(config_class) for config_class, _ in BUILDERS.values()))
"""The fields of all models' configurations."""


@dataclass(kw_only=True)
class Options:
    """Train a language model on the village's stories or on a prepared text.

    Args:
        preset: A model and its training settings. village: GPT-2's blocks and AdamW as in chapters 1 to 7,
            0.6M parameters, for the village; modern: the parts of chapter 10, 0.5M parameters, for the
            village, which tells a story after 3 minutes on two cores; text: the parts of chapter 10 with
            dropout, about 1M parameters, for 100 KB to 10 MB of your own text; gpu: 25M parameters, for 10 MB
            and more of text on a GPU.
            Default: modern; with --architecture gpt2 or --optimizer adamw, village.
        config: File with settings, such as the config.toml that a training run writes; options that you type
            win over the file.
        data: Folder that companion prepare wrote. Default: the village's stories, which are made first if
            they are missing.
        checkpoint: Folder to write the model to. Default: runs/<name of the data>.
        init: Start from the weights of this model: a folder, or a public model such as gpt2 or smollm2. The
            text must have been prepared with the tokenizer of that model. Default: start from random weights;
            with --init, AdamW at a learning rate of 1e-4, rows of 256 tokens, 15 minutes.
        resume: Continue the run in --checkpoint from its last save. If you give more --steps or --minutes
            than before, the learning rate rises to the value it has at this point of the longer schedule, and
            falls again to the new end.
        minutes: How long to train, evaluations included, but for at most --steps. The learning rate falls
            with the time, so on a slower machine a run has fewer steps and the same end. With --resume, train
            for this much longer. 0 means no limit. Default: the preset's minutes, and at most its steps; no
            limit with --steps; what is left with --resume.
        judge: Village only: number of stories that the judge checks at each evaluation. Default: 0.
        marks: How to show what the village's judge says of each sentence in a village story: in color, with
            signs, or not at all. auto is color in a terminal that shows it, unless NO_COLOR is set, and signs
            in another terminal; a pipe or a file gets the story with signs.
        architecture: Kind of model; chapter 10 describes swift, chapters 1 to 7 build gpt2. Default: swift,
            or the preset's.
        optimizer: AdamW of chapter 7 or Muon of chapter 10. Default: the preset's.
        parallel: How several processes under torchrun divide the work. ddp: each process holds a copy of the
            model; fsdp: each holds a share of it. They share the batches of a step, and there are as many
            batches as processes unless --accumulate says otherwise. Default: ddp.
        steps: Number of training steps, that is, updates of the weights. Default: the preset's.
        batch_size: Rows in a batch. Default: the preset's.
        context_length: Largest number of tokens that the model reads at once.
        accumulate: Batches whose gradients are added up for one step.
        lr: Highest learning rate. Default: the preset's.
        min_lr: Learning rate at the end. Default: a tenth of --lr.
        warmup_steps: Steps in which the learning rate rises from 0. Default: 50, or half of a shorter run.
        weight_decay: How strongly matrices shrink at each step, as a multiple of the learning rate.
        betas: How much of AdamW's two moving averages is kept at each step; Muon uses the first one too.
        grad_clip: Longer gradients are shortened to this length.
        eval_every: Steps between two evaluations; the run is saved at each (a short run has at least three).
        seed: Seed of the first weights, the batches and dropout.
        device: Where to compute: auto, cpu, cuda, cuda:N or mps.
        dtype: Number format of the matrix products: auto, float32 or bfloat16.
        compile: Use torch.compile.
        n_layers: Number of blocks.
        n_heads: Attention heads in each block.
        d_model: Width of the model: numbers in the vector of a token.
        d_ff: Width inside each MLP. Default: 4 times --d-model, or 8/3 times in models of llama's kind.
        dropout: Share of numbers that are set to 0 in training.
        n_kv_heads: Heads of keys and values in each block. Default: --n-heads.
        head_width: Numbers in the vectors of one head. Default: --d-model / --n-heads.
        window: How many positions back a query can attend. Default: all.
        qk_norm: Normalize queries and keys.
        qkv_bias: Give queries, keys and values a bias.
        tied: Use the token embedding as the output head.
        norm_eps: Small number that norms add to the mean square.
        rope_theta: Base of RoPE's frequencies.
        rope_factor: By what RoPE's low frequencies are divided, for a longer context.
        rope_original: Context length before RoPE's frequencies were lowered.
        rope_share: Share of each head that RoPE rotates.
        shift: How many earlier tokens are mixed into the input of a layer.
        n_experts: MLPs in each block, of which a token uses a few.
        n_active: MLPs that each token uses.
        balance: How far the bias of an expert moves after each batch if it got too few or too many tokens.
        capacity: Most tokens that an expert takes in training, as a multiple of its even share. Default: no
            limit.

    Example:
        companion train --preset text --data runs/data/my_letters --minutes 10
    """

    CONFIGS: ClassVar = (
        "training.TrainConfig gpt.GPTConfig modern.LlamaConfig pretrained.NeoXConfig experts.ExpertsConfig"
    )
    TABLES: ClassVar = "top model training"
    MOST_USED: ClassVar = "preset data checkpoint init resume minutes steps batch_size lr seed"
    preset: Literal["village", "modern", "text", "gpu"] | None = None
    config: Path | None = None
    data: Path | None = None
    checkpoint: Path | None = None
    init: str | None = None
    resume: bool = False
    minutes: Annotated[float | None, Range(0, 10**6)] = None
    judge: Annotated[int | None, Range(0, 10**5)] = None
    marks: Literal["auto", "color", "signs", "off"] = "auto"
    architecture: Literal["gpt2", "llama", "storyteller", "swift", "neox", "experts"] | None = None
    optimizer: Literal["adamw", "muon"] | None = None
    parallel: Literal["ddp", "fsdp"] | None = None
    fields: dict = field(default_factory=dict)


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


def run(options: Options) -> None:
    with ExitStack() as held:
        plan = make_plan(options, held)
        corpus, model, history = learn(plan)
        if is_main():
            report(plan, corpus, model, history)


# -- what can be wrong, found before any work begins --------------------


def make_plan(options: Options, held: ExitStack) -> TrainPlan:
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


def asked_for(options: Options) -> dict[str, Any]:
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
    saved = saved_settings(folder, asked.get("architecture"), BUILDERS)
    if asked.get("steps", saved.steps) < saved.steps:
        rule = f"{folder} has done {saved.steps:,} already; give more, or leave it out"
        raise ValueError(f"--steps={asked['steps']}: {rule}")
    return saved


def model_to_go_on_with(asked: dict, saved: SavedRun | None, data: Path, tokenizer: Tokenizer) -> Start:
    """The model of --init, or, for a run that is resumed, the model that this run once began with."""
    refuse(asked, sorted(FIELDS - names_of(TrainConfig)), NOT_BESIDE)
    if saved:
        config_class, build = BUILDERS[saved.architecture]
        return Start(config_class(**saved.shape), build, origin=saved.origin)
    name = asked["init"]
    folder = model_names.floats_of("--init", name)
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


def claim_folder(options: Options, folder: Path, held: ExitStack) -> Path:
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


# -- the work --------------------


def learn(plan: TrainPlan) -> tuple[Corpus, nn.Module, list[dict]]:
    """Prepare the village if it is not there, train, and save.

    Returns:
        The text, the model, and a row for each evaluation.
    """
    prepare_village(plan.data)
    corpus = load_prepared(plan.data)
    torch.manual_seed(plan.train.seed)
    start = plan.start
    model = start.build(start.config, meta=bool(start.weights))
    if start.weights:
        model.load_state_dict(load(start.weights, device="cpu").model.state_dict(), assign=True)
    config = plan.train
    if start.origin:
        begun = f"Training continues from the weights of {start.origin['name']}"
        print(f"{begun}, in rows of at most {config.context_length} tokens.")
    n_parameters = sum(p.numel() for p in model.parameters())
    source = "the village's stories" if plan.is_village else plan.data
    print(
        f"The model has {n_parameters:,} parameters and trains for {length_of(plan)} of {config.batch_size}"
        f" rows of {source}. Ctrl-C saves it and ends the training."
    )
    if plan.marks:
        print("On the way it begins stories, and a judge marks each sentence:")
        print("  ", plan.marks.legend(), sep="")
    if not plan.is_village:
        print(f"At each evaluation it continues words of the held-out text: {plan.prompt}")
    n = world_size()
    if n > 1:
        print(f"{n} processes ({plan.parallel}) share a step's {config.accumulate} batches.")
    optimizers = None  # AdamW, which is train's own
    if plan.optimizer == "muon":
        optimizers = beside_adamw(Muon, model, config.lr, config.betas, config.weight_decay)
    history = train(
        model,
        corpus,
        config,
        plan.folder,
        plan.resume,
        Reporter(corpus, plan),
        progress=True,
        optimizers=optimizers,
        make_trainer=trainer_of(plan),
        clock=plan.clock,
        origin=start.origin,
    )
    if is_main():
        write_run_settings(plan)
    return corpus, model, history


def length_of(plan: TrainPlan) -> str:
    """How long a run will be, in minutes or in steps."""
    clock = plan.clock
    if clock.seconds is None:
        return amount(plan.train.steps, "step")
    steps = "steps" if clock.most_steps == MAX_COUNT else f"at most {amount(clock.most_steps, 'step')}"
    return f"{time_of(clock.seconds - clock.before)}{' more' if clock.before else ''} in {steps}"


def prepare_village(folder: Path) -> None:
    """Prepare the village, if there is no prepared text yet; the other processes wait for the first."""
    if is_main() and prepared_source(folder) is None:
        with claim(folder):
            print(f"Making {prepare.STORIES:,} stories of the village to train on, in {folder} …")
            prepare.prepare_village(folder, prepare.STORIES)
    broadcast(None)


def trainer_of(plan: TrainPlan) -> Callable:
    """What makes the trainer: chapter 7's class, or chapter 12's for several processes; see train."""
    if world_size() == 1:
        return Trainer
    from companion.scaling import DistributedTrainer

    return partial(DistributedTrainer, shard=plan.parallel == "fsdp")


# -- what came of it --------------------


def report(plan: TrainPlan, corpus: Corpus, model: nn.Module, history: list[dict]) -> None:
    """Draw the curve, print what the run came to, and the commands that go on from here."""
    resume = resuming(plan)
    if plan.parallel == "fsdp":  # each process has a part of the weights
        model = load(plan.folder, plan.train.device).model
    try:
        if history:
            print_results(plan, teller_of(model, corpus.tokenizer), corpus, history)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the run is saved, to go on with: {as_typed(*resume)}") from None
    reached = history[-1]["step"] if history else 0
    if reached < plan.train.steps:
        end = f"step {plan.train.steps:,}" if plan.clock.seconds is None else "its time was over"
        print(f"\nIt stopped before {end}. To train the rest:\n\n  {as_typed(*resume)}")
    if not history or not is_overfitted(history):
        print(f"\nTo train it for 10 more minutes:\n\n  {as_typed(*resume, '--minutes', 10)}")
    if not history:
        return
    best = plan.folder / BEST if best_is_elsewhere(history, plan.folder) else plan.folder
    generate = ["companion", "generate", "--checkpoint", best]
    if plan.is_village:
        print("\nTo let it tell more stories, and to see how it works:\n")
    else:
        print("\nTo let it continue other words, put them in the place of these:\n")
    print(f"  {as_typed(*generate, '--prompt', plan.prompt)}")
    if plan.is_village:
        print(f"  {as_typed('jupyter', 'lab', '--notebook-dir=.', 'chapters/00_start.ipynb')}")


def resuming(plan: TrainPlan) -> list:
    """The words of the command that goes on with a run."""
    words: list[Any] = ["companion", "train"]
    if world_size() > 1:
        words = ["torchrun", "--nproc-per-node", str(world_size()), "-m", *words]
    if plan.data != VILLAGE:
        words += ["--data", plan.data]
    if plan.folder != RUNS / plan.data.resolve().name:
        words += ["--checkpoint", plan.folder]
    if plan.parallel == "fsdp":
        words += ["--parallel", "fsdp"]
    words += ["--resume"]
    if plan.judge:
        words += ["--judge", plan.judge]
    return words
