"""What companion.load does: the model and the tokenizer that a name means."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from torch import nn

from companion.caching import SlidingCache, inline
from companion.generation import LanguageModel
from companion.models.gguf_models import load_gguf
from companion.models.gguf_reader import is_gguf
from companion.models.names import folder_of, is_public, shape_of
from companion.modern import INLINED_MODERN
from companion.pretrained import load_pretrained
from companion.runtime.files.atomic import read_json_or_empty
from companion.runtime.models.devices import check_memory, pick_device
from companion.runtime.storage.adapters import base_of
from companion.runtime.storage.checkpoints import (
    ADAPTER,
    check_numbers,
    holds_adapter,
    read_config,
    read_model,
)
from companion.tokenization import Tokenizer


def load(name: str | Path, device: str, builders: Mapping, revision: str | None, fast: bool) -> LanguageModel:
    """Return a model and its tokenizer, as companion.load describes."""
    target = pick_device(device)
    model, tokenizer = read_parts(name, builders, revision)
    inline_known = None
    if fast:
        inline_known = partial(inline, known=INLINED_MODERN)  # called before each text: chapter 9
    return LanguageModel(model.to(target), tokenizer, make_cache=SlidingCache, inline=inline_known)


def read_parts(name: str | Path, builders: Mapping, revision: str | None) -> tuple[nn.Module, Tokenizer]:
    """Return the model, on the CPU and in evaluation mode, and the tokenizer that a name means."""
    if holds_adapter(name):
        from companion.lora import load_adapter, switch

        revision = revision or read_json_or_empty(Path(name) / ADAPTER).get("revision")
        model, tokenizer = read_parts(base_of(name), builders, revision)
        switch(model, load_adapter(model, name))
    else:
        model, tokenizer = read_folder(folder_of(name, revision), builders)
    check_numbers(model, name)
    return model, tokenizer


def read_folder(folder: Path, builders: Mapping) -> tuple[nn.Module, Tokenizer]:
    """Return the model and the tokenizer in a folder or GGUF file, ours or public."""
    if is_public(folder):
        check_memory(*shape_of(folder))
        return load_gguf(folder) if is_gguf(folder) else load_pretrained(folder)
    quantize: Callable | None = None
    if "quantization" in read_config(folder):
        from companion.quantization import quantize
    model, tokenizer, _ = read_model(folder, builders, Tokenizer.load, quantize)
    return model, tokenizer
