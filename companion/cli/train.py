"""companion train: a model of the village's stories, or of a text of yours."""

import copy
import dataclasses
import math
import sys
import tomllib
from collections import ChainMap
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from companion import BUILDERS, load, village
from companion.caching import SlidingCache
from companion.cli import prepare
from companion.cli._options import names_of, refuse
from companion.cli._parsing import Range, Tables
from companion.cli._presets import pick_preset
from companion.cli._settings import DRAWING, write_run_settings
from companion.cli._shared import RUNS, VILLAGE, open_data
from companion.cli._training_report import BEST, Reporter, best_is_elsewhere, long_rows, print_results
from companion.datasets import load_prepared
from companion.experts import ExpertsConfig
from companion.generation import LanguageModel
from companion.gpt import GPT2_SIZES, GPTConfig
from companion.models import names as model_names
from companion.modern import LlamaConfig, Muon
from companion.pretrained import FAMILIES, NeoXConfig
from companion.runtime.data.prepared import Corpus, longest_row, prepared_source
from companion.runtime.files.whole_files import claim
from companion.runtime.models import cross_entropy
from companion.runtime.models.devices import check_attention, check_memory, pick_device
from companion.runtime.runs.distributed import Peers, check_shares, ours, shared_device
from companion.runtime.runs.optimizers import beside_adamw
from companion.runtime.runs.resuming import Saved, check_resumable, holds_run, saved_settings
from companion.runtime.runs.run_folders import check_writable, free_folder, own_folder
from companion.runtime.runs.validation import (
    check_fit,
    data_identity,
    evaluations_within,
    steps_within,
    warmup_within,
)
from companion.runtime.storage.checkpoints import holds_model
from companion.runtime.terminal import as_typed
from companion.show import plots
from companion.show.judged_text import Marks, marks_for
from companion.tokenization import Tokenizer
from companion.training import TrainConfig, Trainer, make_optimizer, train, training_batches
from companion.village.measures import reference_lines

NOT_BESIDE = "describes a new model, and this run continues with an existing one"
LONGEST = 256  # tokens that no story of the village exceeds
WAIT = 600  # seconds to wait for another process that prepares the same text
SIZE = ("context_length", "n_layers", "n_heads", "d_model")
"""What one of GPT-2's sizes says; the vocabulary is the data's, the rest follows or is no matter of size."""
FIELDS = set().union(*(names_of(config_class) for config_class, _ in BUILDERS.values()))
"""The fields of all models' configurations."""


@dataclass(kw_only=True)
class Options:
    """Train a language model on the village's stories or on a prepared text.

    Args:
        preset: A model and its training settings. village: GPT-2's blocks and AdamW as in chapters 1 to 7,
            0.6M parameters, for the village; modern: the parts of chapter 10, 0.5M parameters, for the
            village, which tells a story after 3 minutes on two cores; text: 3M parameters with dropout, for
            100 KB to 10 MB of your own text; gpu: 25M parameters, for 10 MB and more of text on a GPU.
            Default: modern; with --architecture gpt2, --size or --optimizer adamw, village.
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
        minutes: Train for as many steps as fit into this time, but at most --steps. With --resume, train for
            this much longer. 0 means no limit. Default: the preset's minutes, and at most its steps; no limit
            with --steps or --resume.
        judge: Village only: number of stories that the judge checks at each evaluation. Default: 0.
        marks: How to show what the village's judge says of each sentence in a village story: in color, with
            signs, or not at all. auto is color in a terminal that shows it, unless NO_COLOR is set, and signs
            in another terminal; a pipe or a file gets the story with signs.
        architecture: Kind of model; chapter 10 describes swift, chapters 1 to 7 build gpt2. Default: swift,
            or the preset's.
        optimizer: AdamW of chapter 7 or Muon of chapter 10. Default: the preset's.
        size: Build a GPT-2 of this size, instead of the preset's model.
        parallel: How several processes under torchrun divide the work. ddp: each process holds a copy of the
            model; fsdp: each holds a share of it. They share the batches of a step, and there are as many
            batches as processes unless --accumulate says otherwise. Default: ddp.
        steps: Number of training steps, that is, updates of the weights.
        batch_size: Rows in a batch.
        context_length: Largest number of tokens that the model reads at once.
        accumulate: Batches whose gradients are added up for one step.
        lr: Highest learning rate.
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
        companion train --minutes 10 --seed 7
    """

    preset: Literal["village", "modern", "text", "gpu"] | None = None
    config: Annotated[Path | None, Tables("", "model", "training")] = None
    data: Path | None = None
    checkpoint: Path | None = None
    init: str | None = None
    resume: bool = False
    minutes: Annotated[float | None, Range(0, 10**6)] = None
    judge: Annotated[int | None, Range(0, 10**5)] = None
    marks: Literal["auto", "color", "signs", "off"] = "auto"
    architecture: Literal["gpt2", "llama", "storyteller", "swift", "neox", "experts"] | None = None
    optimizer: Literal["adamw", "muon"] | None = None
    size: Literal["nano", "small", "medium", "large", "xl"] | None = None
    parallel: Literal["ddp", "fsdp"] | None = None
    fields: Annotated[dict, TrainConfig, GPTConfig, LlamaConfig, NeoXConfig, ExpertsConfig] = field(
        default_factory=lambda: ChainMap({}, {})
    )


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
    peers: Peers
    parallel: str  # ddp or fsdp (chapter 12); without torchrun it has no effect


