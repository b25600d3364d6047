"""Text as tokens on the disk: the folder that `companion prepare` writes and a training reads.

train.bin and val.bin hold raw uint16 tokens, or uint32; train_starts.npy and val_starts.npy say where their
documents begin; tokenizer.json made them; meta.json says how many there are, with fingerprints. The six are
written as a set and opened as a set.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from companion.runtime.checks import as_documents, at_least_one
from companion.runtime.files import COMMITTED, claim, reading, staged
from companion.runtime.fingerprints import tokenizer_fingerprint, tokens_fingerprint
from companion.runtime.texts import end_of_text

FILES = tuple("train.bin train_starts.npy val.bin val_starts.npy tokenizer.json meta.json".split())
WAIT = 600
"""Seconds to wait for another process that prepares a text into the same folder."""
LOOKS = 64
"""Starts at which a folder that is opened is looked up in its tokens: a few pages of a file of any size."""


@dataclass
class Split:
    """One part of a corpus, as tokens.

    tokens: (N,) integers, in memory or memory-mapped: <|endoftext|>, then each document followed by one.
    starts: (documents + 1,) positions of those <|endoftext|>s.
    n_bytes: UTF-8 bytes of the documents, and one for each closing <|endoftext|>.
    """

    tokens: np.ndarray
    starts: np.ndarray
    n_bytes: int

    def __post_init__(self):
        if isinstance(self.tokens, (str, bytes)):
            raise TypeError(f"tokens={self.tokens!r:.40} must be tokens; make them with encode_documents")

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the tokens; of a prepared folder, as its meta.json has it."""
        return tokens_fingerprint(self.tokens)


def row_starts(starts, context_length: int) -> np.ndarray:
    """The starts of a Split, and more of them within long documents: at most context_length tokens apart.

    Raises ValueError for a context_length below 1.
    """
    at_least_one(context_length=context_length)
    pieces = [np.arange(start, end, context_length) for start, end in itertools.pairwise(starts)]
    return np.concatenate([*pieces, starts[-1:]])


@dataclass
class Corpus:
    """What prepare wrote: two splits, their tokenizer, and meta.json."""

    train: Split
    val: Split
    tokenizer: object
    meta: dict


Stream = Callable[[list[str], object], Iterator[np.ndarray]]
"""(documents, tokenizer) -> <|endoftext|>, then the tokens of each document with one more after them."""


def write_prepared(folder: str | Path, parts: dict[str, list[str]], tokenizer, stream: Stream, source: str):
    """Write the documents of "train" and "val" as a folder, a document at a time; return its meta.json.

    A kill at any moment leaves the folder's old data or the new. Another process that writes there is waited
    for; after WAIT seconds a ValueError says so.
    """
    end_of_text(tokenizer)
    parts = {name: as_documents(documents) for name, documents in parts.items()}
    meta = {"source": source, "vocab_size": tokenizer.vocab_size, "dtype": ""}
    meta["tokenizer"] = tokenizer_fingerprint(tokenizer)
    with claim(folder, seconds=WAIT), staged(folder) as new:
        for name, documents in parts.items():
            meta["dtype"], meta[name] = _write_split(new, name, documents, stream(documents, tokenizer))
        tokenizer.save(new / "tokenizer.json")
        (new / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8", newline="\n")
    return meta


def read_prepared(folder: str | Path, load_tokenizer: Callable) -> Corpus:
    """Open a folder that write_prepared wrote; its tokens stay on disk, memory-mapped.

    load_tokenizer: from the path of tokenizer.json to the tokenizer. Raises ValueError, in one line that
    names the file, for a folder without prepared text and for one whose files are missing, damaged, or not of
    one set.
    """
    folder = Path(folder)
    if not _is_prepared(folder):
        raise ValueError(f"folder='{folder}' lacks meta.json; run prepare to make it")
    with reading(folder):
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise ValueError(f"folder='{folder}' lacks {missing[-1]}; run prepare to make it")
        meta = _read_meta(folder / "meta.json")
        splits = [_open_split(folder, name, meta) for name in ("train", "val")]
        tokenizer = load_tokenizer(folder / "tokenizer.json")
    _check_tokenizer(folder, tokenizer, meta, splits)
    return Corpus(*splits, tokenizer, meta)


def prepared_source(folder: str | Path) -> str | None:
    """Where a folder's text is from, as prepare was told; None where no prepared text is."""
    folder = Path(folder)
    if not _is_prepared(folder):
        return None
    with reading(folder):
        try:
            return _read_meta(folder / "meta.json")["source"]
        except (ValueError, FileNotFoundError):
            return None


def _is_prepared(folder: Path) -> bool:
    """Whether a set is in its place or on its way there; asked first, as no other folder is to be locked."""
    meta = folder / "meta.json"
    return meta.exists() or (folder / COMMITTED).exists() or meta.exists()  # it may just have arrived


def _write_split(folder: Path, name: str, documents: list[str], pieces) -> tuple[str, dict]:
    """Write NAME.bin, a piece at a time, and NAME_starts.npy; return the tokens' type and what they hold."""
    lengths, digest = [], hashlib.sha256()
    with open(folder / f"{name}.bin", "wb") as file:
        for piece in pieces:
            file.write(piece.tobytes())
            digest.update(piece)
            lengths.append(len(piece))
    np.save(folder / f"{name}_starts.npy", np.cumsum(lengths) - 1)
    n_bytes = sum(len(document.encode()) + 1 for document in documents)
    about = {"n_tokens": sum(lengths), "n_documents": len(documents), "n_bytes": n_bytes}
    return str(piece.dtype), about | {"sha256": digest.hexdigest()}


def _damaged(path: Path, why) -> ValueError:
    return ValueError(f"{path} is damaged: {why}; run prepare again")


def _read_meta(path: Path) -> dict:
    """meta.json, everything in it that is used being there and of its kind."""
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"no JSON ({type(error).__name__})") from None
    if not isinstance(meta, dict):
        raise _damaged(path, f"{meta!r:.40} is no object")
    if meta.get("dtype") not in ("uint16", "uint32"):
        raise _damaged(path, f"dtype {meta.get('dtype')!r:.40} is neither uint16 nor uint32")
    if not isinstance(meta.setdefault("source", ""), str):
        raise _damaged(path, f"source {meta['source']!r:.40} is no text")
    numbers = {"vocab_size": meta.get("vocab_size")}
    for split in ("train", "val"):
        about = meta.get(split)
        for name in ("n_tokens", "n_documents", "n_bytes"):
            numbers[f"{split}.{name}"] = about.get(name) if isinstance(about, dict) else None
    for name, value in numbers.items():
        if type(value) is not int or value < 1:
            raise _damaged(path, f"{name} {value!r:.40} is no whole number of at least 1")
    return meta


