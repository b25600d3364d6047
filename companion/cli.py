"""The command line: prepare a text, train on it, let the model tell, measure it.

A thin layer over the functions and dataclasses that the chapters build. A command has three steps. *Plan*
finds whatever can be wrong before any work is begun; *do* works; *report* prints what came of it. torch is
imported inside the steps, so that `companion` and `companion --help` answer at once.
"""

import dataclasses
import shutil
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from companion import village
from companion.book.manifest import Book
from companion.runtime.commands import Command, carry_out, run
from companion.runtime.configs import (
    CONFIG,
    GENERATION,
    MAX_NEW_TOKENS,
    Generation,
    check_drawing,
    kinds_of,
    read_settings,
    write_run_settings,
)
from companion.runtime.files import claim
from companion.runtime.options import add_fields, fields_of, integer, names_of, number, refuse, take
from companion.runtime.presets import OPTIMIZERS, PRESETS, Preset
from companion.runtime.telling import Telling
from companion.runtime.terminal import as_typed, is_read
from companion.village.measures import gap_left, reference_lines, village_scores

RUNS = Path("runs")
VILLAGE = RUNS / "data" / "village"
SHIPPED = village.DATA / "models" / "village"
PROMPT = Generation.prompt
MINUTES = number("--minutes", 0, 10**6, "; 0 sets no limit")
JUDGE = integer("--judge", 0, 10**5)
SIZE = ("context_length", "n_layers", "n_heads", "d_model")
"""What one of GPT2_SIZES says; the vocabulary is the data's, and the rest follows or is no matter of size."""
STORIES = 20_000
"""What a run of three minutes sees twice. Of the 5,500 that are shipped it would make eight passes."""
WAIT = 600
"""Seconds to wait for another process that prepares the same text."""


# -- companion prepare ------------------------------------------------------------------


def add_prepare(parser):
    parser.add_argument(
        "text",
        nargs="+",
        help="village, lamplighter, pydoc, shakespeare, tinystories, or your own files and folders in UTF-8",
    )
    parser.add_argument("--data", type=Path, help="folder to write (default: runs/data/<name of the text>)")
    parser.add_argument("--overwrite", action="store_true", help="also over the data of another text")
    parser.add_argument("--skip", action="store_true", help="leave out files that are no UTF-8 text")
    parser.add_argument(
        "--tokenizer", choices=["bpe", "char", "word", "gpt2"], help="gpt2: GPT-2's own (default: bpe)"
    )
    parser.add_argument(
        "--vocab-size",
        type=integer("--vocab-size", 1),
        help="tokens of the vocabulary (default: by the length of the text)",
    )
    parser.add_argument("--val-fraction", type=float, help="share held out (default: 0.1)")
    parser.add_argument(
        "--stories",
        type=integer("--stories", 1, 10**7),
        help=f"village only: new stories to train on (default: {STORIES:,})",
    )
    parser.add_argument(
        "--seed", type=integer("--seed", 0, 10**12), help="village only: seed of the new stories (default: 4)"
    )


@dataclass
class Preparation:
    """What is to be prepared: the village's stories, or documents, with the tokenizer that they get."""

    folder: Path
    source: str
    stories: int = STORIES
    seed: int = 4
    documents: list[str] = dataclasses.field(default_factory=list)
    tokenizer: str = "bpe"
    vocab_size: int | None = None
    val_fraction: float = 0.1


