"""The command line: prepare a text, train on it, let the model tell, measure it.

A thin layer over the functions and dataclasses that the chapters build. A command has three steps. *Plan*
finds whatever can be wrong before any work is begun; *do* works; *report* prints what came of it. torch is
imported inside the steps, so that `companion` and `companion --help` answer at once.
"""

import dataclasses
import math
import re
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from companion import village
from companion.book.manifest import Book
from companion.commands import (
    app_command,
    chatting,
    classify,
    course,
    exporting,
    finetuning,
    quantizing,
    serving,
)
from companion.commands.evaluating import add_eval, do_eval, plan_eval, report_eval
from companion.commands.naming import (
    PREPARED,
    add_device,
    add_model,
    add_model_and_revision,
    open_data,
)
from companion.runtime.commands import Command, carry_out, run
from companion.runtime.configs import (
    GENERATION,
    MAX_NEW_TOKENS,
    Generation,
    check_drawing,
    read_settings,
    take_run_settings,
    write_run_settings,
)
from companion.runtime.distributed import check_shares, ours, shared_device
from companion.runtime.files import at_home, claim
from companion.runtime.options import add_fields, fields_of, integer, names_of, number, refuse
from companion.runtime.presets import OPTIMIZERS, PRESETS, pick_preset
from companion.runtime.streams import HUB, SHARDS, Documents, find_shards, name_of
from companion.runtime.telling import Telling
from companion.runtime.terminal import as_typed, is_read
from companion.village.measures import reference_lines

RUNS = Path("runs")
VILLAGE = PREPARED / "village"
PROMPT = Generation.prompt
MINUTES = number("--minutes", 0, 10**6, "; 0 sets no limit")
JUDGE = integer("--judge", 0, 10**5)
READERS = {"minutes": MINUTES, "judge": JUDGE}
NOT_BESIDE = "is of a new model, and this run goes on with one that is there"
SPREAD = ("ddp", "fsdp")
"""How several processes hold a model: each a copy, or each a share (chapter 12)."""
OURS = ("bpe", "char", "word", "gpt2")
"""The tokenizers of chapter 1."""
STORIES = 20_000
"""What a run of three minutes sees twice. Of the 5,500 that are shipped it would make eight passes."""
LEAST = 1000
"""Characters of a text, of which the usual tokenizer makes a few more tokens than a row of training has."""
LONGEST = 256
"""Tokens that no story of the village exceeds."""
WAIT = 600
"""Seconds to wait for another process that prepares the same text."""


# -- companion prepare ------------------------------------------------------------------


def add_prepare(parser):
    parser.add_argument(
        "text",
        nargs="+",
        help="village, lamplighter, pydoc, shakespeare, tinystories, or your own files and folders in UTF-8;"
        f" or shards ({', '.join(SHARDS)}) by name, folder or pattern; or, from the hub, {', '.join(HUB)}",
    )
    parser.add_argument("--data", type=Path, help="folder to write (default: runs/data/<name of the text>)")
    parser.add_argument("--overwrite", action="store_true", help="also over the data of another text")
    parser.add_argument(
        "--skip", action="store_true", help="leave out files that are no UTF-8 text, and rows of shards"
    )
    parser.add_argument(
        "--tokenizer",
        help=f"{', '.join(OURS)} (GPT-2's own), or that of a folder or of a model of the hub (default: bpe)",
    )
    parser.add_argument(
        "--vocab-size",
        type=integer("--vocab-size", 1),
        help="tokens of the vocabulary (default: by the length of the text)",
    )
    parser.add_argument("--val-fraction", type=float, help="share held out (default: 0.1; of shards 0.01)")
    parser.add_argument(
        "--stories",
        type=integer("--stories", 1, 10**7),
        help=f"village only: new stories to train on (default: {STORIES:,})",
    )
    parser.add_argument(
        "--seed", type=integer("--seed", 0, 10**12), help="village only: seed of the new stories (default: 4)"
    )
    parser.add_argument("--column", help="shards only: field or column that holds the text (default: text)")
    parser.add_argument(
        "--documents", type=integer("--documents", 1), help="shards only: take the first ones (default: all)"
    )
    parser.add_argument(
        "--processes",
        type=integer("--processes", 1, 1024),
        help="shards only: how many tokenize (default: 1); a run that was stopped goes on with what is whole",
    )


