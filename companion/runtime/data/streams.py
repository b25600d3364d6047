"""Text too large for memory or disk: files of many documents, here or on a hub, read one document at a time.

JSON Lines (.jsonl, .jsonl.gz) are read here; Parquet, and corpora of the Hugging Face hub, through the
library `datasets`, which streams: of a file on the hub, only what is being read is here.
"""

import contextlib
import glob
import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from companion.runtime.files.downloads import HUB
from companion.runtime.storage.hub import WAIT, first_line
from companion.runtime.text.documents import NAMED, check_utf8
from companion.runtime.text.tokenizer import whole

INSTALL = "pip install 'datasets==5.2.0'"
BATCH = 1000  # rows of a Parquet file that are read at a time
LONGEST = 2**28  # bytes of a line of JSON Lines; a longer one is no document


@dataclass(frozen=True)
class Documents:
    """The documents of shards, in order, as often as they are iterated over; one is in memory at a time.

    Raises, while it is read, ValueError, in one line that names the file, for what is damaged or no text;
    ConnectionError where the hub cannot be reached; ImportError where `datasets` is needed and missing.
    """

    files: Sequence[str]  # paths of shards, and names of HUB
    column: str = "text"  # the field, or column, that holds the text
    limit: int | None = None  # take so many documents, and no more
    skip: Callable[[str], object] | None = None  # called with a line about each row that is no text

    def __iter__(self) -> Iterator[str]:
        taken = 0
        for file in self.files:
            for place, value in rows(file, self.column):
                if taken == self.limit:
                    return
                if fault := no_text(value):
                    line = f"{place}: {self.column} {fault}"
                    if self.skip is None:
                        raise ValueError(f"{line}; mend it, or skip it with --skip")
                    self.skip(line)
                    continue
                taken += 1
                yield whole(value)

    def check(self) -> None:
        """Open each file, look for the column, and read the first row. ValueError where no file has one."""
        empty = []
        for file in self.files:
            if file in HUB:
                with _table(file, self.column):
                    pass
            elif next(rows(file, self.column), None) is None:
                empty.append(file)
        if len(empty) == len(self.files):
            raise ValueError(f"{', '.join(empty[:NAMED])}: there is no row; name shards with text in them")


def no_text(value) -> str | None:
    """What keeps a value from being a document; None for text."""
    return None if isinstance(value, str) else f"is {value!r:.40}, which is no text"


def rows(file: str, column: str | None = None) -> Iterator[tuple[str, object]]:
    """(where it stands, the value of the column, or else the whole row) for each row of a file, or of HUB."""
    is_parquet = file in HUB or file.lower().endswith(".parquet")
    return _parquet(file, column) if is_parquet else _json_lines(file, column)


def _lacks(place: str, column: str, names) -> ValueError:
    known = ", ".join(map(repr, names)) or "no column at all"
    return ValueError(f"{place} has no column {column!r}; it has {known}: choose one with --column")


def _damaged(place: str, why: object) -> ValueError:
    why = " ".join(str(why).split())
    return ValueError(f"{place} is cut off or damaged ({why:.100}); mend it, or fetch it again")


# -- JSON Lines ------------------------------------------------------------------------


def _json_lines(file: str, column: str | None) -> Iterator[tuple[str, object]]:
    number = 0
    try:
        with (gzip.open if file.lower().endswith(".gz") else open)(file, "rb") as lines:
            while line := lines.readline(LONGEST):
                number += 1
                if not line.strip():
                    continue
                place = f"{file}, line {number:,}"
                if len(line) == LONGEST:
                    raise _damaged(place, f"longer than {LONGEST:,} bytes")
                yield place, _field(line, column, place)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(f"{file}, after line {number:,},", error) from None


def _field(line: bytes, column: str | None, place: str) -> object:
    """The value of a column in a line; the whole row for None."""
    check_utf8(line, place)
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(place, error) from None
    if not isinstance(row, dict):
        raise ValueError(f"{place} is {row!r:.40}, and no object{f' with a {column!r}' if column else ''}")
    if column is None:
        return row
    if column not in row:
        raise _lacks(place, column, row)
    return row[column]


# -- Parquet, and the hub --------------------------------------------------------------


def _parquet(file: str, column: str | None) -> Iterator[tuple[str, object]]:
    """Rows of a Parquet file, or of all those that a name of HUB stands for."""
    with _table(file, column) as table:
        for number, row in enumerate(table, 1):
            yield f"{file}, row {number:,}", row if column is None else row[column]


@contextlib.contextmanager
def _table(file: str, column: str | None) -> Iterator:
    """An iterable of one column of a Parquet file, or of those of a name of HUB; None: of all columns.

    Of a file on the hub it takes the end, which tells of the columns, and then 32 MB at a time.
    """
    library = _library()
    with _quiet(library):
        files = _on_hub(file) if file in HUB else glob.escape(file)
        # Without a batch size the library takes the first group's number of rows, which may be 0.
        options = {"data_files": files, "split": "train", "streaming": True, "batch_size": BATCH}
        try:
            names = library.load_dataset("parquet", **options).column_names
            some = {} if column is None else {"columns": [column]}
            there = column is None or column in names
            yield library.load_dataset("parquet", **some, **options) if there else []
        except (ValueError, OSError) as error:
            raise (_unreachable if file in HUB else _damaged)(file, error) from None
        if not there:
            raise _lacks(file, column, names)


def _on_hub(name: str) -> str:
    """Where the files of a corpus are, at its revision's commit of now. ConnectionError without a hub."""
    import huggingface_hub

    repository, revision, files = HUB[name]
    try:
        commit = huggingface_hub.HfApi().dataset_info(repository, revision=revision, timeout=WAIT).sha
    except Exception as error:  # the library's or its network's own
        raise _unreachable(name, error) from None
    return f"hf://datasets/{repository}@{commit}/{files}"


def _unreachable(name: str, error: Exception) -> ConnectionError:
    rule = "check the network and try again; what is whole is kept"
    return ConnectionError(f"{name} could not be read from the hub ({first_line(error):.120}); {rule}")


def _library():
    """The library datasets. ImportError, in one line, where it is missing."""
    try:
        import datasets
    except ImportError:
        raise ImportError(f"Parquet and corpora of the hub need datasets: {INSTALL}") from None
    return datasets


@contextlib.contextmanager
def _quiet(library) -> Iterator[None]:
    """None of the library's own lines about what is an error here, and none of its bars."""
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub", "fsspec")]
    levels = [logger.level for logger in loggers]
    bars = library.utils.are_progress_bars_disabled()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    library.disable_progress_bars()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if not bars:
            library.enable_progress_bars()
