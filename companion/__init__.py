"""A small GPT and everything around it, written in the chapters of the course and exported from them.

Each chapter's module is imported by its own name, as in ``from companion.tokenization import BPETokenizer``.
The one name that lives here is ``load``: ``companion.load(folder).tell("Once")``.
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Fetch ``load`` on first use, so that importing the package does not import torch."""
    if name == "load":
        from companion.generation import load

        return load
    raise AttributeError(
        f"companion has no {name!r}; import it from its chapter's module, as companion.datasets"
    )