@dataclass
class Start:
    """The model at the first step: its shape, and where its weights are from; see TrainPlan."""

    config: GPTConfig | LlamaConfig
    build: Callable
    weights: Path | None = None
    origin: dict | None = None


def run(options: Options) -> None:
    peers = ours()
    with ExitStack() as held:
        plan = make_plan(options, peers, held)
        corpus, history = learn(plan)
        if peers.first:
            report(plan, corpus, history)


# -- what can be wrong, found before any work begins --------------------


def make_plan(options: Options, peers: Peers, held: ExitStack) -> TrainPlan:
    """The training that the options ask for. Raises ValueError for what cannot be."""
    asked = asked_for(options)
    preset = pick_preset(asked)
    data = options.data or VILLAGE
    source = prepared_source(data)
    check_text(options, data, source)
    corpus = open_data(data) if options.data or source else None  # None: the village is not prepared yet
    shipped = village.DATA / "village" / "tokenizer.json"
    tokenizer = corpus.tokenizer if corpus else Tokenizer.load(shipped)

    folder = options.checkpoint or RUNS / data.resolve().name
    architecture = preset.architecture
    # Fields of the model's configuration and settings of training, by name, where no option says otherwise.
    defaults = preset.model | preset.train | {"optimizer": preset.optimizer, "accumulate": peers.size}
    saved = None
    if options.resume:
        saved = find_saved_run(asked, folder)
        architecture = saved.architecture
        defaults |= saved.shape | saved.train
    if options.init or (saved and saved.origin):
        start = model_to_go_on_with(asked, saved, data, source, tokenizer)
        defaults["context_length"] = min(defaults["context_length"], start.config.context_length)
    else:
        start = new_model(asked, architecture, defaults, tokenizer.vocab_size)

    own_warmup = options.resume or "warmup_steps" in asked
    own_eval = options.resume or "eval_every" in asked
    config = training_settings(asked, defaults, own_warmup, own_eval)
    optimizer = options.optimizer or defaults["optimizer"]
    check_parallel(options, peers, config, optimizer, start.config.architecture)
    check_size(start, config, corpus)
    empty_model = start.build(start.config, meta=True)
    if corpus:
        check_fit(empty_model, corpus, config)
    else:
        check_writable("--data", data)
    minutes, at_most = options.minutes, asked.get("steps")
    if minutes is None:
        minutes, at_most = 0 if at_most or options.resume else preset.minutes, config.steps

    shape = empty_model.config  # with what the builder adds to it
    check_agreement(asked, peers, start.origin, shape, config, optimizer)
    if peers.first:
        if options.checkpoint or options.resume:
            own_folder(folder, options.resume, held)
        else:
            folder = free_folder(RUNS, data.resolve().name, held)
    return TrainPlan(
        folder=Path(peers.same(str(folder))),
        data=data,
        shown_data=None if data == VILLAGE else data.as_posix(),
        build=start.build,
        model=shape,
        train=config,
        optimizer=optimizer,
        weights=start.weights,
        origin=start.origin,
        resume=options.resume,
        saved_steps=saved.steps if saved else 0,
        minutes=minutes,
        at_most=at_most,
        own_eval=own_eval,
        own_warmup=own_warmup,
        judge=options.judge or 0,
        marks=marks_for(options.marks, in_pipe="signs", encoding=sys.stdout.encoding),
        drawing=drawing_of(options.config, source),
        peers=peers,
        parallel=options.parallel or "ddp",
    )


