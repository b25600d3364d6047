"""The command line: prepare a text, train on it, let the model tell, measure it.

A thin layer over the functions and dataclasses that the chapters build. torch is imported inside
the commands, so that `companion` and `companion --help` answer at once.
"""

import argparse
import copy
import dataclasses
import itertools
import json
import random
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from companion import village
from companion.book.manifest import Book
from companion.village.measures import gap_left, reference_lines, village_scores

RUNS = Path("runs")
SHIPPED = village.DATA / "models" / "village"
PROMPT = "Once"
STORIES = 20_000
"""What a run of three minutes sees twice. Of the 5,500 that are shipped it would make eight passes."""


@dataclass
class Preset:
    """Model and training fields that differ from the defaults, and the minutes that training may take."""

    help: str
    model: dict
    train: dict
    minutes: float


PRESETS = {
    "village": Preset(
        "1.0M parameters for the village: a story after 3 minutes on two cores",
        {"context_length": 256, "n_layers": 4, "n_heads": 4, "d_model": 128},
        {"steps": 3000, "batch_size": 32, "lr": 3e-3, "min_lr": 1e-4, "warmup_steps": 100, "eval_every": 200},
        2.8,
    ),
    "text": Preset(
        "3M parameters with dropout, for 100 KB to 10 MB of your own text: 15 minutes on two cores",
        {"context_length": 256, "n_layers": 6, "n_heads": 6, "d_model": 192, "dropout": 0.1},
        {"steps": 4000, "batch_size": 8, "lr": 2e-3, "min_lr": 1e-4, "warmup_steps": 100, "eval_every": 250},
        15,
    ),
    "gpu": Preset(
        "25M parameters, for 10 MB and more on a GPU: an hour at most",
        {"context_length": 512, "n_layers": 8, "n_heads": 8, "d_model": 512, "dropout": 0.1},
        {
            "steps": 10000,
            "batch_size": 64,
            "lr": 1e-3,
            "min_lr": 1e-4,
            "warmup_steps": 200,
            "eval_every": 500,
        },
        60,
    ),
}


# -- companion prepare ------------------------------------------------------------------


def add_prepare(parser):
    parser.add_argument(
        "text",
        nargs="+",
        help="village, lamplighter, pydoc, shakespeare, tinystories, or your own files and folders in UTF-8",
    )
    parser.add_argument("--data", type=Path, help="folder to write (default: runs/data/<name of the text>)")
    parser.add_argument("--tokenizer", choices=["bpe", "char", "word"], default="bpe", help="(default: bpe)")
    parser.add_argument(
        "--vocab-size", type=int, help="tokens of the vocabulary (default: by the length of the text)"
    )
    parser.add_argument("--val-fraction", type=float, default=0.1, help="share held out (default: 0.1)")
    parser.add_argument(
        "--stories", type=int, help=f"village only: new stories to train on (default: {STORIES:,})"
    )
    parser.add_argument("--seed", type=int, default=4, help="seed of the new stories (default: 4)")


def run_prepare(args):
    if args.text == ["village"]:
        folder = prepare_village(args.data, STORIES if args.stories is None else args.stories, args.seed)
    elif args.stories is not None:
        raise ValueError(
            f"--stories={args.stories} needs the village, not {' '.join(args.text)}; leave it out"
        )
    else:
        folder = prepare_text(args)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    for split in ("train", "val"):
        n = meta[split]
        print(f"{split:5} {n['n_documents']:>9,} documents {n['n_tokens']:>12,} tokens {n['n_bytes']:>12,} B")
    print(f"Prepared in {folder}, {meta['vocab_size']:,} tokens in the vocabulary. Next:\n")
    preset = "" if args.text == ["village"] else " --preset text"
    print(f"  companion train{preset} --data {folder}")


