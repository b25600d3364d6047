"""Labelled texts: files with a column of texts and one of labels, as CSV, JSON Lines or Parquet."""

import csv
import io
import math
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from companion.runtime.data.streams import check_format, is_shard, no_text, rows
from companion.runtime.files.arguments import replace_surrogates
from companion.runtime.text.documents import decode_utf8

LONGEST = 2**28  # characters of a field of a CSV; Python's own limit is 131,072, and a text may be longer
FORMATS = (".csv", ".jsonl", ".jsonl.gz", ".parquet")


class Labelled(NamedTuple):
    """A text, the name of its class, and where it stands."""

    text: str
    label: str
    place: str


def read_labelled(path: Path, text: str = "text", label: str = "label") -> list[Labelled]:
    """Return the rows of a file, in order. Numbers as labels become text.

    Args:
        path: The file.
        text: Name of the column of texts.
        label: Name of the column of labels.

    Raises:
        ValueError: In one line, for a file that is missing, damaged, without rows or of another format, for a
            missing column, and for a row without a text or a label.
    """
    check_format(path, FORMATS)
    columns = {text: "--column", label: "--label"}
    in_shard = is_shard(path)
    placed = rows(str(path)) if in_shard else _rows(path.read_bytes(), str(path), columns)
    found = []
    for place, row in placed:
        if in_shard:
            _check_columns(place, row, columns)
        mark = row[label]
        if isinstance(mark, (bool, int)) or (isinstance(mark, float) and not math.isnan(mark)):
            mark = str(mark)
        mark = _text(mark, f"{place}: {label}").strip()
        found.append(Labelled(_text(row[text], f"{place}: {text}"), mark, place))
    if not found:
        raise ValueError(f"{path} has no rows; it must have one for each text")
    return found


def columns_of(data: bytes, name: str) -> list[str]:
    """Return the names in the first line of a CSV's bytes.

    Raises:
        ValueError: If the bytes are no text, or the line is empty or no CSV.
    """
    try:
        names = next(csv.reader(io.StringIO(decode_utf8(data, name), newline=""), strict=True), [])
    except csv.Error as error:
        raise ValueError(f"{name}, line 1 is no CSV ({error}); mend its quotes") from None
    if not names:
        raise ValueError(f"{name} has no first line with the names of its columns")
    return names


def read_texts(data: bytes, name: str, column: str, named_by: str) -> list[tuple[str, str]]:
    """Return the texts in a column of a CSV's bytes, each with its place.

    Args:
        data: The bytes of the CSV.
        name: Name of the file, for the places and for error messages.
        column: Name of the column.
        named_by: The option or field that names the column.

    Raises:
        ValueError: For no rows, and for a CSV that cannot be read.
    """
    rows_of_file = _rows(data, name, {column: named_by})
    found = [(_text(row[column], f"{place}: {column}"), place) for place, row in rows_of_file]
    if not found:
        raise ValueError(f"{name} has no rows; it must have one for each text")
    return found


def distinct(found: Sequence[Labelled]) -> list[Labelled]:
    """Return the rows without those whose text came before.

    A text must not be both learned from and asked about. Texts that differ only in spaces and capitals count
    as the same.

    Args:
        found: The rows.

    Raises:
        ValueError: For one text with two labels.
    """
    kept: dict[str, Labelled] = {}
    for row in found:
        first = kept.setdefault(" ".join(row.text.lower().split()), row)
        if first.label != row.label:
            other = f"{first.place} has the same text with {first.label!r}"
            raise ValueError(f"{row.place}: label {row.label!r}, and {other}; decide for one of them")
    return list(kept.values())


def hold_out_by_class(labels: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """(indices to learn from, indices held out), of each class about that share, and at least one of both."""
    by_class: dict[str, list[int]] = defaultdict(list)
    for i, label in enumerate(labels):
        by_class[label].append(i)
    if len(by_class) < 2:
        raise ValueError(f"all {len(labels)} texts have the label {labels[0]!r}; there must be two or more")
    rng = random.Random(seed)
    held: set[int] = set()
    for label in sorted(by_class):
        rows = by_class[label]
        if len(rows) < 2:
            raise ValueError(f"label {label!r} has 1 text, and needs two; add texts, or leave it out")
        n_held = max(1, round(share * len(rows)))
        held |= set(rng.sample(rows, min(n_held, len(rows) - 1)))
    return [i for i in range(len(labels)) if i not in held], sorted(held)


def check_rows_fit(rows: Sequence, places: Sequence[str], longest: int, remedy: str = "shorten it") -> None:
    """Raise ValueError for the first row of tokens that is longer than a model reads."""
    for row, place in zip(rows, places, strict=True):
        if len(row) > longest:
            raise ValueError(f"{place} has {len(row):,} tokens, and the model reads {longest:,}; {remedy}")


# -- formats ------------------------------------------------------------------


def _rows(data: bytes, name: str, columns: Mapping[str, str]) -> Iterator[tuple[str, dict]]:
    """Yield the rows of a CSV's bytes, each with its last line, after a check by _check_columns."""
    csv.field_size_limit(LONGEST)
    reader = csv.DictReader(io.StringIO(decode_utf8(data, name), newline=""), strict=True)
    try:
        names = list(reader.fieldnames or [])
        _check_columns(name, names, columns)
        for column in columns:
            if names.count(column) > 1:
                raise ValueError(f"{name} has the column {column!r} twice; rename one")
        for row in reader:
            place = f"{name}, line {reader.line_num:,}"
            if None in row:
                raise ValueError(f"{place} has more fields than columns; quote its text")
            yield place, row
    except csv.Error as error:
        line = reader.reader.line_num  # reader.line_num is still that of the row before
        raise ValueError(f"{name}, line {line:,} is no CSV ({error}); mend its quotes") from None


def _check_columns(place: str, names: Collection[str], columns: Mapping[str, str]) -> None:
    """Raise ValueError for a column that is missing.

    Args:
        place: Where the columns stand, for the error message.
        names: The columns that are there.
        columns: For each column that must be there, the option or field that names it.
    """
    for column, option in columns.items():
        if column not in names:
            known = ", ".join(map(repr, names)) or "none"
            raise ValueError(f"{place} has no column {column!r}; it has {known:.200}: name it with {option}")


def _text(value: Any, place: str) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ValueError(f"{place} is missing; fill it in, or leave the row out")
    fault = no_text(value)
    if fault:
        raise ValueError(f"{place} {fault}; mend it, or leave the row out")
    return replace_surrogates(value)
