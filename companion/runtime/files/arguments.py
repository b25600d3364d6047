"""Checks of what callers give. Each raises an error of one line that says what to give instead."""

import operator
import tempfile
from collections.abc import Callable, Collection
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np


def whole_number(name: str, value, least: int = 1, remedy: str = "try 8") -> int:
    """Return the value as an int.

    Args:
        name: Name of the value, for the error message.
        value: The value.
        least: Smallest allowed value.
        remedy: End of the error message, which says what to do.

    Raises:
        TypeError: If the value is no whole number.
        ValueError: If the value is below least.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r:.40} must be a whole number; {remedy}") from None
    if value < least:
        raise ValueError(f"{name}={value} must be at least {least}; {remedy}")
    return value


def number(name: str, value, rule: str, holds: Callable) -> None:
    """Raise TypeError if the value is no real number, ValueError unless holds(value)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r:.40} must be {rule}")
    if not holds(value):
        raise ValueError(f"{name}={value} must be {rule}")


def at_least_one(**values: int) -> None:
    """Raise ValueError if a value is below 1, TypeError if it is no whole number."""
    for name, value in values.items():
        whole_number(name, value)


def at_most(name: str, value: int, limit: str, most: int) -> None:
    """Raise ValueError unless 1 <= value <= most, TypeError unless both are whole numbers."""
    if whole_number(name, value) > whole_number(limit, most):
        raise ValueError(f"{name}={value} must be at most {limit}={most}; lower it")


SMALLEST_TEMPERATURE = 1e-30
"""Logits up to hundreds of millions, divided by this, are still numbers in float32."""


def check_sampling(
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    previous: Any = (),
) -> None:
    """Check the settings of sampling.

    Args:
        temperature: 0, or a number of at least SMALLEST_TEMPERATURE.
        top_k: None, or a whole number of at least 1.
        top_p: None, or a number above 0 and at most 1.
        repetition_penalty: A number from 1 to 1,000.
        previous: The tokens that a repetition penalty is for. None means that they are missing.

    Raises:
        ValueError: For a setting out of its range, and for a repetition penalty other than 1 without
            previous.
        TypeError: For a setting that is no number.
    """
    least = SMALLEST_TEMPERATURE
    rule = f"0 (the likeliest token) or a number from {least:g} on; try 0.8"
    number("temperature", temperature, rule, lambda t: t == 0 or least <= t < float("inf"))
    if top_k is not None:
        whole_number("top_k", top_k, 1, "leave it out to draw from all tokens")
    if top_p is not None:
        number("top_p", top_p, "above 0 and at most 1; try 0.95", lambda p: 0 < p <= 1)
    rule = "from 1 (no penalty) to 1,000; try 1.1"
    number("repetition_penalty", repetition_penalty, rule, lambda x: 1 <= x <= 1000)
    if repetition_penalty != 1 and previous is None:
        raise ValueError(f"repetition_penalty={repetition_penalty} needs previous, the tokens so far, (B, T)")


def token_row(tokens) -> np.ndarray:
    """Return integer tokens of any kind as an array.

    If they are an array already, memory-mapped or not, it is not copied.

    Args:
        tokens: The token ids.

    Shape:
        tokens: (N,); the result has the same shape.

    Raises:
        TypeError: For text, for fractions, and for a table of tokens.
    """
    row = np.asarray(tokens)
    if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
        raise TypeError(f"tokens must be one row of whole numbers, not {row.dtype} of shape {row.shape}")
    return row


def replace_surrogates(text: str) -> str:
    """Return the text with � (U+FFFD) for each half of a surrogate pair, which no UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def as_documents(documents) -> list[str]:
    """Return documents as a list, with � (U+FFFD) for half characters.

    Raises:
        TypeError: For a single text, which would be one document a character, and for what is no text.
    """
    if isinstance(documents, (str, bytes)):
        raise TypeError(f"documents={documents!r:.40} must be a list of texts; write [text] for a single one")
    documents = list(documents)
    for i, document in enumerate(documents):
        if not isinstance(document, str):
            raise TypeError(f"documents[{i}]={document!r:.40} must be a str; read files as text")
    return [replace_surrogates(document) for document in documents]


def check_like(name: str, given, wanted):
    """Return `given` if it has the shapes of `wanted`.

    Args:
        name: Name of the value, for the error message.
        given: A tensor or a tuple of tensors.
        wanted: A tensor or a tuple of tensors.

    Raises:
        ValueError: If the shapes differ.
    """
    shapes = []
    for value in (given, wanted):
        tensors = value if isinstance(value, (tuple, list)) else [value]
        shapes.append(", ".join(str(tuple(tensor.shape)) for tensor in tensors))
    if shapes[0] != shapes[1]:
        raise ValueError(f"{name} has shape {shapes[0]}, must have {shapes[1]}; give what came before")
    return given


def check_vectors(name: str, x, width: int) -> None:
    """Raise ValueError unless the tensor x is (B, T, width), with T at least 1."""
    if x.ndim != 3 or x.shape[-1] != width or not x.shape[1]:
        raise ValueError(f"{name} has shape {tuple(x.shape)}, must be (B, T, {width}), T at least 1")


def check_batch(name: str, x) -> None:
    """Raise ValueError unless the tensor x is (B, T, C)."""
    if x.ndim != 3:
        raise ValueError(f"{name} has shape {tuple(x.shape)}, must be (B, T, C); {name}[None] adds the batch")


def check_ids(name: str, ids, limit: str, most: int) -> None:
    """Raise ValueError unless the tensor ids has a number, and none from `most`, called limit, on."""
    if not ids.numel():
        raise ValueError(f"{name} has shape {tuple(ids.shape)}; give at least one row with one token")
    if ids.max() >= most:
        raise ValueError(f"{name} has {ids.max()}, must be below {limit}={most}; raise {limit}")


def finite(name: str, values, remedy: str = "the model's weights or logits are no numbers"):
    """Return values, a number or a tensor of numbers, if all are finite.

    A tensor on the meta device has no numbers and is returned as it is.

    Args:
        name: Name of the values, for the error message.
        values: A number or a tensor.
        remedy: End of the error message.

    Raises:
        ValueError: If a value is not finite.
    """
    import torch

    numbers = torch.as_tensor(values)
    if numbers.is_meta or numbers.numel() == 0:
        return values
    ends = numbers
    if numbers.is_floating_point():  # isfinite makes a copy; a NaN anywhere is the least and the most
        ends = torch.stack(numbers.detach().aminmax())
    if ends.isfinite().all():
        return values
    first = numbers[~numbers.isfinite()].flatten()[0].item()
    raise ValueError(f"{name} holds {first}, must hold finite numbers only; {remedy}")


# -- the folder that a command is asked to write to, before it works for hours --------


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
