"""Models by their names, and loading them: a folder of ours, one in Hugging Face's layout, a GGUF file, a
model of an installed package, or a model of the hub.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from companion import BUILDERS
from companion.caching import SlidingCache, inline
from companion.generation import LanguageModel
from companion.lora import load_adapter, switch
from companion.models.gguf_models import config_and_builder, load_gguf
from companion.models.gguf_reader import GGUFFile, is_gguf
from companion.models.gguf_tokenizers import tokenizer_from_gguf
from companion.modern import INLINED_MODERN
from companion.pretrained import FAMILIES, load_pretrained
from companion.quantization import quantize
from companion.runtime.files.atomic import expand_user, read_json_or_empty
from companion.runtime.models.devices import empty_model, pick_device
from companion.runtime.storage.adapters import base_of
from companion.runtime.storage.checkpoints import (
    ADAPTER,
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    build_empty,
    check_numbers,
    holds_adapter,
    read_config,
    read_model,
)
from companion.runtime.storage.hub import SMALL, find_model, installed_file, is_hub_name, is_installable
from companion.runtime.storage.public_configs import read_shape
from companion.runtime.text.hugging_face import read_tokenizer
from companion.runtime.text.tokenizer import token_bytes, tokenizer_fingerprint
from companion.tokenization import Tokenizer

PROBE = "Dear  Zoë,\n\tit's 1,024 o'clock; we'll sail at 7:30! — naïve 猫 🙂\r\n\n   x=y_z  the'S I'LL"
"""What two tokenizers with the same tokens must cut alike to be the same: letters, digits, marks, spaces."""


def is_public(name: str | Path) -> bool:
    """Return whether a name is of a public model, and not of a folder of ours.

    That is a GGUF file, a model of a package, a folder whose config.json has a model_type, or a hub's name.
    """
    path = expand_user(name)
    if path.is_dir():
        return "model_type" in read_json_or_empty(path / CONFIG)
    return is_gguf(path) or is_installable(name) or is_hub_name(path)


def is_export(folder: Path) -> bool:
    """Return whether a folder holds a public model and nothing else: what an export may replace."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return is_public(folder) and names <= {*SMALL, WEIGHTS}


def folder_of(name: str | Path, revision: str | None = None) -> Path:
    """Return the folder of a model, ours or public, or its GGUF file. A model of the hub is fetched once.

    Raises:
        ValueError: In one line, for a revision of what is on this machine, and as find_model.
        ImportError: For a model whose package is not installed.
    """
    path = expand_user(name)
    if not path.is_dir() and is_installable(name):
        path = installed_file(name)
    if revision is not None or (is_public(path) and not is_gguf(path)):
        return find_model(name, revision)
    return path


def shape_of(folder: Path) -> tuple[Any, Callable]:
    """Return the configuration of the model in a folder or a GGUF file, and its builder. No weight is read.

    Raises:
        ValueError: In one line, for what is missing, damaged or of an unknown kind.
    """
    if is_gguf(folder):
        return config_and_builder(GGUFFile(folder))
    if not is_public(folder):
        config = read_config(folder)["config"]
        return build_empty(config, BUILDERS, folder / CONFIG).config, BUILDERS[config["architecture"]][1]
    kind, fields = read_shape(folder / CONFIG)
    try:
        return FAMILIES[kind].config(**fields), FAMILIES[kind].build
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / CONFIG}: {error}") from None


def trainable_folder(option: str, name: str | Path) -> Path:
    """Return the folder of a model, as folder_of, whose weights are no integers (chapter 19) and can learn.

    Raises:
        ValueError: For a quantized model, and as folder_of. `option` names the model in the message.
    """
    folder = folder_of(name)
    if not is_public(folder) and "quantization" in read_config(folder):
        raise ValueError(f"{option}={folder} is quantized; name the model that it was made of")
    return folder


def provenance_of(name: str | Path, folder: Path) -> dict:
    """Return where a model's weights came from: by its folder or GGUF file, or as origin_of."""
    if is_gguf(folder):
        header = GGUFFile(folder).header
        keys = {"model": "general.name", "licence": "general.license"}
        known = {field: header[key] for field, key in keys.items() if key in header}
        return origin_of(name, folder) | {"file": folder.name} | known
    return origin_of(name, folder) if is_public(folder) else read_config(folder)["provenance"]


