"""Text too large for memory: files of many documents, here or on a hub, read one document at a time.

JSON Lines (.jsonl, .jsonl.gz) are read here; Parquet, and corpora of the Hugging Face hub, through the
library `datasets`, which streams: of a file on the hub, only what is being read is here.
"""

import glob
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from companion.runtime.files.arguments import replace_surrogates
from companion.runtime.files.atomic import expand_user
from companion.runtime.storage.hub import HUB
from companion.runtime.terminal import joined_lines, similar_path
from companion.runtime.text.documents import CORPORA, files_below

SHARDS = (".jsonl", ".jsonl.gz", ".parquet")
INSTALL = "pip install -e '.[hub]'"
BATCH = 1000  # rows of a Parquet file that are read at a time


@dataclass(frozen=True)
class Documents:
    """The documents of shards, in order, as often as they are iterated over; one is in memory at a time.

    Args:
        files: Paths of shards, and names of HUB.
        column: The field, or column, that holds the text.
        limit: How many documents to take; None for all.
        skip: Called with a line about each row that is no text. Without it, such a row is an error.

    Raises:
        ValueError: While it is read, in one line that names the file, for what is damaged or no text.
        ConnectionError: While it is read, if the hub cannot be reached.
    """

    files: Sequence[str]
    column: str = "text"
    limit: int | None = None
    skip: Callable[[str], object] | None = None

    def __iter__(self) -> Iterator[str]:
        taken = 0
        for file in self.files:
            for place, value in rows(file, self.column):
                fault = no_text(value)
                if fault is None:
                    taken += 1
                    yield replace_surrogates(value)
                    if taken == self.limit:
                        return
                elif self.skip is None:
                    raise ValueError(f"{place}: {self.column} {fault}; mend it, or skip it with --skip")
                else:
                    self.skip(f"{place}: {self.column} {fault}")

    def check(self) -> None:
        """Read the first row of each file that is here.

        Raises:
            ValueError: If all files are here and none of them has a row.
        """
        local = [file for file in self.files if file not in HUB]
        empty = [file for file in local if next(rows(file, self.column), None) is None]
        if empty and len(empty) == len(self.files):
            raise ValueError(f"{', '.join(empty[:5])}: there is no row; name shards with text in them")


def no_text(value: Any) -> str | None:
    """Return what keeps a value from being a document; None for text."""
    return None if isinstance(value, str) else f"is {value!r:.40}, which is no text"


def rows(file: str, column: str | None = None) -> Iterator[tuple[str, Any]]:
    """Yield each row of a file, or of HUB: where it stands, and the value of the column, or the whole row."""
    is_parquet = file in HUB or file.lower().endswith(".parquet")
    for number, row in _numbered(file, column, is_parquet):
        place = f"{file}, {'row' if is_parquet else 'line'} {number:,}"
        if not isinstance(row, dict):
            raise ValueError(f"{place} is {row!r:.40}, and no object; mend it")
        if column is not None and column not in row:
            known = ", ".join(map(repr, row)) or "no column at all"
            raise ValueError(f"{place} has no column {column!r}; it has {known:.200}: choose with --column")
        yield place, row if column is None else row[column]


def _numbered(file: str, column: str | None, is_parquet: bool) -> Iterator[tuple[int, Any]]:
    """Yield the rows of a file, or of HUB, each with its number; one line for what cannot be read."""
    number = 0
    try:
        for number, row in parquet(file, column) if is_parquet else json_lines(file):
            yield number, row
    except ImportError:
        raise
    except Exception as error:  # the library's, its network's or its parser's own
        problem = joined_lines(error)
        if file in HUB:
            why = f"could not be read from the hub ({problem})"
            raise ConnectionError(f"{file} {why}; try again later") from None
        if isinstance(error, OSError) and error.strerror:
            raise ValueError(f"{file} cannot be read ({error.strerror}); leave it out") from None
        kind = "Parquet" if is_parquet else "JSON Lines"
        rule = f"is no {kind}, or cut off after row {number:,} ({problem})"
        raise ValueError(f"{file} {rule}; convert it, or fetch it again") from None