def plan_prepare(args, held: ExitStack) -> Preparation:
    from companion.datasets import hold_out, load_text
    from companion.runtime.encodings import gpt2_tokens
    from companion.runtime.folders import check_writable
    from companion.runtime.prepared import prepared_source
    from companion.runtime.texts import source_of

    names = ("stories", "seed", "tokenizer", "vocab_size", "val_fraction")
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.text == ["village"]:
        others = ["tokenizer", "vocab_size", "val_fraction", "skip"]
        refuse(args, others, "is for other texts; the village comes as it is")
        stories = given.get("stories", STORIES)
        name = "village" if stories == STORIES else f"village-{stories}"
        plan = Preparation(args.data or RUNS / "data" / name, "village", **given)
    else:
        refuse(args, ["stories", "seed"], f"is for the village, not for {' '.join(args.text)}")
        skip = (lambda line: print(f"Left out: {line}", file=sys.stderr)) if args.skip else None
        try:
            documents = [document for name in args.text for document in load_text(name, skip=skip)]
        except ValueError as error:
            raise ValueError(str(error).replace("choose to skip it", "leave it out with --skip")) from None
        folder = args.data or RUNS / "data" / Path(args.text[0]).expanduser().resolve().stem
        plan = Preparation(folder, source_of(args.text), documents=documents, **given)
        hold_out(documents, plan.val_fraction)  # what it refuses is refused before a tokenizer is trained
        if plan.tokenizer != "bpe":
            refuse(args, ["vocab_size"], f"is for --tokenizer bpe; {plan.tokenizer} takes all there are")
        if plan.tokenizer == "gpt2":
            gpt2_tokens()  # found, or downloaded, before the work
    there = prepared_source(plan.folder)
    if there not in (None, plan.source) and not args.overwrite:
        raise ValueError(
            f"{plan.folder} holds the data of {there}; name another folder with --data, or add --overwrite"
        )
    check_writable("--data", plan.folder)
    return plan