def prepare_village(folder: Path | None, stories: int = STORIES, seed: int = 4) -> Path:
    """New stories of the village to train on, with the shipped validation split and tokenizer."""
    from companion.datasets import prepare
    from companion.tokenization import Tokenizer

    folder = folder or RUNS / "data" / ("village" if stories == STORIES else f"village-{stories}")
    val, train = village.load_split("val"), fresh_stories(stories, seed)
    tokenizer = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
    prepare(train + val, tokenizer, folder, val_fraction=len(val) / len(train + val), source="village")
    return folder


def fresh_stories(n: int, seed: int) -> list[str]:
    """n new stories, none of them in a shipped split."""
    if n < 1:
        raise ValueError(f"--stories={n} must be at least 1")
    shipped = {text for split in village.SPLITS for text in village.load_split(split)}
    fresh = (village.story(rng).text for rng in itertools.repeat(random.Random(seed)))
    return list(itertools.islice((text for text in fresh if text not in shipped), n))


def prepare_text(args) -> Path:
    from companion.datasets import load_text, prepare
    from companion.tokenization import END_OF_TEXT, BPETokenizer, CharTokenizer, WordTokenizer

    documents = [document for name in args.text for document in load_text(name)]
    folder = args.data or RUNS / "data" / Path(args.text[0]).resolve().stem
    if args.tokenizer == "bpe":
        n_bytes = sum(len(document.encode()) for document in documents)
        tokenizer = BPETokenizer.train(documents, args.vocab_size or min(max(n_bytes // 200, 300), 4096))
    elif args.vocab_size is not None:
        raise ValueError(
            f"--vocab-size={args.vocab_size} is for --tokenizer bpe; {args.tokenizer} takes all there are"
        )
    else:
        kind = {"char": CharTokenizer, "word": WordTokenizer}[args.tokenizer]
        tokenizer = kind.train(documents, special_tokens=(END_OF_TEXT,))
    prepare(documents, tokenizer, folder, args.val_fraction, source=" ".join(args.text))
    return folder


# -- companion train ------------------------------------------------------------------


def add_train(parser):
    from companion.gpt import GPTConfig
    from companion.training import TrainConfig

    presets = "; ".join(f"{name}: {preset.help}" for name, preset in PRESETS.items())
    parser.add_argument("--preset", choices=PRESETS, default="village", help=f"{presets} (default: village)")
    parser.add_argument(
        "--data", type=Path, help="prepared folder (default: the village, prepared when needed)"
    )
    parser.add_argument("--checkpoint", type=Path, help="folder to write (default: runs/<name of the data>)")
    parser.add_argument("--resume", action="store_true", help="go on from the last save in --checkpoint")
    parser.add_argument(
        "--minutes",
        type=float,
        help="train for as many steps as fit; 0: no limit (default: preset's, and at most its steps)",
    )
    parser.add_argument(
        "--judge", type=int, default=0, help="village: stories judged at each evaluation (default: 0)"
    )
    add_fields(parser, TrainConfig, "training", skip=())
    add_fields(parser, GPTConfig, "model", skip=("vocab_size", "context_length"))


def add_fields(parser, config_class, title: str, skip):
    """An option for each field of a config dataclass."""
    group = parser.add_argument_group(title, "default: as the preset says, else as in brackets")
    for field in dataclasses.fields(config_class):
        if field.name in skip:
            continue
        kind = field.type
        if isinstance(kind, types.UnionType):
            kind = next(k for k in typing.get_args(kind) if k is not type(None))
        option, text = "--" + field.name.replace("_", "-"), f"({field.default})"
        if kind is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, help=text)
        elif typing.get_origin(kind) is tuple:
            group.add_argument(option, type=float, nargs=len(typing.get_args(kind)), metavar="X", help=text)
        else:
            group.add_argument(option, type=kind, metavar=kind.__name__.upper(), help=text)


def fields_of(config_class, preset: dict, args) -> dict:
    """The preset's fields, overridden by the options that were given."""
    names = {field.name for field in dataclasses.fields(config_class)}
    given = {name: value for name, value in vars(args).items() if name in names and value is not None}
    return {name: value for name, value in preset.items() if name in names} | given


def run_train(args):
    import matplotlib
    import torch
    from matplotlib import pyplot as plt

    matplotlib.use("Agg")  # the curve goes into a file; no window
    from companion import BUILDERS
    from companion.datasets import load_prepared
    from companion.runtime.devices import check_memory
    from companion.runtime.runs import MOST_MINUTES, check_fit, steps_within
    from companion.show import plots
    from companion.training import TrainConfig, Trainer, train, training_batches

    preset = PRESETS[args.preset]
    minutes = preset.minutes if args.minutes is None else args.minutes
    if not 0 <= minutes <= MOST_MINUTES:
        raise ValueError(f"--minutes={minutes:g} must be from 0 to {MOST_MINUTES:,}; 0 sets no limit")
    data_folder = args.data or RUNS / "data" / "village"
    if args.data is None and not (data_folder / "meta.json").exists():
        print(f"The village tells {STORIES:,} stories to train on; they go into {data_folder} …")
        prepare_village(data_folder)
    corpus = load_prepared(data_folder)
    folder = checkpoint_folder(args, data_folder)
    ours = preset.model | preset.train
    if args.resume:
        ours |= saved_config(folder)
    model_class, build = BUILDERS[ours.get("architecture", "gpt2")]
    model_config = model_class(vocab_size=corpus.tokenizer.vocab_size, **fields_of(model_class, ours, args))
    config = train_config(fields_of(TrainConfig, ours, args), args)
    check_memory(model_config, build, copies=4)
    torch.manual_seed(config.seed)
    model = build(model_config)
    if not args.resume and args.steps is None and minutes > 0:
        check_fit(model, corpus, config)
        trial = Trainer(copy.deepcopy(model), partial(training_batches, corpus.train, config), config)
        steps = steps_within(trial, minutes, len(corpus.val.tokens))
        steps = steps if args.minutes is not None else min(config.steps, steps)
        config = train_config(dataclasses.asdict(config) | {"steps": steps}, args)
    n_parameters = sum(p.numel() for p in model.parameters())
    print(f"{n_parameters:,} parameters, {config.steps:,} steps of {config.batch_size} rows. Ctrl-C saves.")
    report = Reporter(corpus, args.judge)
    history = train(model, corpus, config, folder, args.resume, on_eval=report, progress=True)
    if not history:
        print(
            f"Stopped before the first evaluation. To go on: companion train --checkpoint {folder} --resume"
        )
        return
    lines = reference_lines() if corpus.meta.get("source") == "village" else {}
    plots.use_style()
    figure = plots.loss_curve(history, lines).figure
    figure.savefig(folder / "loss.png")
    plt.close(figure)
    print_results(folder, corpus, history)


def train_config(fields: dict, args):
    """The TrainConfig of these fields; a warm-up that was not asked for is at most half of the run."""
    from companion.training import TrainConfig

    warmup_steps = fields.get("warmup_steps") or 0
    if args.warmup_steps is None and not args.resume and warmup_steps > fields["steps"] // 2:
        fields = fields | {"warmup_steps": None}
    return TrainConfig(**fields)


def checkpoint_folder(args, data_folder: Path) -> Path:
    """Where to train: never over an earlier model, unless to resume it."""
    from companion.runtime.checkpoints import holds_model, holds_run

    folder = args.checkpoint or RUNS / data_folder.resolve().name
    if args.resume:
        return folder
    if args.checkpoint is None:
        number = 2
        while holds_model(folder):
            folder, number = RUNS / f"{data_folder.resolve().name}-{number}", number + 1
    elif holds_model(folder):
        remedy = "add --resume to go on, or " if holds_run(folder) else ""
        raise ValueError(f"--checkpoint={folder} holds a model already; {remedy}name another folder")
    return folder


def saved_config(folder: Path) -> dict:
    from companion.runtime.checkpoints import holds_model, read_config

    if not holds_model(folder):
        raise ValueError(
            f"--checkpoint={folder} has no checkpoint to resume; leave out --resume to start anew"
        )
    saved = read_config(folder)
    settings = saved["provenance"].get("train", {})
    if not isinstance(settings, dict):
        raise ValueError(f"--checkpoint={folder}: its config.json has train={settings!r:.40}; start anew")
    return {name: value for name, value in (saved["config"] | settings).items() if name != "vocab_size"}


class Reporter:
    """Called at each evaluation: prints a line and a sample, and judges stories."""

    def __init__(self, corpus, judged: int):
        self.corpus, self.judged = corpus, judged

    def __call__(self, model, row: dict) -> dict:
        from tqdm.auto import tqdm

        from companion.generation import LanguageModel

        teller = LanguageModel(model, self.corpus.tokenizer)
        is_village = self.corpus.meta.get("source") == "village"
        sample = teller.tell(
            PROMPT if is_village else "", max_new_tokens=200, temperature=0.8, seed=row["step"]
        )
        more = {"sample": sample}
        if self.judged and is_village:
            more |= village_scores(teller, self.judged, seed=row["step"])
        tqdm.write(f"step {row['step']:>6}  loss {row['val']:.3f}  {row['bits_per_byte']:.3f} bits per byte")
        tqdm.write(f"  {sample[:160]}{' …' if len(sample) > 160 else ''}")
        return more


def print_results(folder: Path, corpus, history: list[dict]):
    from companion.generation import load

    teller, last = load(folder), history[-1]
    is_village = corpus.meta.get("source") == "village"
    print(f"\nA story of your model:\n\n  {teller.tell(PROMPT if is_village else '', seed=1)}\n")
    print(f"Loss: {last['bits_per_byte']:.3f} bits per byte on text it has not seen.")
    if is_village:
        lines = reference_lines()
        gap = gap_left(last["bits_per_byte"], lines)
        print(
            f"The floor is {lines['floor']:.3f}; a perfect reader who forgets names reaches"
            f" {lines['forgetful reader']:.3f}. {gap:.0%} of that gap is left."
        )
        print_scores(village_scores(teller, 40, seed=1))
    print(f"\nModel: {folder}   Curve: {folder / 'loss.png'}\n\nNext:")
    print(f'  companion generate --checkpoint {folder} --prompt "{PROMPT}"')
    print("  jupyter lab --notebook-dir=. chapters/00_start.ipynb")


def print_scores(scores: dict):
    if "grammar" not in scores:
        print("No story of it came to an end yet, so there is nothing to judge: train longer.")
        return
    print(f"Grammar: {scores['grammar']:.0%} of sentences are the village's.", end=" ")
    print(f"Memory: {scores['memory']:.0%} of recalled words are right,", end=" ")
    print(f"{scores['consistent']:.0%} of stories hold no contradiction, {scores['flawless']:.0%} no fault.")


# -- companion generate, eval, info ------------------------------------------------------------------


def add_checkpoint(parser):
    parser.add_argument(
        "--checkpoint", type=Path, default=SHIPPED, help="trained folder (default: the shipped model)"
    )


def add_generate(parser):
    add_checkpoint(parser)
    parser.add_argument("--prompt", default=PROMPT, help=f"first words of the text (default: {PROMPT})")
    parser.add_argument("--max-new-tokens", type=int, default=250, help="(default: 250)")
    parser.add_argument(
        "--temperature", type=float, default=0.8, help="0 takes the likeliest token (default: 0.8)"
    )
    parser.add_argument("--top-k", type=int, help="draw from the k likeliest tokens only")
    parser.add_argument(
        "--top-p", type=float, help="draw from the likeliest tokens that make up this probability"
    )
    parser.add_argument("--seed", type=int, help="same seed, same text (default: another each time)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def run_generate(args):
    from companion.generation import load

    teller = load(args.checkpoint, device=args.device)
    options = {
        name: getattr(args, name) for name in ("max_new_tokens", "temperature", "top_k", "top_p", "seed")
    }
    pieces = teller.stream(args.prompt, **options)
    first = next(pieces, "")
    print(args.prompt, first, sep="", end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def add_eval(parser):
    add_checkpoint(parser)
    parser.add_argument("--data", type=Path, help="prepared folder (default: the shipped village)")
    parser.add_argument("--split", choices=["train", "val", "test"], default="val", help="(default: val)")
    parser.add_argument("--stories", type=int, default=100, help="village: stories to judge (default: 100)")
    parser.add_argument("--temperature", type=float, default=0.8, help="of the judged stories (default: 0.8)")
    parser.add_argument("--seed", type=int, default=1, help="of the judged stories (default: 1)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def run_eval(args):
    from companion.datasets import encode_documents, load_prepared
    from companion.generation import load
    from companion.training import evaluate, perplexity

    teller = load(args.checkpoint, device=args.device)
    if args.data is None:
        split, is_village = encode_documents(village.load_split(args.split), teller.tokenizer), True
    elif args.split == "test":
        raise ValueError("--split=test is the shipped village's; a prepared folder has train and val")
    else:
        corpus = load_prepared(args.data)
        split, is_village = getattr(corpus, args.split), corpus.meta.get("source") == "village"
    loss = evaluate(teller.model, split, teller.model.config.context_length)
    print(f"loss {loss.nats_per_token:.4f} nats per token, perplexity {perplexity(loss.nats_per_token):.2f}")
    print(f"{loss.bits_per_byte:.4f} bits per byte", end="")
    if is_village and (args.data is None or args.split == "val"):
        lines = reference_lines(args.split)
        limits = f"floor {lines['floor']:.4f}, forgetful reader {lines['forgetful reader']:.4f}"
        print(f"; {limits}: {gap_left(loss.bits_per_byte, lines):.1%} of the gap left", end="")
    print()
    if is_village and args.stories > 0:
        scores = village_scores(teller, args.stories, args.seed, args.temperature)
        print_scores(scores)
        print(", ".join(f"{name} {value:.3f}" for name, value in scores.items()))


def add_info(parser):
    add_checkpoint(parser)


def run_info(args):
    from companion.training import load_checkpoint

    model, tokenizer, provenance = load_checkpoint(args.checkpoint)
    print(f"{args.checkpoint}: {model.config.architecture}")
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    print(f"{tokenizer.vocab_size:,} tokens in the vocabulary")
    for title, entries in [("config", dataclasses.asdict(model.config)), ("provenance", provenance)]:
        print(f"{title}:")
        for name, value in entries.items():
            print(f"  {name} = {value}")


# -- companion ------------------------------------------------------------------


@dataclass
class Command:
    help: str
    example: str
    add: Callable
    run: Callable


COMMANDS = {
    "prepare": Command(
        "a corpus or your own text, as tokens", "companion prepare my_letters/", add_prepare, run_prepare
    ),
    "train": Command(
        "a model on prepared text", "companion train --preset village --seed 7", add_train, run_train
    ),
    "generate": Command(
        "text from a prompt", 'companion generate --prompt "Once" --seed 3', add_generate, run_generate
    ),
    "eval": Command("loss, perplexity, floor, abilities", "companion eval --split test", add_eval, run_eval),
    "info": Command(
        "what a checkpoint is and where it came from",
        "companion info --checkpoint runs/village",
        add_info,
        run_info,
    ),
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        self.exit(2, f"companion: {message}; see {self.prog} --help\n")


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
    """Run a command; 0 when all went well, 2 for bad input, 1 for what only the run could show."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        print(course())
        return 0
    parser = Parser(prog="companion", description="A small language model, from bytes to a story.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command", parser_class=Parser)
    for name, command in COMMANDS.items():
        child = commands.add_parser(
            name, help=command.help, description=command.help, epilog=f"example: {command.example}"
        )
        if argv[0] == name:
            command.add(child)
    try:
        args = parser.parse_args(argv)
        COMMANDS[args.command].run(args)
    except SystemExit as stop:
        return stop.code or 0
    except (ValueError, TypeError, FileNotFoundError) as error:
        print(f"companion: {error}", file=sys.stderr)
        return 2
    except (OSError, RuntimeError) as error:
        print(f"companion: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(f"companion: {stop or 'stopped'}", file=sys.stderr)
        return 130
    return 0