def json_lines(file: str) -> Iterator[tuple[int, Any]]:
    """Yield the lines of a file of JSON Lines that are not empty, each with its number."""
    opened = gzip.open if file.lower().endswith(".gz") else open
    with opened(file, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, json.loads(line)


def parquet(file: str, column: str | None) -> Iterator[tuple[int, dict]]:
    """Yield the rows of a Parquet file, or of all those that a name of HUB stands for, with one column."""
    try:
        from datasets import load_dataset
        from huggingface_hub import HfApi
    except ImportError:
        raise ImportError(f"Parquet and corpora of the hub need datasets: {INSTALL}") from None
    files = glob.escape(file)
    if file in HUB:
        repository, revision, names = HUB[file]
        commit = HfApi().dataset_info(repository, revision=revision).sha  # the same in each pass
        files = f"hf://datasets/{repository}@{commit}/{names}"
    options = {"data_files": files, "split": "train", "streaming": True, "batch_size": BATCH}
    names = load_dataset("parquet", **options).column_names
    columns = {} if column not in names else {"columns": [column]}
    yield from enumerate(load_dataset("parquet", **options, **columns), 1)


# -- names ---------------------------------------------------------------------------


def find_shards(names: Sequence[str], leave_out: Callable[[str], object]) -> list[str]:
    """Return the shards that names stand for, in order. The list is empty if no name stands for a shard.

    Args:
        names: Files, folders, patterns such as "part-*.jsonl", and names of HUB. A folder stands for all
            shards below it, by path, without hidden ones.
        leave_out: Called with one line about a folder's files that are no shards.

    Raises:
        ValueError: For a pattern that matches no file, for a shard that is missing, and for names of which
            some stand for shards and some do not.
    """
    shards = []
    others = []
    for name in names:
        if name in HUB:
            shards.append(name)
            continue
        if name in CORPORA or not name.strip():
            others.append(name)
            continue
        for path in _matches(name):
            if is_shard(path) and not path.exists():
                raise ValueError(f"{path} is not there; mend the name")
            found = []
            if path.is_dir():
                found = _below(path, leave_out)
            elif is_shard(path):
                found = [path]
            for shard in found:
                shards.append(str(shard))
            if not found:
                others.append(name)
    if shards and others:
        raise ValueError(f"{others[0]} is no shard ({', '.join(SHARDS)}), {shards[0]} is; prepare them apart")
    return shards


def corpus_name(name: str, first: str) -> str:
    """Return what to call the text of a name: "a" for a.jsonl.gz, "part" for part/*.jsonl.

    Args:
        name: The name of a file, a folder, a pattern, or a name of HUB.
        first: The first file that the name stands for.
    """
    path = expand_user(first if glob.has_magic(name) else name).resolve()
    if glob.has_magic(name):
        path = path.parent
    return path.name if path.is_dir() or name in HUB else path.name.split(".")[0]


def is_shard(path: Path) -> bool:
    """Whether this is named like a file of many documents."""
    return path.name.lower().endswith(SHARDS)


def check_format(path: Path, formats: tuple[str, ...]) -> None:
    """Raise ValueError for a file that is missing, or has none of these formats."""
    if not path.is_file():
        raise ValueError(f"{path} is no file{similar_path(path)}; name one of {', '.join(formats)}")
    if not path.name.lower().endswith(formats):
        raise ValueError(f"{path} is of another format; give {', '.join(formats)}")


def _matches(name: str) -> list[Path]:
    """The path that a name is, or the paths that it stands for as a pattern."""
    path = expand_user(name)
    if not glob.has_magic(name) or path.exists():
        return [path]
    found = sorted(glob.glob(str(path), recursive=True))
    if not found:
        raise ValueError(f"{name} matches no file; mend the pattern")
    return [Path(match) for match in found]


def _below(folder: Path, leave_out: Callable[[str], object]) -> list[Path]:
    """The shards below a folder, by path."""
    files = files_below(folder)
    shards = [path for path in files if is_shard(path)]
    others = [path for path in files if not is_shard(path)]
    if shards and others:
        leave_out(f"what is no shard in {folder} (files: {len(others):,}, such as {others[0].name})")
    return shards