def asked_for(options: Options) -> dict[str, Any]:
    """Everything that was typed or stands in the file of settings, by name; what --size says of the shape."""
    if options.resume and options.config:
        options.init = None  # which the file may name; the resumed run has weights of its own
    if options.init and options.resume:
        raise ValueError("--resume goes on with a run, and --init begins one; leave one of them out")
    own = {name: value for name, value in vars(options).items() if value is not None and value is not False}
    del own["fields"]
    typed, of_file = options.fields.maps
    asked = own | of_file | typed
    if options.size:
        if options.architecture not in (None, "gpt2"):
            raise ValueError(f"--size works with gpt2 only, not with {options.architecture}; leave it out")
        asked |= {name: getattr(GPT2_SIZES[options.size], name) for name in SIZE} | typed
    if options.resume:
        refuse(asked, ["preset"], NOT_BESIDE)
    if options.init:
        refuse(asked, ["preset", "size", "architecture"], NOT_BESIDE)
    return asked


def drawing_of(path: Path | None, source: str | None) -> dict[str, Any]:
    """How to draw texts: the [generation] of the file of settings, which the run's own file repeats."""
    found = tomllib.loads(path.read_text("utf-8-sig")).get("generation", {}) if path else {}
    of_village = source in (None, "village")
    return ({} if of_village else {"prompt": ""}) | found  # "Once" begins the village's stories


def check_text(options: Options, data: Path, source: str | None) -> None:
    """ValueError where the village's folder holds another text, and where no judge knows the text."""
    if source in (None, "village"):
        return
    if options.data is None:
        raise ValueError(f"{data} holds the data of {source}; name a folder with --data")
    if options.judge:
        rule = f"works with the village's stories only, not with {source}; leave it out"
        raise ValueError(f"--judge={options.judge} {rule}")


def find_saved_run(asked: dict, folder: Path) -> Saved:
    """The run to resume. Raises ValueError where there is none, or the options are not those of it."""
    if not (holds_run(folder) or holds_model(folder)):
        raise ValueError(f"--resume: {folder} holds no saved run; leave it out to begin one")
    saved = saved_settings(folder, asked.get("architecture"), BUILDERS)
    if asked.get("steps", saved.steps) < saved.steps:
        rule = f"{folder} has done {saved.steps:,} already; give more, or leave it out"
        raise ValueError(f"--steps={asked['steps']}: {rule}")
    optimizer = saved.train["optimizer"]
    if asked.get("optimizer", optimizer) != optimizer:
        said = f"--optimizer={asked['optimizer']} cannot resume {folder}"
        raise ValueError(f"{said}, which was trained with {optimizer}; leave it out")
    return saved


