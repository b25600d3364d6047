"""companion prepare: a corpus, the village, or texts of your own, as tokens."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion import village
from companion.commands import TABLES, add_table
from companion.commands.naming import PREPARED, said_of
from companion.runtime.command_line.options import refuse
from companion.runtime.command_line.terminal import as_typed
from companion.runtime.data.shard_names import SHARDS, find_shards, name_of
from companion.runtime.files.atomic import expand_user
from companion.runtime.files.downloads import HUB

if TYPE_CHECKING:
    from companion.runtime.data.streams import Documents
    from companion.runtime.text.tokenizer import Tokenizer

OURS = ("bpe", "char", "word", "gpt2")  # the tokenizers of chapter 1
STORIES = 40_000
"""More than a run of three minutes draws; some come twice. Of the 5,500 that are shipped, it would draw each
six times."""
LEAST = 1000
"""Characters of a text, of which the usual tokenizer makes a few more tokens than a row of training has."""


def add(parser):
    values = {"shards": ", ".join(SHARDS), "corpora": ", ".join(HUB), "stories": f"{STORIES:,}"}
    add_table(parser, TABLES["prepare"], **values)


@dataclass
class Preparation:
    """What is to be prepared: the village's stories, or documents, with the tokenizer that they get."""

    folder: Path  # the folder to write
    source: str  # where the text is from, as meta.json says it; "village" for the village's stories
    stories: int = STORIES  # of the village, to train on
    seed: int = 4  # of the village's stories
    documents: list[str] | Documents = dataclasses.field(default_factory=list)  # of another text
    tokenizer: str | Tokenizer = "bpe"  # one of OURS, or the tokenizer of a model
    vocab_size: int | None = None  # None: by the length of the text
    val_fraction: float = 0.1
    model: str | None = None  # the model that the tokenizer is of; None for one of OURS
    shards: bool = False  # whether the documents are Documents, which are streamed
    processes: int = 1  # how many tokenize shards


def plan(args, held: ExitStack) -> Preparation:
    from companion.runtime.data.prepared import FILES, begun_source, prepared_source
    from companion.runtime.files.output_folders import check_unused, check_writable

    names = ("stories", "seed", "tokenizer", "vocab_size", "val_fraction", "processes")
    typed = {name: getattr(args, name) for name in names}
    given = {name: value for name, value in typed.items() if value is not None}
    skip = said_once() if args.skip else None
    files = find_shards(args.text, lambda line: print(f"Left out: {line}", file=sys.stderr))
    if not files:
        refuse(
            args, ["column", "documents", "processes"], f"works with shards only, such as {', '.join(SHARDS)}"
        )
    if args.text == ["village"]:
        others = ["tokenizer", "vocab_size", "val_fraction", "skip"]
        refuse(args, others, "works with other texts only; the village is always prepared in the same way")
        stories = given.get("stories", STORIES)
        name = "village" if stories == STORIES else f"village-{stories}"
        plan = Preparation(args.data or PREPARED / name, "village", **given)
    else:
        refuse(args, ["stories", "seed"], f"works with the village only, not with {' '.join(args.text)}")
        plan = plan_shards(args, files, skip, given) if files else plan_text(args, skip, given)
        if plan.tokenizer != "bpe":
            refuse(
                args,
                ["vocab_size"],
                f"works with --tokenizer bpe only; {plan.tokenizer} sets the size itself",
            )
        if plan.tokenizer == "gpt2":
            from companion.runtime.text.tiktoken_encodings import gpt2_tokens

            gpt2_tokens()  # found, or downloaded, before the work
        elif plan.tokenizer not in OURS:
            from companion.runtime.storage.model_names import tokenizer_of
            from companion.tokenization import Tokenizer

            plan.model = plan.tokenizer
            plan.tokenizer = tokenizer_of(plan.model, Tokenizer.load, OURS)
    sources = prepared_source(plan.folder), begun_source(plan.folder)
    if sources == (None, None):
        check_unused("--data", plan.folder, FILES)
    for there in sources:
        if there not in (None, plan.source) and not args.overwrite:
            raise ValueError(
                f"{plan.folder} holds the data of {there}; name another folder with --data, or add"
                " --overwrite"
            )
    check_writable("--data", plan.folder)
    return plan


def said_once() -> Callable[[str], None]:
    """A function that prints what is left out, each line once: shards are read more than once."""
    said = set()

    def say(line: str) -> None:
        if line not in said:
            said.add(line)
            print(f"Left out: {line}", file=sys.stderr)

    return say


