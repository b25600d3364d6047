"""Text as tokens on the disk: the folder that `companion prepare` writes and a training reads.

train.bin and val.bin hold raw uint16 tokens, or uint32, whatever the size of the text; train_starts.npy and
val_starts.npy say where their documents begin; tokenizer.json made them; meta.json says how many there are,
with fingerprints. The six are written as a set and opened as a set.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from companion.runtime.files.arguments import at_least_one, token_row
from companion.runtime.files.atomic import claim, finish_renames, read_json_or_empty, staged
from companion.runtime.terminal import joined_lines, similar_path
from companion.runtime.text.tokenizer import Tokenizer, tokenizer_fingerprint

FILES = ("train.bin", "train_starts.npy", "val.bin", "val_starts.npy", "tokenizer.json", "meta.json")
PARTS = ("train", "val")
BEGUN = ".begun"  # the folder, in that of the text, for files that are not whole yet
STATE = "state.json"  # there: how far a large text is
PIECE = 2**20  # tokens that are read at a time


@dataclass
class Split:
    """One part of a corpus, as tokens.

    Args:
        tokens: (N,) integers, in memory or mapped: <|endoftext|>, then each document followed by one.
        starts: (documents + 1,) positions of those <|endoftext|>s.
        n_bytes: UTF-8 bytes of the documents, and one for each closing <|endoftext|>.
        sha256: Of a prepared folder, the SHA-256 of the tokens that its meta.json has.
    """

    tokens: np.ndarray
    starts: np.ndarray
    n_bytes: int
    sha256: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the tokens; of a prepared folder, as its meta.json has it."""
        return self.sha256 or tokens_fingerprint(self.tokens)


def tokens_fingerprint(tokens) -> str:
    """The SHA-256 of a row of tokens, which for a token file is that of the file."""
    return hashlib.sha256(np.ascontiguousarray(token_row(tokens))).hexdigest()  # a mapped file is not copied


def row_starts(starts, context_length: int) -> np.ndarray:
    """Return the starts of a Split, and more within long documents: at most context_length tokens apart.

    Raises:
        ValueError: If context_length is below 1.
    """
    at_least_one(context_length=context_length)
    pieces = [np.arange(start, end, context_length) for start, end in itertools.pairwise(starts)]
    return np.concatenate([*pieces, starts[-1:]])


@dataclass
class Corpus:
    """What prepare wrote: two splits, their tokenizer, and meta.json."""

    train: Split
    val: Split
    tokenizer: Any
    meta: dict


Stream = Callable[[list[str], Any], Iterator[np.ndarray]]
"""(documents, tokenizer) -> <|endoftext|>, then the tokens of each document with one more after them."""


# -- writing -----------------------------------------------------------------------------


def write_prepared(
    folder: str | Path, parts: dict[str, list[str]], tokenizer: Any, stream: Stream, source: str
) -> dict:
    """Write the documents of "train" and "val" as a folder, a document at a time; return its meta.json.

    A kill at any moment leaves the folder's old data or the new.

    Args:
        folder: Folder to write to.
        parts: The documents of "train" and of "val".
        tokenizer: Any tokenizer that has <|endoftext|>.
        stream: Chapter 2's token_stream.
        source: Where the text is from, for meta.json.

    Raises:
        ValueError: If another process writes there, or the tokenizer has no <|endoftext|>.
    """
    tokenizer.check_end()
    n_bytes = {}
    with claim(folder), staged(folder) as new:
        for name, documents in parts.items():
            with open(new / f"{name}.bin", "wb") as file:
                for piece in stream(documents, tokenizer):
                    file.write(piece)
            n_bytes[name] = sum(len(document.encode()) + 1 for document in documents)
        return finish(new, tokenizer, {"source": source}, n_bytes)


