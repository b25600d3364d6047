"""Text as tokens on the disk: the folder that `companion prepare` writes and a training reads.

train.bin and val.bin hold raw uint16 tokens, or uint32; train_starts.npy and val_starts.npy say where their
documents begin; tokenizer.json made them; meta.json says how many there are, with fingerprints. The six are
written as a set and opened as a set.

Of a large text, shards.py writes numbered files: train-00000.bin, train-00000_starts.npy, the same of val,
and shard-00000.json, which says of them what meta.json says of the whole; and so on. End to end their
tokens are those of one file, and they are opened as one, without being copied.
"""

import contextlib
import hashlib
import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from companion.runtime.data.long_rows import LongRow
from companion.runtime.files.arguments import as_documents, at_least_one
from companion.runtime.files.atomic import claim, staged
from companion.runtime.text.fingerprints import tokenizer_fingerprint, tokens_fingerprint

FILES = tuple("train.bin train_starts.npy val.bin val_starts.npy tokenizer.json meta.json".split())
PARTS, COUNTS = ("train", "val"), ("n_tokens", "n_documents", "n_bytes")
NUMBER = re.compile(r"shard-(\d{5,})\.json")
BEGUN = ".begun"  # the folder, in that of the text, for shards of a text that is not whole yet
WAIT = 600  # seconds to wait for another process that prepares a text into the same folder
LOOKS = 64
"""Starts at which a folder that is opened is looked up in its tokens: a few pages of a file of any size."""


@dataclass
class Split:
    """One part of a corpus, as tokens.

    tokens: (N,) integers, an array in memory or mapped, or a LongRow of several files: <|endoftext|>, then
    each document followed by one.
    starts: (documents + 1,) positions of those <|endoftext|>s.
    n_bytes: UTF-8 bytes of the documents, and one for each closing <|endoftext|>.
    """

    tokens: np.ndarray | LongRow
    starts: np.ndarray
    n_bytes: int

    def __post_init__(self):
        if isinstance(self.tokens, (str, bytes)):
            raise TypeError(f"tokens={self.tokens!r:.40} must be tokens; make them with encode_documents")

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the tokens; of a prepared folder, as its meta.json has it (see sum_of)."""
        return tokens_fingerprint(self.tokens)


def row_starts(starts, context_length: int) -> np.ndarray:
    """The starts of a Split, and more of them within long documents: at most context_length tokens apart.

    Raises ValueError for a context_length below 1.
    """
    at_least_one(context_length=context_length)
    pieces = [np.arange(start, end, context_length) for start, end in itertools.pairwise(starts)]
    return np.concatenate([*pieces, starts[-1:]])


def longest_row(split: Split, context_length: int) -> int:
    """The most tokens of a row when a model learns from a split, or is measured on it (chapter 7).

    A row is a document, or a piece of one; where they have more than context_length tokens on average, a
    window of so many.
    """
    lengths = np.diff(split.starts)
    return min(context_length, int(lengths.max())) if lengths.mean() <= context_length else context_length


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
    tokenizer.check_end()
    parts = {name: as_documents(documents) for name, documents in parts.items()}
    meta = {"source": source, "vocab_size": tokenizer.vocab_size, "dtype": ""}
    meta["tokenizer"] = tokenizer_fingerprint(tokenizer)
    with claim(folder, seconds=WAIT):
        with staged(folder) as new:
            for name, documents in parts.items():
                meta["dtype"], meta[name] = _write_split(new, name, documents, stream(documents, tokenizer))
            tokenizer.save(new / "tokenizer.json")
            (new / "meta.json").write_text(as_json(meta), encoding="utf-8", newline="\n")
        sweep(folder, set(FILES))
    return meta


def as_json(value: dict) -> str:
    """As meta.json is written."""
    return json.dumps(value, indent=1) + "\n"


def sweep(folder: str | Path, names: set[str]) -> None:
    """Remove what is left of other texts that were prepared here: of their files, all but names.

    A file is one of theirs if its shard's json is there, or its starts are: nobody else's is touched.
    """
    folder = Path(folder)
    shutil.rmtree(folder / BEGUN, ignore_errors=True)
    sets = [
        [f"{part}_starts.npy", f"{part}.bin"] for part in PARTS if (folder / f"{part}_starts.npy").is_file()
    ]
    for about in folder.glob("shard-*.json"):
        if NUMBER.fullmatch(about.name) and _is_ours(about):
            sets.append([*shard_files(int(NUMBER.fullmatch(about.name)[1])).values()])
    for path in (folder / name for files in sets for name in files if name not in names):
        with contextlib.suppress(OSError):  # in Windows, one that a training still reads
            path.unlink()


def _is_ours(path: Path) -> bool:
    """Whether this is what write_shards says of a shard."""
    try:
        return {"key", "tokenizer", *PARTS} <= _read_object(path).keys()
    except (ValueError, OSError):
        return False


def shard_files(index: int) -> dict[str, str]:
    """The names of the files of a shard, by what they hold; the one that says what it is comes last."""
    parts = {part: f"{part}-{index:05}.bin" for part in PARTS}
    starts = {f"{part}_starts": f"{part}-{index:05}_starts.npy" for part in PARTS}
    return parts | starts | {"about": f"shard-{index:05}.json"}


def sum_of(abouts: list[dict]) -> dict:
    """What meta.json says of a split, from what is said of its shards.

    Its sha256 is that of the shards' own, as text and end to end, so that no token is read again.
    """
    digest = hashlib.sha256("".join(about["sha256"] for about in abouts).encode()).hexdigest()
    return {name: sum(about[name] for about in abouts) for name in COUNTS} | {"sha256": digest}


def read_prepared(folder: str | Path, load_tokenizer: Callable) -> Corpus:
    """Open a folder that write_prepared wrote; its tokens stay on disk, memory-mapped.

    load_tokenizer: from the path of tokenizer.json to the tokenizer. Raises ValueError, in one line that
    names the file, for a folder without prepared text and for one whose files are missing, damaged, or not of
    one set.
    """
    folder = Path(folder)
    if not is_prepared(folder):
        if (folder / BEGUN).is_dir():
            raise ValueError(f"folder='{folder}' is not prepared to its end; run the same prepare to go on")
        raise ValueError(f"folder='{folder}' lacks meta.json; run prepare to make it")
    _check_there(folder, ["tokenizer.json", "meta.json"])
    meta = _read_meta(folder / "meta.json")
    if "shards" in meta:
        splits = _open_shards(folder, meta)
    else:
        _check_there(folder, FILES)
        splits = [_open_split(folder, name, meta) for name in PARTS]
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    _check_tokenizer(folder, tokenizer, meta, splits)
    return Corpus(*splits, tokenizer, meta)


def prepared_source(folder: str | Path) -> str | None:
    """Where a folder's text is from, as prepare was told; None where no prepared text is."""
    return prepared_meta(folder).get("source")


