"""companion prepare: a corpus, the village, or texts of your own, as tokens."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from tqdm import tqdm

from companion import village
from companion.cli._parsing import Positional, Range
from companion.cli._shared import (
    PREPARED,
    check_unused,
    check_writable,
    each_once,
    memorized,
    refuse,
    texts_named,
)
from companion.datasets import hold_out, prepare, token_stream
from companion.runtime.data.large_texts import counted, sample_of, write_large
from companion.runtime.data.prepared import FILES, begun_source, prepared_source
from companion.runtime.data.streams import SHARDS, Documents, corpus_name, find_shards
from companion.runtime.files.atomic import expand_user
from companion.runtime.storage.checkpoints import holds_model
from companion.runtime.storage.hub import HUB
from companion.runtime.terminal import as_typed, waiting
from companion.runtime.text.documents import source_of
from companion.runtime.text.merges import TooLarge
from companion.tokenization import END_OF_TEXT, BPETokenizer, CharTokenizer, Tokenizer, WordTokenizer

OURS = ("bpe", "char", "word", "gpt2")  # the tokenizers of chapter 1
ROW = 256  # tokens that the presets of train read at once
STORIES = 40_000
"""More than a run of three minutes draws; some come twice. Of the 5,500 that are shipped, it would draw each
six times."""


@dataclass(kw_only=True)
class Options:
    """Turn a text of yours, or a public one, into tokens to train on.

    Args:
        text: Your own files and folders in UTF-8; or a text by its name: village, lamplighter, pydoc,
            shakespeare or tinystories; or a corpus in shards, which are files that end in .jsonl, .jsonl.gz,
            .parquet, by name, folder or pattern; or a corpus from the hub: fineweb-edu, openwebtext,
            tinystories-all, gutenberg.
        data: Folder to write the tokens to. Default: runs/data/<name of the text>.
        overwrite: Replace the data of another text in that folder.
        skip: Leave out files that are not UTF-8 text, and such rows of shards, instead of stopping there.
        tokenizer: How to cut the text into tokens: bpe, char and word train a tokenizer on it, gpt2 is
            GPT-2's, and the name of a folder or of a model on the hub takes that model's tokenizer. Default:
            bpe.
        vocab_size: Number of tokens in the vocabulary. Default: depends on the length of the text.
        val_fraction: Share of the text that is held out to measure the loss. Default: 0.1; for shards 0.01.
        stories: Village only: number of new stories to train on. Default: 40,000.
        seed: Village only: seed of the new stories. Default: 4.
        column: Shards only: field or column that holds the text. Default: text.
        documents: Shards only: take this many documents from the beginning. Default: all.
        processes: Shards only: number of processes that tokenize (default: 1). If the command is stopped, run
            it again, and it continues with what is written.

    Example:
        companion prepare my_letters/
    """

    text: Annotated[list[str], Positional()]
    data: Path | None = None
    overwrite: bool = False
    skip: bool = False
    tokenizer: str | None = None
    vocab_size: Annotated[int | None, Range(1)] = None
    val_fraction: Annotated[float | None, Range(0.0001, 0.9999)] = None
    stories: Annotated[int | None, Range(1, 10_000_000)] = None
    seed: Annotated[int | None, Range(0, 1_000_000_000_000)] = None
    column: str | None = None
    documents: Annotated[int | None, Range(1)] = None
    processes: Annotated[int | None, Range(1, 1024)] = None


def run(options: Options) -> None:
    left_out = set()

    def leave_out(line: str) -> None:
        if line not in left_out:  # shards are read more than once
            left_out.add(line)
            print(f"Left out: {line}", file=sys.stderr)

    files = find_shards(options.text, leave_out)
    skip = leave_out if options.skip else None
    check_together(options, files)
    folder = options.data
    share = options.val_fraction or 0.1
    documents: Any
    if options.text == ["village"]:
        stories = options.stories or STORIES
        folder = folder or PREPARED / ("village" if stories == STORIES else f"village-{stories}")
        source = "village"
        documents = None
    elif files:
        folder = folder or PREPARED / corpus_name(options.text[0], files[0])
        source, documents = open_shards(options, files, skip)
    else:
        folder = folder or PREPARED / expand_user(options.text[0]).resolve().stem
        source = source_of(options.text)
        documents = []
        for name in options.text:
            documents += texts_named("", name, skip)
        documents = each_once(documents, "documents")
        hold_out(documents, share)  # raises for what is too short
    tokenizer = find_tokenizer(options.tokenizer or "bpe")
    check_folder(folder, source, options.overwrite)

    if documents is None:
        meta = prepare_village(folder, stories, 4 if options.seed is None else options.seed)
    elif files:
        meta = write_shards(options, folder, source, documents, tokenizer)
    else:
        tokenizer = tokenizer or trained(options, documents)
        meta = prepare(documents, tokenizer, folder, share, source=source)
    report(options, folder, meta)


# -- what can be wrong --------------------


def check_together(options: Options, files: list[str]) -> None:
    """Check that the options go with the kind of text and of tokenizer.

    Raises:
        ValueError: If an option works only with another kind, or a text is a table.
    """
    tables = [name for name in options.text if name.lower().endswith((".csv", ".tsv"))]
    if tables:
        rule = "is a table and no text; save its texts as .txt or .jsonl; a CSV with labels is for"
        raise ValueError(f"{tables[0]} {rule} companion finetune classify")
    if not files:
        of_shards = ["column", "documents", "processes"]
        refuse(options, of_shards, f"works with shards only, such as {', '.join(SHARDS)}")
    if options.text == ["village"]:
        others = ["tokenizer", "vocab_size", "val_fraction", "skip"]
        why = "works with other texts only; the village is always prepared in the same way"
        refuse(options, others, why)
        return
    why = f"works with the village only, not with {' '.join(options.text)}"
    refuse(options, ["stories", "seed"], why)
    if options.tokenizer not in (None, "bpe"):
        why = f"works with --tokenizer bpe only; {options.tokenizer} sets the size itself"
        refuse(options, ["vocab_size"], why)
    if files and options.tokenizer in ("char", "word"):
        rule = "needs a text that fits into memory; for shards take bpe, gpt2, or the tokenizer of a model"
        raise ValueError(f"--tokenizer={options.tokenizer} {rule}")


def open_shards(options: Options, files: list[str], skip: Callable | None) -> tuple[str, Documents]:
    """(source, documents) of a text that is streamed. Every file is opened here, and its first row read."""
    documents = Documents(files, options.column or "text", options.documents, skip)
    documents.check()
    source = ", ".join(name if name in HUB else source_of(name) for name in options.text)
    source += f", column {options.column}" if documents.column != "text" else ""
    source += f", the first {options.documents:,} documents" if options.documents else ""
    return source, documents


def find_tokenizer(name: str) -> Tokenizer | None:
    """The tokenizer of a name, which is downloaded if need be; None for one that is to be trained."""
    if name == "gpt2":
        return BPETokenizer.gpt2()
    if name in OURS:
        return None
    from companion.models.names import tokenizer_of  # here, because it imports all models

    return tokenizer_of(name, OURS)


def check_folder(folder: Path, source: str, overwrite: bool) -> None:
    """Check that the data can be written into this folder.

    Raises:
        ValueError: If the folder holds something else, or the data of another text.
    """
    sources = prepared_source(folder), begun_source(folder)
    if sources == (None, None):
        check_unused("--data", folder, FILES)
    for other in sources:
        if other not in (None, source) and not overwrite:
            remedy = "name another folder with --data, or add --overwrite"
            raise ValueError(f"{folder} holds the data of {other}; {remedy}")
    check_writable("--data", folder)


# -- the work --------------------


def prepare_village(folder: Path, stories: int, seed: int = 4) -> dict:
    """Let the village tell its stories, and prepare them; what meta.json says."""
    texts = islice(village.fresh(seed), stories)
    train = list(tqdm(texts, "Making stories", stories, leave=False, unit="story", disable=None))
    val = village.load_split("val")
    tokenizer = Tokenizer.load(village.DATA / "village" / "tokenizer.json")
    share = len(val) / len(train + val)
    with waiting("Turning the stories into tokens"):
        return prepare(train + val, tokenizer, folder, val_fraction=share, source="village")


def trained(options: Options, documents: Any) -> Tokenizer:
    """A tokenizer of documents: as many tokens as are asked for, or suit their length, or they can give."""
    with waiting("Learning the vocabulary"):
        if options.tokenizer in ("char", "word"):
            kind: Any = {"char": CharTokenizer, "word": WordTokenizer}[options.tokenizer]
            return kind.train(documents, special_tokens=(END_OF_TEXT,))
        if options.vocab_size is not None:
            return BPETokenizer.train(documents, options.vocab_size)
        n_bytes = sum(len(document.encode()) for document in documents)
        try:
            return BPETokenizer.train(documents, min(max(n_bytes // 200, 300), 4096))
        except TooLarge as error:
            return BPETokenizer.train(documents, error.most)


def write_shards(options: Options, folder: Path, source: str, documents: Documents, tokenizer: Any) -> dict:
    """Tokenize the documents of shards; what meta.json says."""
    tokenizer = tokenizer or trained(options, sample_of(documents))
    with tqdm(unit="B", unit_scale=True, desc="Tokenizing", leave=False, disable=None) as bar:
        return write_large(
            folder,
            documents,
            tokenizer,
            token_stream,
            source=source,
            val_fraction=options.val_fraction or 0.01,
            processes=options.processes or 1,
            on_batch=bar.update,
        )


def report(options: Options, folder: Path, meta: dict) -> None:
    """Say what was prepared, and which command comes next."""
    for split in ("train", "val"):
        n = meta[split]
        print(f"{split:5} {n['n_documents']:>9,} documents {n['n_tokens']:>12,} tokens {n['n_bytes']:>12,} B")
    if "n_read" in meta:
        why = f", left out: {counted(meta['left_out'])}" if meta["left_out"] else ""
        print(f"{meta['n_read']:,} documents read{why}")
    warning = memorized(meta["train"]["n_bytes"])
    if warning and options.text != ["village"]:
        print(warning)
    prepared = f"Prepared in {folder}, {meta['vocab_size']:,} tokens in the vocabulary."
    if meta["train"]["n_tokens"] <= ROW:
        print(prepared)
        print(f"To train on it, it must have more than {ROW} tokens: add text, and prepare it again.")
        return
    print(f"{prepared} Next:\n")
    preset = [] if options.text == ["village"] else ["--preset", "text"]
    if options.tokenizer not in (None, *OURS):
        from companion.models.names import is_public

        if is_public(options.tokenizer) or holds_model(options.tokenizer):
            preset = ["--init", options.tokenizer]
    print(f"  {as_typed('companion', 'train', *preset, '--data', folder)}")