def model_to_go_on_with(
    asked: dict, saved: Saved | None, data: Path, source: str | None, tokenizer: Tokenizer
) -> Start:
    """The model of --init, or, for a run that is resumed, the model that this run once began with."""
    refuse(asked, sorted(FIELDS - names_of(TrainConfig)), NOT_BESIDE)
    if saved:
        config_class, build = BUILDERS[saved.architecture]
        return Start(config_class(**saved.shape), build, origin=saved.origin)
    name = asked["init"]
    folder = model_names.folder_of(name)
    model_names.check_floats("--init", folder)
    config, build = model_names.shape_of(folder, BUILDERS, FAMILIES)
    theirs = model_names.tokenizer_of(folder, Tokenizer.load)
    model_names.check_prepared_for(name, theirs, tokenizer, data, source or "village")
    origin = model_names.origin_of(name, folder)
    # The weights are those of the folder, not of the name, so that what was checked here is what is trained.
    return Start(dataclasses.replace(config, dropout=0.0), build, folder, origin)


def new_model(asked: dict, architecture: str, defaults: dict, vocab_size: int) -> Start:
    """A model with random weights. Raises ValueError for an option that its architecture does not have."""
    config_class, build = BUILDERS[architecture]
    strange = FIELDS - names_of(config_class) - names_of(TrainConfig)
    refuse(asked, sorted(strange), f"is not an option of {architecture}")
    fields = {name: x for name, x in (defaults | asked).items() if name in names_of(config_class)}
    return Start(config_class(**fields | {"vocab_size": vocab_size}), build)


def training_settings(asked: dict, defaults: dict, own_warmup: bool, own_eval: bool) -> TrainConfig:
    """The defaults, overridden by options. Raises ValueError for a value out of range or a missing device."""
    settings = {name: x for name, x in (defaults | asked).items() if name in names_of(TrainConfig)}
    if not own_warmup:
        settings["warmup_steps"] = warmup_within(settings["steps"], settings["warmup_steps"])
    if not own_eval:
        settings["eval_every"] = evaluations_within(settings["steps"], settings["eval_every"])
    settings["device"] = shared_device(settings.get("device", "auto"))
    config = TrainConfig(**settings)
    pick_device(config.device)
    return config


def check_size(start: Start, config: TrainConfig, corpus: Corpus | None) -> None:
    """ValueError for a model or a batch that memory cannot hold. corpus: None if it is not prepared yet."""
    longest = min(LONGEST, config.context_length)
    if corpus:
        longest = max(longest_row(part, config.context_length) for part in (corpus.train, corpus.val))
    rows = max(config.batch_size, 32) if start.origin else config.batch_size  # 32 are evaluated at once
    check_memory(start.config, start.build, copies=4, tokens=rows * longest)
    if pick_device(config.device).type == "cpu":
        check_attention(start.config, config.batch_size, longest)


def check_parallel(
    options: Options, peers: Peers, train: TrainConfig, optimizer: str, architecture: str
) -> None:
    """ValueError, in one line, for what several processes, or one, cannot do."""
    parallel = options.parallel
    if peers.size == 1:
        if parallel:
            start = "torchrun --nproc-per-node 2 -m companion train"
            raise ValueError(
                f"--parallel={parallel} works with several processes only; start them with {start}"
            )
        return
    if options.resume and train.accumulate % peers.size:
        most = math.gcd(train.accumulate, peers.size)
        rule = f"{peers.size} processes cannot share the {train.accumulate} of a step; start {most}"
        raise ValueError(f"accumulate={train.accumulate} is the resumed run's, and {rule}")
    check_shares(train.accumulate, peers.size)
    if parallel == "fsdp" and optimizer == "muon":
        rule = "Muon needs whole matrices, and of these each process would have a share"
        raise ValueError(f"--parallel=fsdp: {rule}; add --architecture gpt2 or --optimizer adamw, or use ddp")
    if parallel == "fsdp" and train.compile:
        raise ValueError("--parallel=fsdp cannot be compiled here; leave out --compile, or use ddp")
    if architecture == "experts":
        rule = "the biases of its routers are moved in one process"
        raise ValueError(f"architecture=experts: {rule}; start it without torchrun, or train swift")