def _open_split(folder: Path, name: str, meta: dict) -> Split:
    """Map the tokens of a split and read its starts, having compared both with meta.json."""
    path, about, dtype = folder / f"{name}.bin", meta[name], np.dtype(meta["dtype"])
    size, expected = path.stat().st_size, about["n_tokens"] * dtype.itemsize
    if size != expected:
        raise _damaged(path, f"{size:,} bytes, and meta.json says {expected:,}")
    starts = _read_starts(folder / f"{name}_starts.npy", about)
    split = Split(np.memmap(path, dtype, mode="r"), starts, about["n_bytes"])
    if isinstance(about.get("sha256"), str):  # data of before have none: it is computed when asked for
        split.fingerprint = about["sha256"]
    return split


def _read_starts(path: Path, about: dict) -> np.ndarray:
    """The (documents + 1,) int64 starts, which must rise from the first token to the last."""
    try:
        starts = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, OverflowError) as error:
        raise _damaged(path, f"no array ({type(error).__name__})") from None
    shape, documents = starts.shape, about["n_documents"]
    if starts.dtype.kind not in "iu" or shape != (documents + 1,):
        rule = f"{documents + 1} whole numbers for the {documents} documents of meta.json"
        raise _damaged(path, f"{starts.dtype} of shape {shape}, and not {rule}")
    starts = starts.astype(np.int64)  # a copy, in memory
    if starts[0] != 0 or starts[-1] != about["n_tokens"] - 1 or (starts[1:] <= starts[:-1]).any():
        raise _damaged(path, f"its starts do not rise from 0 to {about['n_tokens'] - 1:,}, the last token")
    return starts


def _check_tokenizer(folder: Path, tokenizer, meta: dict, splits: list[Split]) -> None:
    """Raises ValueError for a tokenizer that did not make these tokens."""
    path = folder / "tokenizer.json"
    try:
        end = end_of_text(tokenizer)
    except ValueError as error:
        raise _damaged(path, error) from None
    if tokenizer.vocab_size != meta["vocab_size"]:
        sizes = f"{tokenizer.vocab_size:,} tokens, and meta.json says {meta['vocab_size']:,}"
        raise _damaged(path, sizes)
    ours = tokenizer_fingerprint(tokenizer)
    if meta.get("tokenizer", ours) != ours:
        raise _damaged(path, "it is not the tokenizer that meta.json tells of")
    for name, split in zip(("train", "val"), splits, strict=True):
        looks = np.linspace(0, len(split.starts) - 1, LOOKS).astype(np.int64)
        if (split.tokens[split.starts[looks]] != end).any():
            raise _damaged(folder / f"{name}.bin", f"no {end} where {name}_starts.npy says documents begin")