def do_prepare(plan: Preparation) -> dict:
    """Prepare; return what meta.json says."""
    from companion.datasets import prepare
    from companion.tokenization import END_OF_TEXT, BPETokenizer, CharTokenizer, Tokenizer, WordTokenizer

    if plan.source == "village":
        with Telling(plan.stories, plan.seed) as telling:
            train, val = telling.stories(), village.load_split("val")
        tokenizer = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
        share = len(val) / len(train + val)
        return prepare(train + val, tokenizer, plan.folder, val_fraction=share, source="village")
    if plan.tokenizer == "bpe":
        n_bytes = sum(len(document.encode()) for document in plan.documents)
        size = min(max(n_bytes // 200, 300), 4096) if plan.vocab_size is None else plan.vocab_size
        tokenizer = BPETokenizer.train(plan.documents, size)
    elif plan.tokenizer == "gpt2":
        tokenizer = BPETokenizer.gpt2()
    else:
        kind = {"char": CharTokenizer, "word": WordTokenizer}[plan.tokenizer]
        tokenizer = kind.train(plan.documents, special_tokens=(END_OF_TEXT,))
    return prepare(plan.documents, tokenizer, plan.folder, plan.val_fraction, source=plan.source)


def report_prepare(plan: Preparation, meta: dict) -> None:
    for split in ("train", "val"):
        n = meta[split]
        print(f"{split:5} {n['n_documents']:>9,} documents {n['n_tokens']:>12,} tokens {n['n_bytes']:>12,} B")
    print(f"Prepared in {plan.folder}, {meta['vocab_size']:,} tokens in the vocabulary. Next:\n")
    preset = [] if plan.source == "village" else ["--preset", "text"]
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
    parser.add_argument("--preset", choices=PRESETS, help=f"{presets} (default: village; modern with Muon)")
    add_config(parser)
    parser.add_argument(
        "--data", type=Path, help="prepared folder (default: the village, prepared when needed)"
    )
    parser.add_argument("--checkpoint", type=Path, help="folder to write (default: runs/<name of the data>)")
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
    parser.add_argument("--architecture", choices=list(BUILDERS), help="(default: gpt2, or the preset's)")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="(default: the preset's)")
    parser.add_argument("--size", choices=list(GPT2_SIZES), help="one of GPT-2's, instead of the preset's")
    add_fields(parser, TrainConfig, "training", skip=set())
    seen = names_of(TrainConfig) | {"vocab_size"}
    for name, (config_class, _) in BUILDERS.items():
        if new := names_of(config_class) - seen:
            add_fields(parser, config_class, f"model, {name}", skip=seen)
            seen |= new


def plan_train(args, held: ExitStack) -> SimpleNamespace:
    from companion import BUILDERS
    from companion.datasets import load_prepared
    from companion.runtime.checkpoints import saved_settings
    from companion.runtime.devices import check_memory, pick_device
    from companion.runtime.folders import check_writable, free_folder, own_folder
    from companion.runtime.prepared import prepared_source
    from companion.runtime.runs import check_fit, warmup_within
    from companion.tokenization import Tokenizer
    from companion.training import TrainConfig

    drawing = take_settings(args)
    preset, data = pick_preset(args), args.data or VILLAGE
    source = prepared_source(data)
    if args.data is None and source not in (None, "village"):
        raise ValueError(f"{data} holds the data of {source}; name a folder with --data")
    corpus = None if args.data is None and source is None else load_prepared(data)
    tokenizer = corpus.tokenizer if corpus else Tokenizer.load(village.DATA / "village" / "tokenizer.json")

    folder = args.checkpoint or RUNS / data.resolve().name
    architecture = args.architecture or (preset.architecture if args.preset else "gpt2")
    ours, saved = preset.model | preset.train | {"optimizer": preset.optimizer}, 0
    if args.resume:
        architecture, there, saved = saved_settings(folder, args.architecture, BUILDERS)
        ours |= there
        if args.optimizer not in (None, there["optimizer"]):
            asked = f"--optimizer={args.optimizer} cannot resume {folder}"
            raise ValueError(f"{asked}, which was trained with {there['optimizer']}; leave it out")
    config_class, build = BUILDERS[architecture]
    for other, _ in BUILDERS.values():
        strange = sorted(names_of(other) - names_of(config_class) - names_of(TrainConfig))
        refuse(args, strange, f"is no option of {architecture}")
    model = config_class(vocab_size=tokenizer.vocab_size, **fields_of(config_class, ours, args))
    settings = fields_of(TrainConfig, ours, args)
    own_warmup = args.resume or args.warmup_steps is not None
    if not own_warmup:
        settings["warmup_steps"] = warmup_within(settings["steps"], settings["warmup_steps"])
    train = TrainConfig(**settings)
    pick_device(train.device)
    check_memory(model, build, copies=4, tokens=train.batch_size * train.context_length)
    model = build(model, meta=True).config  # with what the architecture adds to it
    if corpus:
        check_fit(SimpleNamespace(config=model), corpus, train)
    else:
        check_writable("--data", data)
    minutes, at_most = args.minutes, args.steps
    if minutes is None:
        minutes, at_most = 0 if args.steps or args.resume else preset.minutes, train.steps
    if args.checkpoint or args.resume:
        own_folder(folder, args.resume, held)
    else:
        folder = free_folder(RUNS, data.resolve().name, held)
    return SimpleNamespace(
        **{"folder": folder, "data": data, "resume": args.resume, "saved": saved, "judge": args.judge or 0},
        **{"build": build, "model": model, "train": train, "own_warmup": own_warmup},
        optimizer=args.optimizer or ours["optimizer"],
        **{"minutes": minutes, "at_most": at_most, "drawing": drawing},
        shown_data=None if data == VILLAGE else data.as_posix(),
    )


def pick_preset(args) -> Preset:
    """The preset that was named, or the one whose rates suit the optimizer; ValueError where none does."""
    usual_optimizer = "adamw" if args.architecture in (None, "gpt2") else "muon"
    usual = "village" if (args.optimizer or usual_optimizer) == "adamw" else "modern"
    preset = PRESETS[args.preset or usual]
    if args.optimizer not in (None, preset.optimizer) and args.lr is None and not args.resume:
        raise ValueError(
            f"--optimizer={args.optimizer} needs --lr: preset {args.preset} has one for {preset.optimizer}"
        )
    return preset


def take_settings(args) -> dict:
    """Let --size and then --config stand in for options not given; return the file's [generation]."""
    from companion import BUILDERS
    from companion.gpt import GPT2_SIZES
    from companion.training import TrainConfig

    if args.size:
        if args.architecture not in (None, "gpt2"):
            raise ValueError(f"--size is of gpt2, not of {args.architecture}; leave it out")
        take(args, {name: getattr(GPT2_SIZES[args.size], name) for name in SIZE})
    if not args.config:
        return {}
    model = {"architecture": str}
    for config_class, _ in BUILDERS.values():
        model |= kinds_of(config_class, skip={"vocab_size"})
    kinds = {"": {"data": str, "minutes": MINUTES, "judge": JUDGE}, "model": model, "generation": GENERATION}
    kinds["training"] = kinds_of(TrainConfig, skip=set(model)) | {"optimizer": str}
    found = read_settings(args.config, kinds)
    check_known(args.config, found["model"], "architecture", BUILDERS)
    check_known(args.config, found["training"], "optimizer", OPTIMIZERS)
    if "data" in found[""]:
        found[""]["data"] = Path(found[""]["data"])
    take(args, found[""] | found["model"] | found["training"])
    check_drawing(Generation(**found["generation"]))
    return found["generation"]


def check_known(path: Path, settings: dict, name: str, known: Iterable[str]) -> None:
    """ValueError where the file at path gives a name that is not among the known ones."""
    if name in settings and settings[name] not in known:
        raise ValueError(f"{path}: {name}={settings[name]!r} is not known; there are {', '.join(known)}")


def do_train(plan: SimpleNamespace) -> tuple[Any, list[dict]]:
    """Train; return the corpus and the run's history."""
    import copy
    from functools import partial

    import torch

    from companion.datasets import load_prepared
    from companion.runtime.prepared import prepared_source
    from companion.runtime.runs import steps_within, warmup_within
    from companion.training import Trainer, train, training_batches

    with claim(plan.data, seconds=WAIT):  # of two runs one prepares the village, the other waits
        if prepared_source(plan.data) is None:
            print(f"The village tells {STORIES:,} stories to train on; they go into {plan.data} …")
            do_prepare(Preparation(plan.data, "village", stories=STORIES))
    corpus, config = load_prepared(plan.data), plan.train
    torch.manual_seed(config.seed)
    model = plan.build(plan.model)
    if plan.minutes > 0:
        other = copy.deepcopy(model)
        batches, optimizers = partial(training_batches, corpus.train, config), optimizers_of(plan, other)
        trial = Trainer(other, batches, config, optimizers=optimizers)
        steps = plan.saved + steps_within(trial, plan.minutes, len(corpus.val.tokens))
        steps = min(steps, plan.at_most or steps)
        fitted = {} if plan.own_warmup else {"warmup_steps": warmup_within(steps, config.warmup_steps)}
        config = dataclasses.replace(config, steps=steps, **fitted)
    plan.train = config
    n_parameters = sum(p.numel() for p in model.parameters())
    print(f"{n_parameters:,} parameters, {config.steps:,} steps of {config.batch_size} rows. Ctrl-C saves.")
    report, seen, optimizers = Reporter(corpus, plan), sys.stderr.isatty(), optimizers_of(plan, model)
    history = train(model, corpus, config, plan.folder, plan.resume, report, seen, optimizers)
    write_run_settings(plan)
    return corpus, history


def optimizers_of(plan: SimpleNamespace, model: Any) -> list | None:
    """What train takes for plan.optimizer: None for AdamW, its own; for Muon a list, with AdamW beside it."""
    if plan.optimizer == "adamw":
        return None

    from companion.modern import Muon
    from companion.runtime.optimizers import beside_adamw

    c = plan.train
    return beside_adamw(Muon, model, c.lr, c.betas, c.weight_decay)


class Reporter:
    """Called at each evaluation: prints how it stands and a sample, judges stories, writes the settings."""

    def __init__(self, corpus, plan: SimpleNamespace):
        self.corpus, self.plan = corpus, plan

    def __call__(self, model, row: dict) -> dict:
        from tqdm.auto import tqdm

        from companion.caching import SlidingCache
        from companion.generation import LanguageModel
        from companion.runtime.checkpoints import read_log
        from companion.runtime.reports import evaluation_line, first_rise
        from companion.training import perplexity

        write_run_settings(self.plan)
        teller = LanguageModel(model, self.corpus.tokenizer, SlidingCache)
        is_village = self.corpus.meta.get("source") == "village"
        sample = teller.tell(
            PROMPT if is_village else "", max_new_tokens=200, temperature=0.8, seed=row["step"]
        )
        more = {"sample": sample}
        if self.plan.judge and is_village:
            more |= village_scores(teller, self.plan.judge, seed=row["step"])
        tqdm.write(evaluation_line(row, perplexity(row["val"])))
        shown = " ".join(sample.split())  # in one line, where the text has many
        tqdm.write(f"  {shown[:160]}{' …' if len(shown) > 160 else ''}")
        if said := first_rise(read_log(self.plan.folder), self.plan.folder):
            tqdm.write(said)
        return more


def report_train(plan: SimpleNamespace, result: tuple[Any, list[dict]]) -> None:
    from companion.runtime.reports import BEST, best_is_elsewhere
    from companion.show import plots

    corpus, history = result
    if history:
        lines = reference_lines() if corpus.meta.get("source") == "village" else {}
        plots.save_loss_curve(plan.folder / "loss.png", history, lines)
        print_results(plan.folder, corpus, history)
    where = [] if plan.data == VILLAGE else ["--data", plan.data]
    where += [] if plan.folder == RUNS / plan.data.resolve().name else ["--checkpoint", plan.folder]
    resume = ["companion", "train", *where, "--resume", *(["--judge", plan.judge] if plan.judge else [])]
    if (history[-1]["step"] if history else 0) < plan.train.steps:
        print(f"\nStopped before step {plan.train.steps:,}. To go on to it:\n\n  {as_typed(*resume)}")
    print(f"\nTo train it for 10 minutes more:\n\n  {as_typed(*resume, '--minutes', 10)}")
    if history:
        best = plan.folder / BEST if best_is_elsewhere(history, plan.folder) else plan.folder
        print("\nTo hear more of it, and to see how it works:\n")
        print(f"  {as_typed('companion', 'generate', '--checkpoint', best, '--prompt', PROMPT)}")
        print("  jupyter lab --notebook-dir=. chapters/00_start.ipynb")


def print_results(folder: Path, corpus, history: list[dict]) -> None:
    from companion import load
    from companion.runtime import reports

    teller, last = load(folder), history[-1]
    is_village = corpus.meta.get("source") == "village"
    print(f"\nA story of your model:\n\n  {teller.tell(PROMPT if is_village else '', seed=1)}\n")
    print(reports.what_it_is(last, len(corpus.train.tokens)))
    print(f"Loss: {last['bits_per_byte']:.3f} bits per byte on text it has not seen.")
    if is_village:
        lines = reference_lines()
        gap = gap_left(last["bits_per_byte"], lines)
        print(
            f"The floor is {lines['floor']:.3f}; a perfect reader who forgets names reaches"
            f" {lines['forgetful reader']:.3f}. {gap:.0%} of that gap is left."
        )
        print(reports.gap_means(gap))
        print(reports.scores_line(village_scores(teller, 40, seed=1)))
    else:
        print(reports.bytes_mean(last["bits_per_byte"]))
    if worse := reports.best_is_elsewhere(history, folder):
        print(worse)
    print(f"\nModel: {folder}   Curve: {folder / 'loss.png'}   Settings: {folder / CONFIG}")


# -- companion generate, eval, info ------------------------------------------------------------------


def add_checkpoint(parser):
    parser.add_argument(
        "--checkpoint", type=Path, default=SHIPPED, help="trained folder (default: the shipped model)"
    )


def add_device(parser):
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def add_generate(parser):
    add_checkpoint(parser)
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
    kinds = dict.fromkeys(("", "model", "training")) | {"generation": GENERATION}
    there = read_settings(args.config, kinds)["generation"] if args.config else {}
    drawing = Generation(**there | given)
    check_drawing(drawing)
    teller = load(args.checkpoint, device=args.device)
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


def add_eval(parser):
    add_checkpoint(parser)
    parser.add_argument("--data", type=Path, help="prepared folder (default: the shipped village)")
    parser.add_argument("--split", choices=["train", "val", "test"], default="val", help="(default: val)")
    parser.add_argument(
        "--stories",
        type=integer("--stories", 0, 10**6),
        default=100,
        help="village: stories to judge (default: 100)",
    )
    parser.add_argument("--temperature", type=float, default=0.8, help="of the judged stories (default: 0.8)")
    parser.add_argument("--seed", type=int, default=1, help="of the judged stories (default: 1)")
    add_device(parser)


def plan_eval(args, held: ExitStack) -> SimpleNamespace:
    from companion import load
    from companion.datasets import encode_documents, load_prepared
    from companion.runtime.fingerprints import tokenizer_fingerprint
    from companion.runtime.sampling import check_sampling, seeded

    check_sampling(args.temperature)
    seeded(args.seed)
    if args.data is not None and args.split == "test":
        raise ValueError("--split=test is the shipped village's; a prepared folder has train and val")
    teller = load(args.checkpoint, device=args.device)
    if args.data is None:
        split, is_village = encode_documents(village.load_split(args.split), teller.tokenizer), True
    else:
        corpus = load_prepared(args.data)
        split, is_village = getattr(corpus, args.split), corpus.meta.get("source") == "village"
        if tokenizer_fingerprint(corpus.tokenizer) != tokenizer_fingerprint(teller.tokenizer):
            raise ValueError(
                f"--data={args.data} was prepared with another tokenizer than that of {args.checkpoint}, to"
                " which its tokens are other words; name the data that it was trained on"
            )
    limits = is_village and (args.data is None or args.split == "val")
    judged = args.stories if is_village else 0
    return SimpleNamespace(
        teller=teller, split=split, limits=args.split if limits else None, judged=judged, args=args
    )


def do_eval(plan: SimpleNamespace) -> SimpleNamespace:
    from companion.training import evaluate

    model, args = plan.teller.model, plan.args
    loss = evaluate(model, plan.split, model.config.context_length)
    scores = village_scores(plan.teller, plan.judged, args.seed, args.temperature) if plan.judged else {}
    lines = reference_lines(plan.limits) if plan.limits else {}
    return SimpleNamespace(loss=loss, lines=lines, scores=scores)


def report_eval(plan: SimpleNamespace, result: SimpleNamespace) -> None:
    from companion.runtime.reports import scores_line
    from companion.training import perplexity

    loss, lines = result.loss, result.lines
    print(f"loss {loss.nats_per_token:.4f} nats per token, perplexity {perplexity(loss.nats_per_token):.2f}")
    print(f"{loss.bits_per_byte:.4f} bits per byte", end="")
    if lines:
        limits = f"floor {lines['floor']:.4f}, forgetful reader {lines['forgetful reader']:.4f}"
        print(f"; {limits}: {gap_left(loss.bits_per_byte, lines):.1%} of the gap left", end="")
    print()
    if result.scores:
        print(scores_line(result.scores))
        print(", ".join(f"{name} {value:.3f}" for name, value in result.scores.items()))


def plan_info(args, held: ExitStack) -> Path:
    return args.checkpoint


def do_info(folder: Path) -> tuple:
    from companion import BUILDERS
    from companion.training import load_checkpoint

    return load_checkpoint(folder, BUILDERS)


def report_info(folder: Path, result: tuple) -> None:
    model, tokenizer, provenance = result
    print(f"{folder}: {model.config.architecture}")
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    print(f"{tokenizer.vocab_size:,} tokens in the vocabulary")
    for title, entries in [("config", dataclasses.asdict(model.config)), ("provenance", provenance)]:
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
        add_checkpoint(part)
        add_device(part)


def plan_demo(args, held: ExitStack) -> SimpleNamespace:
    from companion import load
    from companion.show.demo import PARTS, TEXT, Subject, drawable_signs

    text = " ".join(args.text) if args.text else TEXT
    if not text.strip():
        raise ValueError("TEXT is empty; type a few words, or nothing at all for a sentence of the village")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("TEXT holds bytes that are no UTF-8; type it again")
    teller = load(args.checkpoint, device=args.device)
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


# -- companion ------------------------------------------------------------------


COMMANDS = {
    "prepare": Command(
        "a corpus or your own text, as tokens",
        "companion prepare my_letters/",
        *(add_prepare, plan_prepare, do_prepare, report_prepare),
    ),
    "train": Command(
        "a model on prepared text",
        "companion train --preset village --seed 7",
        *(add_train, plan_train, do_train, report_train),
    ),
    "generate": Command(
        "text from a prompt",
        'companion generate --prompt "Once" --seed 3',
        *(add_generate, plan_generate, do_generate, report_generate),
    ),
    "eval": Command(
        "loss, perplexity, floor, abilities",
        "companion eval --split test",
        *(add_eval, plan_eval, do_eval, report_eval),
    ),
    "info": Command(
        "what a checkpoint is and where it came from",
        "companion info --checkpoint runs/village",
        *(add_checkpoint, plan_info, do_info, report_info),
    ),
    "demo": Command(
        "a part of the model at work on your sentence",
        'companion demo attention "Mara found a red key"',
        *(add_demo, plan_demo, do_demo, report_demo),
    ),
}


def course() -> str:
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
        "Train a model:       companion train",
        "Exercises end each chapter: write the function, run its cell, and check says what is wrong and why.",
        "",
    ]
    lines += [f"  companion {name:9} {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its status, as `run` has them; without one, show the course."""
    argv = sys.argv[1:] if argv is None else list(argv)
    about = "A small language model, from bytes to a story."
    return run(lambda: carry_out(COMMANDS, argv, about) if argv else print(course()))