def prepared_meta(folder: str | Path) -> dict:
    """What a folder's meta.json says; {} where no prepared text is, or it is damaged."""
    folder = Path(folder)
    if not is_prepared(folder):
        return {}
    try:
        return _read_meta(folder / "meta.json")
    except (ValueError, FileNotFoundError):
        return {}


def begun_source(folder: str | Path) -> str | None:
    """Where the text is from of which a folder holds the first shards; None where no shards were begun."""
    for path in sorted((Path(folder) / BEGUN).glob("shard-*.json")):
        with contextlib.suppress(ValueError, OSError, TypeError, KeyError):
            return str(json.loads(path.read_text(encoding="utf-8"))["source"])
    return None


def _check_there(folder: Path, names) -> None:
    """ValueError for a file that is missing."""
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ValueError(f"folder='{folder}' lacks {missing[-1]}; run prepare to make it")


def is_prepared(folder: Path) -> bool:
    """Return whether a folder holds prepared text."""
    return (folder / "meta.json").exists()


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
    meta = _read_object(path)
    if meta.get("dtype") not in ("uint16", "uint32"):
        raise _damaged(path, f"dtype {meta.get('dtype')!r:.40} is neither uint16 nor uint32")
    if not isinstance(meta.setdefault("source", ""), str):
        raise _damaged(path, f"source {meta['source']!r:.40} is no text")
    numbers = {"vocab_size": meta.get("vocab_size"), "shards": meta.get("shards", 1)}
    _check_numbers(path, numbers | _numbers(meta), 1)
    return meta