@dataclass
class Preparation:
    """What is to be prepared: the village's stories, or documents, with the tokenizer that they get.

    shards: whether the documents are Documents, which are streamed.
    """

    folder: Path
    source: str
    stories: int = STORIES
    seed: int = 4
    documents: list[str] | Documents = dataclasses.field(default_factory=list)
    tokenizer: Any = "bpe"
    vocab_size: int | None = None
    val_fraction: float = 0.1
    model: str | None = None
    shards: bool = False
    processes: int = 1


def plan_prepare(args, held: ExitStack) -> Preparation:
    from companion.runtime.encodings import gpt2_tokens
    from companion.runtime.folders import check_ours, check_writable
    from companion.runtime.models import tokenizer_of
    from companion.runtime.prepared import FILES, begun_source, prepared_source
    from companion.tokenization import Tokenizer

    names = ("stories", "seed", "tokenizer", "vocab_size", "val_fraction", "processes")
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    skip = (lambda line: print(f"Left out: {line}", file=sys.stderr)) if args.skip else None
    files = find_shards(args.text, lambda line: print(f"Left out: {line}", file=sys.stderr))
    if not files:
        refuse(args, ["column", "documents", "processes"], f"is for shards, such as {', '.join(SHARDS)}")
    if args.text == ["village"]:
        others = ["tokenizer", "vocab_size", "val_fraction", "skip"]
        refuse(args, others, "is for other texts; the village comes as it is")
        stories = given.get("stories", STORIES)
        name = "village" if stories == STORIES else f"village-{stories}"
        plan = Preparation(args.data or PREPARED / name, "village", **given)
    else:
        refuse(args, ["stories", "seed"], f"is for the village, not for {' '.join(args.text)}")
        plan = plan_shards(args, files, skip, given) if files else plan_text(args, skip, given)
        if plan.tokenizer != "bpe":
            refuse(args, ["vocab_size"], f"is for --tokenizer bpe; {plan.tokenizer} takes all there are")
        if plan.tokenizer == "gpt2":
            gpt2_tokens()  # found, or downloaded, before the work
        elif plan.tokenizer not in OURS:
            plan.model, plan.tokenizer = plan.tokenizer, tokenizer_of(plan.tokenizer, Tokenizer.load, OURS)
    sources = prepared_source(plan.folder), begun_source(plan.folder)
    if sources == (None, None):
        check_ours("--data", plan.folder, FILES)
    for there in sources:
        if there not in (None, plan.source) and not args.overwrite:
            raise ValueError(
                f"{plan.folder} holds the data of {there}; name another folder with --data, or add"
                " --overwrite"
            )
    check_writable("--data", plan.folder)
    return plan


def plan_text(args, skip, given: dict) -> Preparation:
    """The preparation of texts that fit into memory."""
    from companion.datasets import hold_out, load_text
    from companion.runtime.texts import source_of

    try:
        documents = [document for name in args.text for document in load_text(name, skip=skip)]
    except ValueError as error:
        said = str(error).replace("choose to skip it", "leave it out with --skip")
        said = re.sub("^(name_or_path|folder)=", "text=", said)
        raise ValueError(said.replace("the corpora are", f"the corpora are {', '.join(HUB)},")) from None
    folder = args.data or PREPARED / at_home(args.text[0]).resolve().stem
    plan = Preparation(folder, source_of(args.text), documents=documents, **given)
    said, length = f"text={' '.join(args.text)} has", sum(map(len, documents))
    if length < LEAST and "tokenizer" not in given and "vocab_size" not in given:
        rule = f"a model needs at least {LEAST:,} to learn from, better 100,000"
        characters = "1 character" if length == 1 else f"{length:,} characters"
        raise ValueError(f"{said} {characters}, and {rule}; add to it, or name more files")
    try:
        hold_out(documents, plan.val_fraction)  # what it refuses is refused before a tokenizer is trained
    except ValueError as error:
        raise ValueError(str(error).replace("documents have", said)) from None
    return plan