def origin_of(name: str | Path, folder: Path) -> dict:
    """Return a model as others begin with it: its name; the hub's commit, or the steps and origin of ours."""
    if is_public(folder):
        more = {"commit": folder.name} if folder.parent.name == "snapshots" else {}
    else:
        before = read_config(folder)["provenance"]
        more = {key: before[key] for key in ("steps", "init") if key in before}
    return {"name": Path(name).as_posix()} | more


# -- models ---------------------------------------------------------------------


def load(name: str | Path, device: str, revision: str | None, fast: bool) -> LanguageModel:
    """Return a model and its tokenizer, as companion.load describes."""
    target = pick_device(device)
    model, tokenizer = read_parts(name, revision)
    inline_known = None
    if fast:
        inline_known = partial(inline, known=INLINED_MODERN)  # called before each text: chapter 9
    return LanguageModel(model.to(target), tokenizer, make_cache=SlidingCache, inline=inline_known)


def read_parts(name: str | Path, revision: str | None) -> tuple[nn.Module, Tokenizer]:
    """Return the model, on the CPU and in evaluation mode, and the tokenizer that a name means."""
    if holds_adapter(name):
        revision = revision or read_json_or_empty(Path(name) / ADAPTER).get("revision")
        model, tokenizer = read_parts(base_of(name), revision)
        switch(model, load_adapter(model, name))
    else:
        model, tokenizer = read_folder(folder_of(name, revision))
    check_numbers(model, name)
    return model, tokenizer


def read_folder(folder: Path) -> tuple[nn.Module, Tokenizer]:
    """Return the model and the tokenizer in a folder or GGUF file, ours or public."""
    if is_gguf(folder):
        return load_gguf(folder)
    if is_public(folder):
        empty_model(*shape_of(folder))  # raises if it does not fit into memory
        return load_pretrained(folder)
    model, tokenizer, _ = read_model(folder, BUILDERS, quantize)
    return model, tokenizer


# -- tokenizers ------------------------------------------------------------------


def tokenizer_of(name: str | Path, kinds: Sequence[str] = ()) -> Tokenizer:
    """Return the tokenizer of a model, ours, public or in a GGUF file; also of a folder with nothing else.

    Args:
        name: The model, or the folder.
        kinds: Other names that --tokenizer accepts, for the message.
    """
    folder = installed_file(name) if is_installable(name) else expand_user(name)
    if is_gguf(folder):
        return tokenizer_from_gguf(GGUFFile(folder).header, folder)
    if is_hub_name(folder):
        folder = find_model(name)
    elif not folder.is_dir():
        known = f"--tokenizer={name} is none of {', '.join(kinds)}," if kinds else f"{name} is"
        raise ValueError(f"{known} no folder, and no model of the hub such as openai-community/gpt2")
    ours = "kind" in read_json_or_empty(folder / TOKENIZER)
    tokenizer = Tokenizer.load(folder / TOKENIZER) if ours else read_tokenizer(folder)
    tokenizer.check_end(folder)
    return tokenizer


def same_tokenizer(a: Any, b: Any) -> bool:
    """Return whether two tokenizers number texts alike: by fingerprint, or, for two kinds, by their tokens.

    GPT-2's, which chapter 1 takes from tiktoken, is the same as that of its folder on the hub.
    """
    if tokenizer_fingerprint(a) == tokenizer_fingerprint(b):
        return True
    first = {i: token_bytes(token) for i, token in a.vocab.items()}
    second = {i: token_bytes(token) for i, token in b.vocab.items()}
    return first == second and a.end == b.end and a.encode(PROBE) == b.encode(PROBE)


def check_prepared_for(name: str | Path, tokenizer: Any, prepared: Any, data: Path) -> None:
    """Raise ValueError, with what helps, where data are of another tokenizer than a model's."""
    if same_tokenizer(tokenizer, prepared):
        return
    name = Path(name).as_posix()
    why = f"--data={data} was prepared with another tokenizer than that of --init={name}"
    raise ValueError(f"{why}; prepare the text again with --tokenizer {name} --overwrite")
