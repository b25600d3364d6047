"""companion train: its options, and all that can be wrong with them."""

import dataclasses
import math
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from companion import village
from companion.commands.naming import JUDGE, MINUTES, READERS, RUNS, VILLAGE, add_config, open_data
from companion.runtime.command_line.options import add_fields, fields_of, names_of, path_of, refuse, word
from companion.runtime.command_line.settings import take_run_settings
from companion.runtime.training.distributed import check_shares, ours, shared_device
from companion.runtime.training.presets import OPTIMIZERS, PRESETS, pick_preset

NOT_BESIDE = "is of a new model, and this run goes on with one that is there"
SPREAD = ("ddp", "fsdp")
"""How several processes hold a model: each a copy, or each a share (chapter 12)."""
LONGEST = 256
"""Tokens that no story of the village exceeds."""


def add(parser):
    from companion import BUILDERS
    from companion.gpt import GPT2_SIZES
    from companion.training import TrainConfig

    presets = "; ".join(f"{name}: {preset.help}" for name, preset in PRESETS.items())
    parser.add_argument(
        "--preset", choices=PRESETS, help=f"{presets} (default: modern; with GPT-2 or AdamW, village)"
    )
    add_config(parser)
    parser.add_argument(
        "--data", type=path_of("--data"), help="prepared folder (default: the village, prepared when needed)"
    )
    parser.add_argument(
        "--checkpoint",
        type=path_of("--checkpoint"),
        help="folder to write (default: runs/<name of the data>)",
    )
    parser.add_argument(
        "--init",
        type=word("--init"),
        metavar="MODEL",
        help="go on from the weights of a folder or of a public model, such as gpt2, on text that was"
        " prepared with its tokenizer (default: AdamW at 1e-4, rows of 256 tokens, 15 minutes)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the last save in --checkpoint; with more --steps or --minutes than it was to have,"
        " the learning rate rises to where a run so long would have it, and falls again to the new end",
    )
    parser.add_argument(
        "--minutes",
        type=MINUTES,
        help="train for as many steps as fit, at most --steps; with --resume, for so many more; 0: no limit"
        " (default: preset's, and at most its steps; with --steps or --resume, no limit)",
    )
    parser.add_argument("--judge", type=JUDGE, help="village: stories judged at each evaluation (default: 0)")
    parser.add_argument("--architecture", choices=list(BUILDERS), help="(default: swift, or the preset's)")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="(default: the preset's)")
    parser.add_argument("--size", choices=list(GPT2_SIZES), help="one of GPT-2's, instead of the preset's")
    parser.add_argument(
        "--parallel",
        choices=SPREAD,
        help="under torchrun: ddp, where each process has a copy of the model, or fsdp, a share of it"
        " (default: ddp); they share a step's batches, as many as processes unless --accumulate says so",
    )
    add_fields(parser, TrainConfig, "training", skip=set())
    seen = names_of(TrainConfig) | {"vocab_size"}
    for name, (config_class, _) in BUILDERS.items():
        if new := names_of(config_class) - seen:
            add_fields(parser, config_class, f"model, {name}", skip=seen)
            seen |= new


def plan(args, held: ExitStack) -> SimpleNamespace:
    from companion import BUILDERS
    from companion.gpt import GPT2_SIZES
    from companion.runtime.data.prepared import prepared_source
    from companion.runtime.models.devices import pick_device
    from companion.runtime.storage.checkpoints import holds_model
    from companion.runtime.training.resuming import holds_run, saved_settings
    from companion.runtime.training.run_folders import check_writable, free_folder, own_folder
    from companion.runtime.training.validation import check_fit, warmup_within
    from companion.tokenization import Tokenizer
    from companion.training import TrainConfig

    if args.init and args.resume:
        raise ValueError("--resume goes on with a run, and --init begins one; leave one of them out")
    drawing = take_run_settings(args, BUILDERS, TrainConfig, GPT2_SIZES, READERS)
    args.init = None if args.resume else args.init
    if args.resume:
        refuse(args, ["preset"], NOT_BESIDE)
    if args.init:
        refuse(args, ["preset", "size", "architecture"], NOT_BESIDE)
    peers, preset, data = ours(), pick_preset(args), args.data or VILLAGE
    source = prepared_source(data)
    if args.data is None and source not in (None, "village"):
        raise ValueError(f"{data} holds the data of {source}; name a folder with --data")
    if args.judge and source not in (None, "village"):
        raise ValueError(f"--judge={args.judge} is of the village's stories, not of {source}; leave it out")
    corpus = None if args.data is None and source is None else open_data(data)
    tokenizer = corpus.tokenizer if corpus else Tokenizer.load(village.DATA / "village" / "tokenizer.json")

    folder = args.checkpoint or RUNS / data.resolve().name
    architecture = preset.architecture
    usual, saved = preset.model | preset.train | {"optimizer": preset.optimizer}, None
    usual["accumulate"] = peers.size
    if args.resume:
        if not (holds_run(folder) or holds_model(folder)):
            raise ValueError(f"--resume: {folder} holds no run that was saved; leave it out to begin one")
        saved = saved_settings(folder, args.architecture, BUILDERS)
        architecture, usual = saved.architecture, usual | saved.shape | saved.train
        if args.steps is not None and args.steps < saved.steps:
            rule = f"{folder} has done {saved.steps:,} already; give more, or leave it out"
            raise ValueError(f"--steps={args.steps}: {rule}")
        if args.optimizer not in (None, usual["optimizer"]):
            asked = f"--optimizer={args.optimizer} cannot resume {folder}"
            raise ValueError(f"{asked}, which was trained with {usual['optimizer']}; leave it out")
    if args.init or (saved and saved.origin):
        model, build, origin = model_to_go_on_with(args, saved, tokenizer, data, source or "village")
        usual["context_length"] = min(usual["context_length"], model.context_length)
    else:
        config_class, build = BUILDERS[architecture]
        for other, _ in BUILDERS.values():
            strange = sorted(names_of(other) - names_of(config_class) - names_of(TrainConfig))
            refuse(args, strange, f"is no option of {architecture}")
        fields = fields_of(config_class, usual, args) | {"vocab_size": tokenizer.vocab_size}
        model, origin = config_class(**fields), None
    settings = fields_of(TrainConfig, usual, args)
    own_warmup = args.resume or args.warmup_steps is not None
    if not own_warmup:
        settings["warmup_steps"] = warmup_within(settings["steps"], settings["warmup_steps"])
    settings["device"] = shared_device(settings.get("device", "auto"))
    train = TrainConfig(**settings)
    pick_device(train.device)
    optimizer = args.optimizer or usual["optimizer"]
    check_parallel(args.parallel, peers, train, optimizer, args.resume)
    if peers.size > 1 and model.architecture == "experts":
        rule = "the biases of its routers are moved in one process"
        raise ValueError(f"architecture=experts: {rule}; start it without torchrun, or train swift")
    check_size(model, build, train, corpus, origin)
    model = build(model, meta=True).config  # with what the architecture adds to it
    if corpus:
        check_fit(SimpleNamespace(config=model), corpus, train)
    else:
        check_writable("--data", data)
    minutes, at_most = args.minutes, args.steps
    if minutes is None:
        minutes, at_most = 0 if args.steps or args.resume else preset.minutes, train.steps
    options = vars(args) | {"data": None, "checkpoint": None, "config": None, "init": origin}
    peers.agree(options | dataclasses.asdict(model) | dataclasses.asdict(train) | {"optimizer": optimizer})
    if peers.first and (args.checkpoint or args.resume):
        own_folder(folder, args.resume, held)
    elif peers.first:
        folder = free_folder(RUNS, data.resolve().name, held)
    folder = Path(peers.same(str(folder)))
    return SimpleNamespace(
        **{"folder": folder, "data": data, "resume": args.resume, "saved": saved.steps if saved else 0},
        **{"build": build, "model": model, "train": train, "own_warmup": own_warmup, "init": args.init},
        **{"origin": origin, "judge": args.judge or 0, "optimizer": optimizer, "drawing": drawing},
        **{"minutes": minutes, "at_most": at_most, "peers": peers, "parallel": args.parallel or "ddp"},
        shown_data=None if data == VILLAGE else data.as_posix(),
    )