def check_agreement(
    asked: dict,
    peers: Peers,
    origin: dict | None,
    config: GPTConfig | LlamaConfig,
    train: TrainConfig,
    optimizer: str,
) -> None:
    """ValueError, in all processes, where they were not started with the same options."""
    folders = ("data", "checkpoint", "config")  # a folder may have another path on each machine
    options = dict.fromkeys(names_of(Options) - {"fields"}) | asked  # also what this one was not asked
    options |= dict.fromkeys(folders)
    options["init"] = origin
    options |= dataclasses.asdict(config)
    options |= dataclasses.asdict(train)
    options["optimizer"] = optimizer
    peers.agree(options)


# -- the work --------------------


def learn(plan: TrainPlan) -> tuple[Corpus, list[dict]]:
    """Prepare the village if it is not there, train, and save; the text, and a row for each evaluation."""
    prepare_village(plan)
    corpus = load_prepared(plan.data)
    torch.manual_seed(plan.train.seed)
    model = first_weights(plan)
    if plan.resume:
        check_resume(plan, corpus, model)
    warning = long_rows(corpus.train, plan.train.context_length, plan.model)
    if warning:
        print(warning)
    if plan.minutes > 0:
        plan.train = with_steps(plan, corpus, model)
    print_what_begins(plan, model)
    history = train(
        model,
        corpus,
        plan.train,
        plan.folder,
        plan.resume,
        reporter(corpus, plan),
        sys.stderr.isatty(),
        optimizers_of(plan, model),
        trainer_of(plan),
    )
    if plan.peers.first:
        write_run_settings(plan)
    return corpus, history


def prepare_village(plan: TrainPlan) -> None:
    """Prepare the village, if there is no prepared text yet; the other processes wait for the first."""
    if plan.peers.first and prepared_source(plan.data) is None:
        with claim(plan.data, seconds=WAIT):  # of two runs one prepares the village, the other waits
            if prepared_source(plan.data) is None:
                print(f"Making {prepare.STORIES:,} stories of the village to train on, in {plan.data} …")
                prepare.prepare_village(plan.data, prepare.STORIES)
    plan.peers.meet()


def print_what_begins(plan: TrainPlan, model: nn.Module) -> None:
    """Say which model is trained, for how long, and by how many processes."""
    config = plan.train
    n_parameters = sum(p.numel() for p in model.parameters())
    if plan.origin:
        print(
            f"Training continues from the weights of {plan.origin['name']}, in rows of at most"
            f" {config.context_length} tokens."
        )
    print(
        f"The model has {n_parameters:,} parameters and takes {config.steps:,} steps of {config.batch_size}"
        " rows. Ctrl-C saves it and ends the training."
    )
    if plan.peers.size > 1:
        n = plan.peers.size
        print(f"{n} processes ({plan.parallel}) share a step's {config.accumulate} batches.")


def check_resume(plan: TrainPlan, corpus: Corpus, model: nn.Module) -> None:
    """ValueError, before a step is timed, for settings or data other than those of the run to go on with."""
    optimizers = optimizers_of(plan, model) or [make_optimizer(model, plan.train)]
    parts = SimpleNamespace(model=model, config=plan.train, optimizers=optimizers)
    check_resumable(parts, plan.folder, data_identity(corpus), corpus.tokenizer)


def first_weights(plan: TrainPlan) -> nn.Module:
    """A model as the run begins with it: untrained, or with the weights that it goes on from."""
    if not plan.weights:
        model = plan.build(plan.model)
    else:
        model = plan.build(plan.model, meta=True)
        loaded = load(plan.weights, device="cpu").model
        model.load_state_dict(loaded.state_dict(), assign=True)
    model.origin = plan.origin  # which the run notes in its provenance
    return model