def plan_text(args, skip, given: dict) -> Preparation:
    """The preparation of texts that fit into memory."""
    from companion.datasets import hold_out, load_text
    from companion.runtime.text.documents import source_of

    try:
        documents = [document for name in args.text for document in load_text(name, skip=skip)]
    except ValueError as error:
        said = said_of("text", error).replace("choose to skip it", "leave it out with --skip")
        raise ValueError(said.replace("the corpora are", f"the corpora are {', '.join(HUB)},")) from None
    folder = args.data or PREPARED / expand_user(args.text[0]).resolve().stem
    plan = Preparation(folder, source_of(args.text), documents=documents, **given)
    said = f"text={' '.join(args.text)} has"
    length = sum(len(document) for document in documents)
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
    from companion.runtime.data.streams import Documents
    from companion.runtime.files.arguments import number as check_number
    from companion.runtime.text.documents import source_of

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


def do(plan: Preparation) -> dict:
    """Prepare; return what meta.json says."""
    from companion.datasets import prepare

    if plan.source == "village":
        return prepare_village(plan)
    tokenizer = tokenizer_for(plan)
    if plan.shards:
        return write_shards(plan, tokenizer)
    return prepare(plan.documents, tokenizer, plan.folder, plan.val_fraction, source=plan.source)


def prepare_village(plan: Preparation) -> dict:
    """Let the village tell its stories, and prepare them."""
    from companion.datasets import prepare
    from companion.runtime.data.story_processes import Telling
    from companion.tokenization import Tokenizer

    with Telling(plan.stories, plan.seed) as telling:
        train = telling.stories()
        val = village.load_split("val")
    tokenizer = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
    share = len(val) / len(train + val)
    return prepare(train + val, tokenizer, plan.folder, val_fraction=share, source="village")


def tokenizer_for(plan: Preparation) -> Tokenizer:
    """The tokenizer of the plan, trained if need be."""
    from companion.tokenization import END_OF_TEXT, BPETokenizer, CharTokenizer, WordTokenizer

    if not isinstance(plan.tokenizer, str):
        return plan.tokenizer
    if plan.tokenizer == "gpt2":
        return BPETokenizer.gpt2()
    if plan.tokenizer != "bpe":
        kind = {"char": CharTokenizer, "word": WordTokenizer}[plan.tokenizer]
        return kind.train(plan.documents, special_tokens=(END_OF_TEXT,))
    documents = plan.documents
    if plan.shards:
        from companion.runtime.data.large_texts import SAMPLE_BYTES, sample_of

        documents = sample_of(documents, SAMPLE_BYTES)
    return learned(documents, plan.vocab_size)


def write_shards(plan: Preparation, tokenizer: Tokenizer) -> dict:
    """Tokenize the documents of shards."""
    from tqdm import tqdm

    from companion.datasets import token_stream
    from companion.runtime.data.large_texts import write_large
    from companion.tokenization import Tokenizer

    with tqdm(unit="B", unit_scale=True, desc="Tokenizing", leave=False, disable=None) as bar:
        try:
            return write_large(
                *(plan.folder, plan.documents, tokenizer, token_stream, Tokenizer.load),
                source=plan.source,
                val_fraction=plan.val_fraction,
                processes=plan.processes,
                on_batch=bar.update,
            )
        except KeyboardInterrupt:
            said = "stopped; the same command goes on with what is written"
            raise KeyboardInterrupt(said) from None


def learned(documents: list[str], vocab_size: int | None) -> Any:
    """A BPETokenizer of documents; None: as many tokens as suit their length, or as they can give."""
    from companion.runtime.text.tokenizer import TooLarge
    from companion.tokenization import BPETokenizer

    if vocab_size is not None:
        return BPETokenizer.train(documents, vocab_size)
    n_bytes = sum(len(document.encode()) for document in documents)
    try:
        return BPETokenizer.train(documents, min(max(n_bytes // 200, 300), 4096))
    except TooLarge as error:
        return BPETokenizer.train(documents, error.most)


def report(plan: Preparation, meta: dict) -> None:
    for split in ("train", "val"):
        n = meta[split]
        print(f"{split:5} {n['n_documents']:>9,} documents {n['n_tokens']:>12,} tokens {n['n_bytes']:>12,} B")
    if plan.shards:
        from companion.runtime.data.large_texts import counted

        why = f", left out: {counted(meta['left_out'])}" if meta["left_out"] else ""
        print(f"{meta['n_read']:,} documents read{why}")
    print(f"Prepared in {plan.folder}, {meta['vocab_size']:,} tokens in the vocabulary. Next:\n")
    preset = [] if plan.source == "village" else ["--preset", "text"]
    if plan.model:
        from companion.runtime.storage.model_names import has_weights

        preset = ["--init", plan.model] if has_weights(plan.model) else preset
    print(f"  {as_typed('companion', 'train', *preset, '--data', plan.folder)}")
