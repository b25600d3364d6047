"""The folders that commands share, and what is said of a --model or a --data that does not fit."""

import re
from pathlib import Path
from typing import Any

from companion import village
from companion.runtime.command_line.options import integer, number
from companion.runtime.command_line.terminal import as_typed

RUNS = Path("runs")  # where train writes unless told otherwise
PREPARED = RUNS / "data"  # where prepare does
VILLAGE = PREPARED / "village"  # the text that train learns from unless told otherwise
SHIPPED = village.DATA / "models" / "village"  # the model that comes with the course
ANSWERER = village.DATA / "models" / "answerer"  # what chapter 16 made of it
MINUTES = number(0, 10**6, "; 0 sets no limit")
JUDGE = integer(0, 10**5)
READERS = {"minutes": MINUTES, "judge": JUDGE}
"""What reads the settings of a run that a file of settings holds as well."""


def open_data(data: Path) -> Any:
    """The Corpus in the folder that --data names. ValueError, with what makes it one, where it is none."""
    from companion.datasets import load_prepared
    from companion.runtime.data.prepared import begun_source, is_prepared

    if not is_prepared(data) and begun_source(data) is None:
        raise ValueError(f"--data={data} {unprepared(data)}")
    try:
        return load_prepared(data)
    except ValueError as error:
        raise ValueError(re.sub("^folder='(.*?)'", r"--data=\1", str(error))) from None


def in_url(host: str) -> str:
    """A host as a URL has it: an address of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def said_of(option: str, error: ValueError) -> str:
    """What load_text found wrong with a text, said of the option that names it."""
    return re.sub("^(name_or_path|folder)=", f"{option}=", str(error))


def unprepared(data: Path) -> str:
    """What a --data is that is no prepared text, and the command that prepares one."""
    from companion.runtime.data.prepared import is_prepared
    from companion.runtime.storage.checkpoints import holds_model
    from companion.runtime.text.documents import CORPORA

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
    what, prepare = "is empty" if data.is_dir() else "is not there", ["companion", "prepare", "my.txt"]
    return f"{what}; prepare a text of yours there: {as_typed(*prepare, '--data', data)}"


def check_answers(name: Path, teller) -> None:
    """ValueError, with what teaches it, for a model whose tokenizer has no chat tokens and no template."""
    from companion.instructions import chat_ids

    if teller.tokenizer.template is None:
        how = as_typed("companion", "finetune", "instructions", "--data", "village")
        raise ValueError(f"--model={name} was not taught to answer; teach it first: {how}")
    chat_ids([{"role": "user", "content": "Hi"}], teller.tokenizer, reply=True)