def check_size(model, build, train, corpus, origin: dict | None) -> None:
    """ValueError for a model or a batch that memory cannot hold. corpus: None where it is yet to be told."""
    from companion.runtime.data.prepared import longest_row
    from companion.runtime.models.devices import check_attention, check_memory, pick_device

    splits = (corpus.train, corpus.val) if corpus else ()
    found = (longest_row(split, train.context_length) for split in splits)
    longest = max(found, default=min(LONGEST, train.context_length))
    rows = max(train.batch_size, 32) if origin else train.batch_size  # 32 are evaluated at once
    check_memory(model, build, copies=4, tokens=rows * longest)
    if pick_device(train.device).type == "cpu":
        check_attention(model, train.batch_size, longest)


def check_parallel(parallel: str | None, peers: Any, train: Any, optimizer: str, resume: bool) -> None:
    """ValueError, in one line, for what several processes, or one, cannot do."""
    if peers.size == 1:
        if parallel:
            start = "torchrun --nproc-per-node 2 -m companion train"
            raise ValueError(f"--parallel={parallel} is for several processes; start them with {start}")
        return
    if resume and train.accumulate % peers.size:
        most = math.gcd(train.accumulate, peers.size)
        rule = f"{peers.size} processes cannot share the {train.accumulate} of a step; start {most}"
        raise ValueError(f"accumulate={train.accumulate} is the resumed run's, and {rule}")
    check_shares(train.accumulate, peers.size)
    if parallel == "fsdp" and optimizer == "muon":
        rule = "Muon needs whole matrices, and of these each process would have a share"
        raise ValueError(f"--parallel=fsdp: {rule}; add --architecture gpt2 or --optimizer adamw, or use ddp")
    if parallel == "fsdp" and train.compile:
        raise ValueError("--parallel=fsdp cannot be compiled here; leave out --compile, or use ddp")


def model_to_go_on_with(args, saved, tokenizer, data: Path, source: str) -> tuple:
    """The configuration of the model of --init, its builder and where it is from; or as the run had them.

    Raises ValueError, in one line, for options of a model, and for data that are not in its tokens.
    """
    from companion import BUILDERS
    from companion.pretrained import FAMILIES
    from companion.runtime.storage import model_names
    from companion.tokenization import Tokenizer
    from companion.training import TrainConfig

    options = set().union(*(names_of(config_class) for config_class, _ in BUILDERS.values()))
    refuse(args, sorted(options - names_of(TrainConfig) - {"vocab_size"}), NOT_BESIDE)
    if saved:
        config_class, build = BUILDERS[saved.architecture]
        return config_class(**saved.shape), build, saved.origin
    folder = model_names.folder_of(args.init)
    model_names.check_floats("--init", folder)
    config, build = model_names.shape_of(folder, BUILDERS, FAMILIES)
    theirs = model_names.tokenizer_of(folder, Tokenizer.load)
    model_names.check_prepared_for(args.init, theirs, tokenizer, data, source)
    origin, args.init = (
        model_names.origin_of(args.init, folder),
        folder,
    )  # what is read here is what is trained
    return dataclasses.replace(config, dropout=0.0), build, origin