def plan_shards(args, files: list[str], skip, given: dict) -> Preparation:
    """The preparation of a text that is streamed. Every file is opened here, and its first row read."""
    from companion.runtime.checks import number as check_number
    from companion.runtime.texts import source_of

    if args.tokenizer in ("char", "word"):
        rule = "needs a text that fits into memory; for shards take bpe, gpt2, or the tokenizer of a model"
        raise ValueError(f"--tokenizer={args.tokenizer} {rule}")
    given = {"val_fraction": 0.01} | given
    rule = "between 0 and 1 (for example 0.01)"
    check_number("val_fraction", given["val_fraction"], rule, lambda value: 0 < value < 1)
    documents = Documents(files, args.column or "text", args.documents, skip)
    documents.check()
    source = ", ".join(name if name in HUB else source_of(name) for name in args.text)
    source += f", column {args.column}" if documents.column != "text" else ""
    source += f", the first {args.documents:,} documents" if args.documents else ""
    folder = args.data or PREPARED / name_of(args.text[0], files[0])
    return Preparation(folder, source, documents=documents, shards=True, **given)


def do_prepare(plan: Preparation) -> dict:
    """Prepare; return what meta.json says."""
    from tqdm import tqdm

    from companion.datasets import prepare, token_stream
    from companion.runtime.shards import SAMPLE_BYTES, SHARD_BYTES, sample_of, write_shards
    from companion.tokenization import END_OF_TEXT, BPETokenizer, CharTokenizer, Tokenizer, WordTokenizer

    if plan.source == "village":
        with Telling(plan.stories, plan.seed) as telling:
            train, val = telling.stories(), village.load_split("val")
        tokenizer = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
        share = len(val) / len(train + val)
        return prepare(train + val, tokenizer, plan.folder, val_fraction=share, source="village")
    if plan.tokenizer == "bpe":
        documents = sample_of(plan.documents, SAMPLE_BYTES) if plan.shards else plan.documents
        n_bytes = sum(len(document.encode()) for document in documents)
        size = min(max(n_bytes // 200, 300), 4096) if plan.vocab_size is None else plan.vocab_size
        tokenizer = BPETokenizer.train(documents, size)
    elif plan.tokenizer == "gpt2":
        tokenizer = BPETokenizer.gpt2()
    elif not isinstance(plan.tokenizer, str):
        tokenizer = plan.tokenizer
    else:
        kind = {"char": CharTokenizer, "word": WordTokenizer}[plan.tokenizer]
        tokenizer = kind.train(plan.documents, special_tokens=(END_OF_TEXT,))
    if not plan.shards:
        return prepare(plan.documents, tokenizer, plan.folder, plan.val_fraction, source=plan.source)
    with tqdm(unit="B", unit_scale=True, desc="Tokenizing", leave=False, disable=None) as bar:
        try:
            return write_shards(
                *(plan.folder, plan.documents, tokenizer, token_stream, Tokenizer.load),
                source=plan.source,
                val_fraction=plan.val_fraction,
                processes=plan.processes,
                shard_bytes=SHARD_BYTES,
                on_shard=bar.update,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "stopped; the same command goes on with the shards that are whole"
            ) from None


def report_prepare(plan: Preparation, meta: dict) -> None:
    from companion.runtime.models import has_weights
    from companion.runtime.shards import said

    for split in ("train", "val"):
        n = meta[split]
        print(f"{split:5} {n['n_documents']:>9,} documents {n['n_tokens']:>12,} tokens {n['n_bytes']:>12,} B")
    if plan.shards:
        why = f", left out: {said(meta['left_out'])}" if meta["left_out"] else ""
        print(f"{meta['n_read']:,} documents read{why}; shards: {meta['shards']:,}")
    print(f"Prepared in {plan.folder}, {meta['vocab_size']:,} tokens in the vocabulary. Next:\n")
    preset = [] if plan.source == "village" else ["--preset", "text"]
    if plan.model and has_weights(plan.model):
        preset = ["--init", plan.model]
    print(f"  {as_typed('companion', 'train', *preset, '--data', plan.folder)}")


# -- companion train ------------------------------------------------------------------


def add_config(parser):
    parser.add_argument(
        "--config",
        type=Path,
        help="file of settings, such as the config.toml that a run writes; options win over it",
    )


def add_train(parser):
    from companion import BUILDERS
    from companion.gpt import GPT2_SIZES
    from companion.training import TrainConfig

    presets = "; ".join(f"{name}: {preset.help}" for name, preset in PRESETS.items())
    parser.add_argument(
        "--preset", choices=PRESETS, help=f"{presets} (default: modern; with GPT-2 or AdamW, village)"
    )
    add_config(parser)
    parser.add_argument(
        "--data", type=Path, help="prepared folder (default: the village, prepared when needed)"
    )
    parser.add_argument("--checkpoint", type=Path, help="folder to write (default: runs/<name of the data>)")
    parser.add_argument(
        "--init",
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


def plan_train(args, held: ExitStack) -> SimpleNamespace:
    from companion import BUILDERS
    from companion.gpt import GPT2_SIZES
    from companion.runtime.checkpoints import holds_model, holds_run, saved_settings
    from companion.runtime.devices import pick_device
    from companion.runtime.folders import check_writable, free_folder, own_folder
    from companion.runtime.prepared import prepared_source
    from companion.runtime.runs import check_fit, warmup_within
    from companion.tokenization import Tokenizer
    from companion.training import TrainConfig

    if args.init and args.resume:
        raise ValueError("--resume goes on with a run, and --init begins one; leave one of them out")
    drawing = take_run_settings(args, BUILDERS, TrainConfig, GPT2_SIZES, READERS)
    args.init = None if args.resume else args.init
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
    from companion.runtime.devices import check_attention, check_memory, pick_device
    from companion.runtime.prepared import longest_row

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
    from companion.runtime import models
    from companion.tokenization import Tokenizer
    from companion.training import TrainConfig

    options = set().union(*(names_of(config_class) for config_class, _ in BUILDERS.values()))
    refuse(args, sorted(options - names_of(TrainConfig) - {"vocab_size"}), NOT_BESIDE)
    if saved:
        config_class, build = BUILDERS[saved.architecture]
        return config_class(**saved.shape), build, saved.origin
    folder = models.folder_of(args.init)
    models.check_floats("--init", folder)
    config, build = models.shape_of(folder, BUILDERS, FAMILIES)
    theirs = models.tokenizer_of(folder, Tokenizer.load)
    models.check_prepared_for(args.init, theirs, tokenizer, data, source)
    origin, args.init = models.origin_of(args.init, folder), folder  # what is read here is what is trained
    return dataclasses.replace(config, dropout=0.0), build, origin


def do_train(plan: SimpleNamespace) -> tuple[Any, list[dict]]:
    """Train; return the corpus and the run's history."""
    import torch

    from companion.datasets import load_prepared
    from companion.runtime.prepared import prepared_source
    from companion.runtime.reports import long_rows
    from companion.training import train

    peers = plan.peers
    if peers.first:
        with claim(plan.data, seconds=WAIT):  # of two runs one prepares the village, the other waits
            if prepared_source(plan.data) is None:
                print(f"The village tells {STORIES:,} stories to train on; they go into {plan.data} …")
                do_prepare(Preparation(plan.data, "village", stories=STORIES))
    peers.meet()
    corpus = load_prepared(plan.data)
    torch.manual_seed(plan.train.seed)
    model = first_weights(plan)
    if plan.resume:
        check_resume(plan, corpus, model)
    if said := long_rows(corpus.train, plan.train.context_length, plan.model):
        print(said)
    config = with_steps(plan, corpus, model) if plan.minutes > 0 else plan.train
    plan.train = config
    n_parameters = sum(p.numel() for p in model.parameters())
    if plan.origin:
        print(f"It goes on from {plan.origin['name']}, in rows of at most {config.context_length} tokens.")
    print(f"{n_parameters:,} parameters, {config.steps:,} steps of {config.batch_size} rows. Ctrl-C saves.")
    if peers.size > 1:
        print(f"{peers.size} processes ({plan.parallel}) share a step's {config.accumulate} batches.")
    report, seen, optimizers = reporter(corpus, plan), sys.stderr.isatty(), optimizers_of(plan, model)
    by = trainer_of(plan)
    history = train(model, corpus, config, plan.folder, plan.resume, report, seen, optimizers, by)
    if peers.first:
        write_run_settings(plan)
    return corpus, history


def check_resume(plan: SimpleNamespace, corpus, model) -> None:
    """ValueError, before a step is timed, for settings or data other than those of the run to go on with."""
    from companion.runtime.checkpoints import check_resumable
    from companion.runtime.runs import data_identity
    from companion.training import make_optimizer

    optimizers = optimizers_of(plan, model) or [make_optimizer(model, plan.train)]
    there = SimpleNamespace(model=model, config=plan.train, optimizers=optimizers)
    check_resumable(there, plan.folder, data_identity(corpus), corpus.tokenizer)


def first_weights(plan: SimpleNamespace) -> Any:
    """A model as the run begins with it: untrained, or with the weights that it goes on from."""
    from companion import load

    if not plan.init:
        model = plan.build(plan.model)
    else:
        model = plan.build(plan.model, meta=True)
        model.load_state_dict(load(plan.init, device="cpu").model.state_dict(), assign=True)
    model.origin = plan.origin  # which the run notes in its provenance
    return model


def with_steps(plan: SimpleNamespace, corpus, model) -> Any:
    """The settings of training with as many steps as fit into the minutes, found on a copy of the model."""
    import copy
    from functools import partial

    from companion.runtime.runs import steps_within, warmup_within
    from companion.training import training_batches

    config, other = plan.train, copy.deepcopy(model)
    batches, optimizers = partial(training_batches, corpus.train, config), optimizers_of(plan, other)
    trial = trainer_of(plan)(other, batches, config, optimizers=optimizers)
    steps = plan.saved + steps_within(trial, plan.minutes, len(corpus.val.tokens))
    steps = min(steps, plan.at_most or steps)
    if plan.own_warmup and steps < config.warmup_steps:
        other = "" if plan.resume else ", or fewer --warmup-steps"
        short = f"{steps} steps, and the learning rate climbs for {config.warmup_steps}"
        raise ValueError(f"--minutes={plan.minutes:g} is enough for {short}; give more minutes{other}")
    fitted = {} if plan.own_warmup else {"warmup_steps": warmup_within(steps, config.warmup_steps)}
    return dataclasses.replace(config, steps=steps, **fitted)


def trainer_of(plan: SimpleNamespace) -> Any:
    """The class that trains: chapter 7's, or chapter 12's for several processes."""
    if plan.peers.size == 1:
        from companion.training import Trainer

        return Trainer

    from functools import partial

    from companion.scaling import DistributedTrainer

    return partial(DistributedTrainer, shard=plan.parallel == "fsdp")


def optimizers_of(plan: SimpleNamespace, model: Any) -> list | None:
    """What train takes for plan.optimizer: None for AdamW, its own; for Muon a list, with AdamW beside it."""
    if plan.optimizer == "adamw":
        return None

    from companion.modern import Muon
    from companion.runtime.optimizers import beside_adamw

    c = plan.train
    return beside_adamw(Muon, model, c.lr, c.betas, c.weight_decay)


def reporter(corpus, plan: SimpleNamespace) -> Any:
    """What train calls at each evaluation."""
    from companion.caching import SlidingCache
    from companion.generation import LanguageModel
    from companion.runtime.reports import Reporter

    return Reporter(lambda model: LanguageModel(model, corpus.tokenizer, SlidingCache), corpus, plan)


def report_train(plan: SimpleNamespace, result: tuple[Any, list[dict]]) -> None:
    from companion.runtime.reports import BEST, best_is_elsewhere

    corpus, history = result
    resume = resuming(plan)
    try:
        if history:
            report_results(plan, corpus, history)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the run is saved, to go on with: {as_typed(*resume)}") from None
    if (history[-1]["step"] if history else 0) < plan.train.steps:
        print(f"\nStopped before step {plan.train.steps:,}. To go on to it:\n\n  {as_typed(*resume)}")
    print(f"\nTo train it for 10 minutes more:\n\n  {as_typed(*resume, '--minutes', 10)}")
    if history:
        best = plan.folder / BEST if best_is_elsewhere(history, plan.folder) else plan.folder
        print("\nTo hear more of it, and to see how it works:\n")
        print(f"  {as_typed('companion', 'generate', '--checkpoint', best, '--prompt', PROMPT)}")
        print("  jupyter lab --notebook-dir=. chapters/00_start.ipynb")


def report_results(plan: SimpleNamespace, corpus, history: list[dict]) -> None:
    """Draw the curve of a run, and print what it came to."""
    from companion import load
    from companion.runtime.reports import print_results
    from companion.show import plots

    lines = reference_lines() if corpus.meta.get("source") == "village" else {}
    plots.save_loss_curve(plan.folder / "loss.png", history, lines)
    print_results(load(plan.folder), plan.folder, corpus, history)


def resuming(plan: SimpleNamespace) -> list:
    """The command that goes on with a run."""
    where = [] if plan.data == VILLAGE else ["--data", plan.data]
    where += [] if plan.folder == RUNS / plan.data.resolve().name else ["--checkpoint", plan.folder]
    where += ["--parallel", "fsdp"] if plan.parallel == "fsdp" else []
    where += ["--resume", *(["--judge", plan.judge] if plan.judge else [])]
    return [*plan.peers.command, "train", *where]


# -- companion generate, info ------------------------------------------------------------------


def add_generate(parser):
    add_model_and_revision(parser)
    add_config(parser)
    parser.add_argument("--prompt", help=f"first words of the text (default: {PROMPT})")
    parser.add_argument("--max-new-tokens", type=MAX_NEW_TOKENS, help="(default: 250)")
    parser.add_argument("--temperature", type=float, help="0 takes the likeliest token (default: 0.8)")
    parser.add_argument("--top-k", type=int, help="draw from the k likeliest tokens only")
    parser.add_argument(
        "--top-p", type=float, help="draw from the likeliest tokens that make up this probability"
    )
    parser.add_argument("--seed", type=int, help="same seed, same text (default: another each time)")
    add_device(parser)


def plan_generate(args, held: ExitStack) -> SimpleNamespace:
    from companion import load

    given = {name: value for name in GENERATION if (value := getattr(args, name)) is not None}
    kinds = {
        "": {"data": str, "init": str} | READERS,
        "model": None,
        "training": None,
        "generation": GENERATION,
    }
    there = read_settings(args.config, kinds)["generation"] if args.config else {}
    drawing = Generation(**there | given)
    check_drawing(drawing)
    teller = load(args.model, device=args.device, revision=args.revision)
    teller.encode(drawing.prompt)
    options = dataclasses.asdict(drawing)
    return SimpleNamespace(teller=teller, prompt=options.pop("prompt"), options=options)


def do_generate(plan: SimpleNamespace) -> None:
    """Print the text as it comes, while somebody reads."""
    print(plan.prompt, end="", flush=True)
    for piece in plan.teller.stream(plan.prompt, **plan.options):
        print(piece, end="", flush=True)
        if not is_read():
            return


def report_generate(plan: SimpleNamespace, result: None) -> None:
    print()


def plan_info(args, held: ExitStack) -> SimpleNamespace:
    from companion import load
    from companion.runtime.models import folder_of, provenance_of

    folder = folder_of(args.model, args.revision)
    provenance = provenance_of(args.model, folder)
    return SimpleNamespace(name=args.model.as_posix(), teller=load(folder, "cpu"), provenance=provenance)


def do_info(plan: SimpleNamespace) -> dict:
    """What there is to say, by title."""
    return {"config": dataclasses.asdict(plan.teller.model.config), "provenance": plan.provenance}


def number_of_weights(model) -> int:
    """The weights of a model, also those that are kept as integers."""
    from companion.quantization import QuantizedLinear

    kept = {part for part in model.modules() if isinstance(part, QuantizedLinear)}  # a tied head once
    return sum(p.numel() for p in model.parameters()) + sum(x.in_features * x.out_features for x in kept)


def report_info(plan: SimpleNamespace, said: dict) -> None:
    model, tokenizer = plan.teller.model, plan.teller.tokenizer
    print(f"{plan.name}: {model.config.architecture}")
    print(f"{number_of_weights(model):,} parameters")
    print(f"{tokenizer.vocab_size:,} tokens in the vocabulary")
    for title, entries in said.items():
        print(f"{title}:")
        for name, value in entries.items():
            print(f"  {name} = {value}")


# -- companion demo ------------------------------------------------------------------


def add_demo(parser):
    from companion.show.demo import PARTS, TEXT

    parts = parser.add_subparsers(
        dest="part", required=True, metavar="part", description=f'on your TEXT (default: "{TEXT}"), one of:'
    )
    for name, show in PARTS.items():
        part = parts.add_parser(name, help=show.__doc__, description=show.__doc__)
        part.add_argument("text", nargs="*", metavar="TEXT", help=f'your sentence (default: "{TEXT}")')
        if name == "attention":
            note = "whose map (default: the head that looks hardest at the next word, or far back)"
            for option in ("--layer", "--head"):
                part.add_argument(option, type=integer(option, 0), help=note)
        else:
            part.set_defaults(layer=None, head=None)
        add_model(part)
        add_device(part)


def plan_demo(args, held: ExitStack) -> SimpleNamespace:
    from companion import load
    from companion.show.demo import PARTS, TEXT, Subject, drawable_signs

    text = " ".join(args.text) if args.text else TEXT
    if not text.strip():
        raise ValueError("TEXT is empty; type a few words, or nothing at all for a sentence of the village")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("TEXT holds bytes that are no UTF-8; type it again")
    teller = load(args.model, device=args.device)
    try:
        tokens = teller.encode(text)
    except ValueError as error:
        raise ValueError(f"TEXT: {error}".replace("TEXT: prompt has", "TEXT has")) from None
    width, signs = shutil.get_terminal_size().columns, drawable_signs(sys.stdout.encoding)
    subject = Subject(teller.model, teller.tokenizer, text, tokens, width, signs, args.layer, args.head)
    return SimpleNamespace(show=PARTS[args.part], subject=subject)


def do_demo(plan: SimpleNamespace) -> list[str]:
    return list(plan.show(plan.subject))


def report_demo(plan: SimpleNamespace, lines: list[str]) -> None:
    print("\n".join(lines))


# -- companion verify ------------------------------------------------------------------


def add_verify(parser):
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        default=Path("gpt2"),
        help="folder, or model of the hub (default: gpt2, 548 MB the first time)",
    )
    parser.add_argument("--revision", help="of the hub's model: branch, tag or commit (default: the newest)")
    parser.add_argument(
        "--against", type=Path, help="what transformers reads (default: the same files as our parts)"
    )


def plan_verify(args, held: ExitStack) -> SimpleNamespace:
    from companion import load
    from companion.runtime import models, verifying

    verifying.peer()
    ours = models.folder_of(args.model, args.revision)
    teller, against = load(ours, device="cpu"), args.against or ours
    if not models.is_public(against):
        rule = (
            "is no folder in Hugging Face's layout, as companion export hf writes it, and no model of the hub"
        )
        raise ValueError(f"transformers cannot read {against}: it {rule}; name one with --against")
    theirs = models.folder_of(against)
    room = max(1, teller.model.config.context_length - verifying.N_TOKENS)
    ids = [*teller.begin, *teller.tokenizer.encode(verifying.PROMPT)][:room]
    return SimpleNamespace(name=args.model.as_posix(), teller=teller, ids=ids, ours=ours, theirs=theirs)


def do_verify(plan: SimpleNamespace) -> list:
    """The three findings."""
    from companion.generation import generate
    from companion.runtime import verifying

    teller, found = plan.teller, [verifying.hash_of_weights(plan.ours, plan.name)]

    def likeliest(rows, n: int):
        cache = teller.make_cache(teller.model.config, len(rows))
        return generate(teller.model, rows, n, temperature=0, cache=cache)

    return [*found, *verifying.compare(teller.model, plan.ids, likeliest, plan.theirs)]


def report_verify(plan: SimpleNamespace, found: list) -> None:
    for finding in found:
        print(f"{ {True: 'right', False: 'WRONG', None: '     '}[finding.right] }  {finding.line}")
    if wrong := sum(finding.right is False for finding in found):
        raise RuntimeError(f"{wrong} of {len(found)} differ, so {plan.name} is another model")


# -- companion ------------------------------------------------------------------


def plan_course(args, held: ExitStack) -> SimpleNamespace:
    return course.plan(args, held, COMMANDS)


COMMANDS = {
    "prepare": Command(
        "a corpus or your own text, as tokens",
        "companion prepare my_letters/",
        *(add_prepare, plan_prepare, do_prepare, report_prepare),
    ),
    "train": Command(
        "a model on prepared text",
        "companion train --minutes 10 --seed 7",
        *(add_train, plan_train, do_train, report_train),
        shared=True,
    ),
    "course": Command(
        "from bytes to an assistant, in four stages",
        "companion course",
        *(course.add, plan_course, course.do, course.report),
    ),
    "generate": Command(
        "text from a prompt",
        'companion generate --prompt "Once" --seed 3',
        *(add_generate, plan_generate, do_generate, report_generate),
    ),
    "eval": Command(
        "loss, perplexity, floor, abilities, tasks",
        "companion eval --split test",
        *(add_eval, plan_eval, do_eval, report_eval),
    ),
    "finetune": Command(
        "a model that goes on learning: a classifier of your texts, answers, or what is rewarded",
        "companion finetune classify --data labelled.csv",
        *(finetuning.add, finetuning.plan, finetuning.do, finetuning.report),
    ),
    "classify": Command(
        "texts, by a classifier that finetune made",
        'companion classify --model runs/classifiers/spam "You have won!"',
        *(classify.add_classify, classify.plan_classify, classify.do_classify, classify.report_classify),
    ),
    "chat": Command(
        "with a model that learned to answer",
        "companion chat --model runs/instructions/village",
        *(chatting.add, chatting.plan, chatting.do, chatting.report),
    ),
    "serve": Command(
        "a model that answers over HTTP, as OpenAI's API does",
        "companion serve --port 8000",
        *(serving.add, serving.plan, serving.do, serving.report),
    ),
    "app": Command(
        "tell, chat, compare and classify in a browser",
        "companion app --models runs",
        *(app_command.add, app_command.plan, app_command.do, app_command.report),
    ),
    "quantize": Command(
        "a model with 8 or 4 bits a weight",
        "companion quantize --bits 4 --calibrate --output runs/small",
        *(quantizing.add, quantizing.plan, quantizing.do, quantizing.report),
    ),
    "info": Command(
        "what a checkpoint is and where it came from",
        "companion info --model runs/village",
        *(add_model_and_revision, plan_info, do_info, report_info),
    ),
    "export": Command(
        "a model for other engines",
        "companion export gguf --output village.gguf",
        *(exporting.add, exporting.plan, exporting.do, exporting.report),
    ),
    "verify": Command(
        "a public model in our parts, against transformers",
        "companion verify gpt2",
        *(add_verify, plan_verify, do_verify, report_verify),
    ),
    "demo": Command(
        "a part of the model at work on your sentence",
        'companion demo attention "Mara found a red key"',
        *(add_demo, plan_demo, do_demo, report_demo),
    ),
}


def overview() -> str:
    """The chapters and the next step."""
    book = Book.read(village.DATA.parent)
    lines = [book.title]
    for part, names in book.parts.items():
        lines += ["", part, *(f"  chapters/{name}.ipynb" for name in names)]
    here = (book.root / "chapters").is_dir()
    place = book.repository or "the folder that this was installed from"
    lines += [
        "",
        "Read them in order:  jupyter lab --notebook-dir=. chapters/00_start.ipynb"
        if here
        else f"The notebooks are no part of an installed package; they are in {place}.",
        f"Train a model:       {as_typed('companion', 'train')}",
        "Exercises end all chapters but 0: write the function, run its cell; check says what is wrong.",
        "",
    ]
    lines += [f"  companion {name:9} {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its status, as `run` has them; without one, show the course."""
    argv = sys.argv[1:] if argv is None else list(argv)
    about = "A small language model, from bytes to a story."
    return run(lambda: carry_out(COMMANDS, argv, about) if argv else print(overview()))
