"""Checks of what callers give. Each raises an error of one line that says what to give instead."""

import operator
from collections.abc import Callable
from numbers import Real

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