def _read_object(path: Path) -> dict:
    """A file of JSON that is an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"no JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise _damaged(path, f"{value!r:.40} is no object")
    return value


def _numbers(about: dict) -> dict:
    """What is said of the two splits, by its place."""
    parts = {part: about.get(part) for part in PARTS}
    return {
        f"{part}.{name}": held.get(name) if isinstance(held, dict) else None
        for part, held in parts.items()
        for name in COUNTS
    }


def _check_numbers(path: Path, numbers: dict, least: int) -> None:
    """ValueError for what is no whole number, or one below least."""
    for name, value in numbers.items():
        if type(value) is not int or value < least:
            raise _damaged(path, f"{name} {value!r:.40} is no whole number of at least {least}")


def _open_shards(folder: Path, meta: dict) -> list[Split]:
    """The two splits of a text in numbered files, each compared with what its shard and meta.json say."""
    names = [shard_files(index) for index in range(meta["shards"])]
    _check_there(folder, [name for files in names for name in files.values()])
    abouts = []
    for files in names:
        path = folder / files["about"]
        about = _read_object(path)
        _check_numbers(path, _numbers(about), 0)
        if about.get("tokenizer") != meta.get("tokenizer") or about.get("dtype") != meta["dtype"]:
            raise _damaged(path, "its shard was made with another tokenizer than the others'")
        abouts.append(about)
    return [_open_long(folder, part, meta, names, [about[part] for about in abouts]) for part in PARTS]


def _open_long(folder: Path, part: str, meta: dict, names: list[dict], abouts: list[dict]) -> Split:
    """A split in numbered files."""
    dtype, begin, starts = np.dtype(meta["dtype"]), 0, []
    lengths = [about["n_tokens"] for about in abouts]
    if any(type(about.get("sha256")) is not str for about in abouts) or sum_of(abouts) != meta[part]:
        raise _damaged(folder / "meta.json", f"its shards have another {part} than it tells of")
    for files, about in zip(names, abouts, strict=True):
        _check_size(folder / files[part], about, dtype)
        n_starts = about["n_documents"] + (not starts)  # the first has that of the whole, too
        starts.append(begin + _load_starts(folder / files[f"{part}_starts"], n_starts))
        begin += about["n_tokens"]
    starts = np.concatenate(starts)
    _check_rising(folder / names[0][f"{part}_starts"], starts, begin)
    tokens = LongRow([folder / files[part] for files in names], lengths, dtype)
    split = Split(tokens, starts, meta[part]["n_bytes"])
    split.fingerprint = meta[part]["sha256"]
    return split


def _open_split(folder: Path, name: str, meta: dict) -> Split:
    """Map the tokens of a split and read its starts, having compared both with meta.json."""
    path, about, dtype = folder / f"{name}.bin", meta[name], np.dtype(meta["dtype"])
    _check_size(path, about, dtype)
    starts = _load_starts(folder / f"{name}_starts.npy", about["n_documents"] + 1)
    _check_rising(folder / f"{name}_starts.npy", starts, about["n_tokens"])
    split = Split(np.memmap(path, dtype, mode="r"), starts, about["n_bytes"])
    if isinstance(about.get("sha256"), str):  # data of before have none: it is computed when asked for
        split.fingerprint = about["sha256"]
    return split


def _check_size(path: Path, about: dict, dtype: np.dtype) -> None:
    """ValueError for a file of tokens that is longer or shorter than is said of it."""
    size, expected = path.stat().st_size, about["n_tokens"] * dtype.itemsize
    if size != expected:
        said = "meta.json" if path.stem in PARTS else "its shard's json"
        raise _damaged(path, f"{size:,} bytes, and {said} says {expected:,}")


def _load_starts(path: Path, n: int) -> np.ndarray:
    """The (n,) int64 starts of a file."""
    try:
        starts = np.lib.format.open_memmap(path, mode="r") if n else np.load(path, allow_pickle=False)
    except PermissionError:
        raise
    except (ValueError, OSError, EOFError, OverflowError) as error:
        raise _damaged(path, f"no array ({type(error).__name__})") from None
    if starts.dtype.kind not in "iu" or starts.shape != (n,):
        rule = f"{n} whole numbers, as many as documents begin or end here"
        raise _damaged(path, f"{starts.dtype} of shape {starts.shape}, and not {rule}")
    return starts.astype(np.int64)  # a copy, in memory


def _check_rising(path: Path, starts: np.ndarray, n_tokens: int) -> None:
    """ValueError for starts that do not rise from the first token to the last."""
    if starts[0] != 0 or starts[-1] != n_tokens - 1 or (starts[1:] <= starts[:-1]).any():
        raise _damaged(path, f"its starts do not rise from 0 to {n_tokens - 1:,}, the last token")


def _check_tokenizer(folder: Path, tokenizer, meta: dict, splits: list[Split]) -> None:
    """Raises ValueError for a tokenizer that did not make these tokens."""
    path = folder / "tokenizer.json"
    try:
        end = tokenizer.end
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
