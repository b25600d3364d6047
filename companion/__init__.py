"""A small GPT and everything around it, written in the chapters of the course and exported from them.

Each chapter's module is imported by its own name, as in ``from companion.tokenization import BPETokenizer``.
What lives here puts them together: ``BUILDERS``, and ``companion.load(folder).tell("Once")``.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

__version__ = "0.1.0"


class Builders(Mapping):
    """Each architecture's name -> (config class, builder), imported when asked for.

    So importing the package, or listing the names, imports no torch.
    """

    def __init__(self, places: dict[str, str]):
        self.places = places

    def __getitem__(self, architecture: str) -> tuple[type, Callable]:
        module, config_class, builder = self.places[architecture].split()
        found = import_module(module)
        return getattr(found, config_class), getattr(found, builder)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


BUILDERS = Builders({"gpt2": "companion.gpt GPTConfig gpt2"})
"""What a checkpoint may be, for loading, resuming and the command line: a module, and two names in it."""


def __getattr__(name: str) -> Any:
    """Fetch ``load`` on first use, so that importing the package does not import torch."""
    if name == "load":
        from companion.generation import load

        return load
    raise AttributeError(
        f"companion has no {name!r}; import it from its chapter's module, as companion.datasets"
    )
