"""Which models the app offers: those in its folders, also new ones, and those given by name.

A visitor chooses a name of this list. No path ever comes from a browser.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from companion import village
from companion.datasets import load_prepared
from companion.models.gguf_reader import GGUFFile, is_gguf
from companion.models.names import is_public
from companion.runtime.data.prepared import prepared_source
from companion.runtime.files.atomic import read_json_or_empty
from companion.runtime.storage.adapters import base_of
from companion.runtime.storage.checkpoints import TOKENIZER, holds_adapter, holds_model
from companion.runtime.storage.classifier_files import HEAD
from companion.runtime.storage.hub import installed_file, is_installable
from companion.village.reasoning import THINK

DEEPEST = 4  # how far below a given folder models are looked for


@dataclass(frozen=True)
class Offer:
    """What the app was started with."""

    folders: list[str]  # in which models are looked for whenever a page is drawn
    named: dict[str, str]  # further models by their names: a folder, or a GGUF file
    devices: list[str]  # to choose from; the first one is chosen


SHIPPED = {
    "village": ("Village storyteller", "tells stories of the village; the model of chapters 1 to 7"),
    "storyteller": ("Modern storyteller", "tells stories of the village; built from the parts of chapter 10"),
    "rewarded": ("Rewarded storyteller", "was rewarded for stories without a contradiction, in chapter 18"),
    "answerer": (
        "Village assistant",
        "tells the story that you order and answers questions about it; chapter 16",
    ),
}
"""The models of the course, by their folders: a plain name, and what the model does."""


@dataclass(frozen=True)
class OfferedModel:
    """A model in the list."""

    name: str  # its folder, as the command line takes it
    folder: str  # its whole path
    kind: str  # "tells", "answers" (it was taught to, and tells too) or "classifies"
    n_bytes: int  # of its weights
    title: str = ""  # a plain name; empty for a model of the reader's, which has the name of its folder
    about: str = ""  # what it does, or how it was made; empty where nothing is known
    source: str = "village"  # where the text is from that it was trained on; "village" where nothing is known

    @property
    def label(self) -> str:
        """Its name, as a page shows it."""
        return self.title or self.name

    @property
    def option(self) -> str:
        """Its name and what it can, as the list shows it."""
        return self.title or f"{self.name} ({self.kind})"

    @property
    def description(self) -> str:
        """What it does and how large it is, in one line."""
        line = "; ".join(filter(None, [self.about, f"{self.n_bytes / 1e6:,.1f} MB"]))
        return line[0].upper() + line[1:]


def described(name: str, folder: Path, kind: str) -> OfferedModel:
    """The entry of a model: a plain name for one of the course, and for others how they were made."""
    title = ""
    about = ""
    if folder.resolve().parent == (village.DATA / "models").resolve():
        title, about = SHIPPED.get(folder.name, ("", ""))
    about = about or made_of(folder, kind)
    source = source_of(folder) or "village"
    return OfferedModel(name, os.path.abspath(folder), kind, size_of(folder), title, about, source)


def made_with(folder: Path) -> dict:
    """What a model of ours notes of how it was made; empty for another."""
    made = {} if is_gguf(folder) else read_json_or_empty(folder / "config.json").get("provenance")
    return made if isinstance(made, dict) else {}


def source_of(folder: Path) -> str:
    """Where the text is from that a model of ours was trained on; empty where it does not say so."""
    data = made_with(folder).get("data")
    return str((data.get("source") if isinstance(data, dict) else data) or "")


def beginnings(source: str, folders: Iterable[str | Path]) -> list[str]:
    """The first words of three sentences of a prepared text.

    Args:
        source: Where the text is from.
        folders: The prepared text is looked for in the folder "data" of each, and beside each.

    Returns:
        The beginnings, or nothing where the text is not found.
    """
    for root in map(Path, folders):
        for folder in [*root.glob("data/*"), *root.parent.glob("data/*")]:
            if prepared_source(folder) == source:
                corpus = load_prepared(folder)
                text = corpus.tokenizer.decode(corpus.train.tokens[:1000].tolist())
                sentences = re.split(r"(?<=[.!?])\s+|\n+", text)[1:]  # the first has a special token
                found = [" ".join(words.split()[:3]) for words in sentences if len(words.split()) > 3]
                return list(dict.fromkeys(found))[:3]
    return []


def made_of(folder: Path, kind: str) -> str:
    """What the files of a model say of it, in a few words; empty where they say nothing."""
    if is_gguf(folder):
        return str(gguf_header(folder).get("general.name") or "a public model")
    if holds_adapter(folder) and kind != "classifies":
        return "an adapter, with the model that it belongs to"
    if kind == "classifies":
        made = made_with(folder)
        return f"sorts texts into: {', '.join(made['classes'][:6])}" if "classes" in made else "a classifier"
    source = source_of(folder)
    if source:
        what = "was taught to answer with" if kind == "answers" else "was trained on"
        text = "stories of the village" if source == "village" else Path(source).name
        return f"{what} {text}"
    return "a public model" if is_public(folder) else ""


def find_offered(folders: Iterable[str | Path], named: Mapping[str, str | Path]) -> list[OfferedModel]:
    """Return the models in folders, and others by their names.

    Only what can be loaded without a request is listed: safetensors with their configuration, GGUF files that
    are named, and adapters whose model is a folder here. A folder that is not there, or not yet, has none.
    """
    found: dict[str, OfferedModel] = {}
    for root in map(Path, folders):
        below = sorted(folders_below(root), key=lambda folder: folder.name != "village")  # which comes first
        for folder in below:
            kind = model_kind(folder)
            if kind:
                name = "/".join([root.resolve().name, *folder.relative_to(root).parts])
                name = folder.as_posix() if name in found else name
                found[name] = described(name, folder, kind)
    for name, place in named.items():
        kind = model_kind(Path(place))
        if kind:
            found[name] = described(name, Path(place), kind)
    return list(found.values())


def of_kind(models: Iterable[OfferedModel], *kinds: str) -> dict[str, OfferedModel]:
    """Return the models of these kinds, by their options, in the order of the kinds."""
    found = {}
    for kind in kinds:
        found |= {model.option: model for model in models if model.kind == kind}
    return found


def folders_below(root: Path) -> Iterator[Path]:
    """A folder and those below it, in order of their names; hidden ones and links are left out."""
    for place, inner, _ in os.walk(root):
        below = len(Path(place).relative_to(root).parts)
        inner[:] = sorted(name for name in inner if not name.startswith(".")) if below < DEEPEST else []
        yield Path(place)


def model_kind(folder: Path) -> str | None:
    """tells, answers or classifies; None for what holds no model that can be loaded from here.

    Chapter 25's models have no kind: they tell no stories, and `companion chat --think` asks them.
    """
    base = folder
    if holds_adapter(folder):
        try:
            name = base_of(folder)
            base = installed_file(name) if is_installable(name) else Path(name)
        except (ValueError, ImportError):
            return None
    if not (is_gguf(base) or holds_model(base) or (is_public(base) and any(base.glob("*.safetensors")))):
        return None
    if (folder / HEAD).is_file():
        return "classifies"
    if THINK in (read_json_or_empty(base / TOKENIZER).get("special_tokens") or ()):
        return None
    return "answers" if has_template(folder) or has_template(base) else "tells"


@cache
def gguf_header(file: Path) -> dict:
    """The header of a GGUF file, which takes half a second to read."""
    return GGUFFile(file).header


def has_template(folder: Path) -> bool:
    """Whether a model's tokenizer knows how a conversation is written: chapter 16's tokens, or a template."""
    if is_gguf(folder):
        return "tokenizer.chat_template" in gguf_header(folder)
    if (folder / "chat_template.jinja").is_file():
        return True
    ours = read_json_or_empty(folder / TOKENIZER)
    theirs = read_json_or_empty(folder / "tokenizer_config.json")
    return "<|assistant|>" in (ours.get("special_tokens") or ()) or bool(theirs.get("chat_template"))


def size_of(folder: Path) -> int:
    """Bytes of the weights in a folder, or of a GGUF file."""
    if folder.is_file():
        return folder.stat().st_size
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