def with_steps(plan: TrainPlan, corpus: Corpus, model: nn.Module) -> TrainConfig:
    """The settings of training with as many steps as fit into the minutes, timed on a copy of the model."""
    config = plan.train
    timed = copy.deepcopy(model)
    batches = partial(training_batches, corpus.train, config)
    trial = trainer_of(plan)(timed, batches, config, optimizers=optimizers_of(plan, timed))
    steps = plan.saved_steps + steps_within(trial, plan.minutes, len(corpus.val.tokens))
    if plan.at_most:
        steps = min(steps, plan.at_most)
    if not plan.own_eval:
        eval_every = evaluations_within(steps - plan.saved_steps, config.eval_every)
        config = dataclasses.replace(config, eval_every=eval_every)
    if not plan.own_warmup:
        warmup_steps = warmup_within(steps, config.warmup_steps)
        return dataclasses.replace(config, steps=steps, warmup_steps=warmup_steps)
    if steps < config.warmup_steps:
        remedy = "" if plan.resume else ", or fewer --warmup-steps"
        short = f"{steps} steps, and the learning rate climbs for {config.warmup_steps}"
        raise ValueError(f"--minutes={plan.minutes:g} is enough for {short}; give more minutes{remedy}")
    return dataclasses.replace(config, steps=steps)


def trainer_of(plan: TrainPlan) -> Callable:
    """What makes the trainer: chapter 7's class, or chapter 12's for several processes; see train."""
    trainer = Trainer
    if plan.peers.size > 1:
        from companion.scaling import DistributedTrainer

        trainer = partial(DistributedTrainer, shard=plan.parallel == "fsdp")
    on_cpu = pick_device(plan.train.device).type == "cpu"
    if on_cpu and plan.model.vocab_size >= cross_entropy.LARGE_VOCABULARY and not plan.train.compile:
        trainer = partial(trainer, loss=cross_entropy.next_token_loss)
    return trainer


def optimizers_of(plan: TrainPlan, model: nn.Module) -> list[Optimizer] | None:
    """What train takes for plan.optimizer: None for AdamW, its own; for Muon a list, with AdamW beside it."""
    if plan.optimizer == "adamw":
        return None

    config = plan.train
    return beside_adamw(Muon, model, config.lr, config.betas, config.weight_decay)


def reporter(corpus: Corpus, plan: TrainPlan) -> Reporter:
    """What train calls at each evaluation."""

    def teller_of(model: nn.Module) -> LanguageModel:
        return LanguageModel(model, corpus.tokenizer, SlidingCache)

    return Reporter(teller_of, corpus, plan)


# -- what came of it --------------------


def report(plan: TrainPlan, corpus: Corpus, history: list[dict]) -> None:
    """Draw the curve, print what the run came to, and the commands that go on from here."""
    resume = resuming(plan)
    is_village = corpus.meta.get("source") == "village"
    try:
        if history:
            report_results(plan, corpus, history)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the run is saved, to go on with: {as_typed(*resume)}") from None
    reached = history[-1]["step"] if history else 0
    if reached < plan.train.steps:
        print(f"\nIt stopped before step {plan.train.steps:,}. To train the rest:\n\n  {as_typed(*resume)}")
    print(f"\nTo train it for 10 more minutes:\n\n  {as_typed(*resume, '--minutes', 10)}")
    if history:
        best = plan.folder / BEST if best_is_elsewhere(history, plan.folder) else plan.folder
        generate = ["companion", "generate", "--checkpoint", best]
        if is_village:
            print("\nTo let it tell more stories, and to see how it works:\n")
            print(f"  {as_typed(*generate, '--prompt', DRAWING['prompt'])}")
            print(f"  {as_typed('jupyter', 'lab', '--notebook-dir=.', 'chapters/00_start.ipynb')}")
        else:
            print("\nTo let it write more; add --prompt and a few words, and it continues them:\n")
            print(f"  {as_typed(*generate)}")


def report_results(plan: TrainPlan, corpus: Corpus, history: list[dict]) -> None:
    """Draw the curve of a run, and print what it came to."""
    lines = reference_lines() if corpus.meta.get("source") == "village" else {}
    plots.save(plan.folder / "loss.png", plots.loss_curve, history, lines, True)
    print_results(load(plan.folder, fast=True), plan.folder, corpus, history, plan.marks)


def resuming(plan: TrainPlan) -> list:
    """The words of the command that goes on with a run."""
    words = [*plan.peers.command, "train"]
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