def finish(new: Path, tokenizer: Any, about: dict, n_bytes: dict[str, int]) -> dict:
    """Write what belongs to the tokens in a folder, and return its meta.json.

    Args:
        new: The folder, with train.bin and val.bin.
        tokenizer: What made the tokens.
        about: What else meta.json says.
        n_bytes: Bytes of each part's text.
    """
    dtype = "uint16" if tokenizer.vocab_size <= 2**16 else "uint32"
    meta = about | {"vocab_size": tokenizer.vocab_size, "dtype": dtype}
    meta["tokenizer"] = tokenizer_fingerprint(tokenizer)
    for name in PARTS:
        tokens = np.memmap(new / f"{name}.bin", dtype, mode="r")
        pieces = range(0, len(tokens), PIECE)  # no text becomes the token that ends one
        starts = [place + np.flatnonzero(tokens[place : place + PIECE] == tokenizer.end) for place in pieces]
        starts = np.concatenate(starts)
        np.save(new / f"{name}_starts.npy", starts)
        meta[name] = {"n_tokens": len(tokens), "n_documents": len(starts) - 1, "n_bytes": n_bytes[name]}
        meta[name]["sha256"] = tokens_fingerprint(tokens)
        del tokens  # Windows does not move a file that is mapped
    tokenizer.save(new / "tokenizer.json")
    (new / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8", newline="\n")
    return meta


# -- reading -----------------------------------------------------------------------------


def read_prepared(folder: str | Path) -> Corpus:
    """Open a folder that write_prepared wrote; its tokens stay on disk, memory-mapped.

    Raises:
        ValueError: In one line that names the folder, if it holds no prepared text, or not a whole one.
    """
    folder = Path(folder)
    if not is_prepared(folder):
        if (folder / BEGUN).is_dir():
            raise ValueError(f"folder='{folder}' is not prepared to its end; run the same prepare to go on")
        problem = "holds no prepared text" if folder.exists() else f"is not there{similar_path(folder)}"
        raise ValueError(f"folder='{folder}' {problem}; companion prepare makes it")
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        tokenizer = Tokenizer.load(folder / "tokenizer.json")
        train = open_split(folder, "train", meta)
        val = open_split(folder, "val", meta)
        if tokenizer_fingerprint(tokenizer) != meta["tokenizer"]:
            raise ValueError("tokenizer.json is not the tokenizer that meta.json tells of")
    except PermissionError:  # the file may be undamaged
        raise
    except Exception as error:  # whatever is wrong with one of six files
        rule = f"is damaged, or of an older version ({joined_lines(error, 200)}); prepare it again"
        raise ValueError(f"folder='{folder}' {rule}") from None
    return Corpus(train, val, tokenizer, meta)


def open_split(folder: Path, name: str, meta: dict) -> Split:
    """Map the tokens of a split and read its starts.

    Raises:
        ValueError: If there are fewer or more of them than meta.json says.
    """
    tokens = np.memmap(folder / f"{name}.bin", meta["dtype"], mode="r")
    starts = np.load(folder / f"{name}_starts.npy")
    expected = (meta[name]["n_tokens"], meta[name]["n_documents"])
    if (len(tokens), len(starts) - 1) != expected or starts[-1] != len(tokens) - 1:
        raise ValueError(f"{name}.bin and {name}_starts.npy do not fit meta.json")
    return Split(tokens, starts, meta[name]["n_bytes"], meta[name]["sha256"])


def is_prepared(folder: str | Path) -> bool:
    """Return whether a folder holds a prepared text. What a kill left half renamed is renamed first."""
    finish_renames(folder)
    return (Path(folder) / "meta.json").exists()


def prepared_meta(folder: str | Path) -> dict:
    """Return what a folder's meta.json says; {} where no prepared text is, or it is damaged."""
    return read_json_or_empty(Path(folder) / "meta.json")


def prepared_source(folder: str | Path) -> str | None:
    """Return where a folder's text is from, as prepare was told; None where no prepared text is."""
    return prepared_meta(folder).get("source")


def begun_source(folder: str | Path) -> str | None:
    """Return where the large text is from that was begun in a folder; None where none was."""
    return read_json_or_empty(Path(folder) / BEGUN / STATE).get("source")
