"""Which models the app offers: those that were in its folders when it started, and those given by name.

A visitor chooses a name of this list. No path ever comes from a browser.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from companion.runtime.files.whole_files import json_object
from companion.runtime.storage.adapters import base_of
from companion.runtime.storage.checkpoints import TOKENIZER, holds_adapter, holds_model
from companion.runtime.storage.classifier_files import HEAD
from companion.runtime.storage.gguf_reader import GGUFFile, is_gguf
from companion.runtime.storage.installed_models import installed_file, is_installable
from companion.runtime.storage.model_names import folder_of, is_public

DEEPEST = 4
"""How far below a given folder models are looked for."""


@dataclass(frozen=True)
class OfferedModel:
    """A model in the list. kind: tells, answers (it was taught to, and tells too) or classifies."""

    name: str
    folder: str
    kind: str
    n_bytes: int

    @property
    def label(self) -> str:
        """Its name and size, as the list shows them."""
        return f"{self.name} ({self.n_bytes / 1e6:,.1f} MB)"


def find_offered(folders: Sequence[Path], names: Sequence[str] = ()) -> list[OfferedModel]:
    """The models in folders, and those of these names, which may be of the hub and are fetched now, once.

    Only what can be loaded without a request is listed: safetensors with their configuration, and adapters
    whose model is a folder here. Raises ValueError for a folder that is not there, and what folder_of raises.
    """
    found: dict[str, OfferedModel] = {}
    for root in folders:
        if not root.is_dir():
            raise ValueError(f"--models={root} is no folder; name one with models in it")
        for folder in folders_below(root):
            if kind := kind_of(folder):
                name = "/".join([root.resolve().name, *folder.relative_to(root).parts])
                name = folder.as_posix() if name in found else name
                found[name] = OfferedModel(name, str(folder), kind, size_of(folder))
    for name in names:
        folder = folder_of(name)
        if kind_of(folder) is None:
            raise ValueError(f"--model={name} holds no model; name a folder with one, or a model of the hub")
        found[name] = OfferedModel(name, str(folder), kind_of(folder), size_of(folder))
    return list(found.values())


def folders_below(root: Path) -> Iterator[Path]:
    """A folder and those below it, in order of their names; hidden ones and links are left out."""
    for place, inner, _ in os.walk(root):
        below = len(Path(place).relative_to(root).parts)
        inner[:] = sorted(name for name in inner if not name.startswith(".")) if below < DEEPEST else []
        yield Path(place)


def kind_of(folder: Path) -> str | None:
    """tells, answers or classifies; None for a folder without a model that can be loaded from here.

    folder: it may be a GGUF file, too.
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
    return "answers" if has_template(folder) or has_template(base) else "tells"


def has_template(folder: Path) -> bool:
    """Whether a model's tokenizer knows how a conversation is written: chapter 16's tokens, or a template."""
    if is_gguf(folder):
        return "tokenizer.chat_template" in GGUFFile(folder).header
    if (folder / "chat_template.jinja").is_file():
        return True
    ours, theirs = json_object(folder / TOKENIZER), json_object(folder / "tokenizer_config.json")
    return "<|assistant|>" in (ours.get("special_tokens") or ()) or bool(theirs.get("chat_template"))


def size_of(folder: Path) -> int:
    """Bytes of the weights in a folder, or of a GGUF file."""
    if folder.is_file():
        return folder.stat().st_size
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


@dataclass(frozen=True)
class Offer:
    """What the app was started with: its models, and the devices to choose from, the first one chosen."""

    models: list[OfferedModel]
    devices: list[str]

    def to_json(self) -> str:
        """As one word of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Offer":
        """What to_json wrote."""
        found = json.loads(text)
        return cls([OfferedModel(**model) for model in found["models"]], found["devices"])

    def of_kind(self, *kinds: str) -> dict[str, OfferedModel]:
        """The models of these kinds, by their labels, in the order of the kinds."""
        return {model.label: model for kind in kinds for model in self.models if model.kind == kind}
