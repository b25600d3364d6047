"""Values: their sizes, how they are shown, and where two first differ."""

import math
import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass
from numbers import Integral, Real
from types import GeneratorType
from typing import Any

WIDTH = 100
"""Characters of a value that are shown."""


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor, without importing torch for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def size(value: Any) -> int:
    """How much a reader has to look at: characters, numbers and elements."""
    if isinstance(value, str | bytes):
        return len(value)
    if is_tensor(value):
        return value.numel()
    if isinstance(value, Mapping):
        return sum(1 + size(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple | Set):
        return sum(1 + size(item) for item in value)
    return 1


def snapshot(value: Any) -> Any:
    """What of a value can be compared later: data as they are, a module's state, of other objects nothing."""
    if isinstance(value, list | tuple):
        return [snapshot(item) for item in value]
    if isinstance(value, dict):
        return {key: snapshot(item) for key, item in value.items()}
    if hasattr(value, "state_dict"):
        return dict(value.state_dict())
    return value if is_tensor(value) or isinstance(value, str | bytes | Real | Set) else None


def show(value: Any, width: int = WIDTH) -> str:
    """A value on one line, shortened, its floating point numbers rounded, the same on every machine."""
    text = " ".join(plain(value).split("\n"))
    return text if len(text) <= width else f"{text[: width - 12]} … {text[-9:]}"


def plain(value: Any) -> str:
    """A value's text in full."""
    if is_tensor(value):
        numbers = plain(value.tolist()) if value.numel() <= 12 else f"of shape {tuple(value.shape)}"
        return f"tensor {numbers}"
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(plain, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{plain(key)}: {plain(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str | bytes | bool | int | Set | None):
        return repr(value)
    return getattr(value, "__name__", f"a {type(value).__name__}")


@dataclass(frozen=True)
class Difference:
    """Where two values first differ ("" for the whole), and what there is to say of it ("" if nothing)."""

    place: str
    text: str


def difference(got: Any, expected: Any, tolerance: float, place: str = "") -> Difference | None:
    """The first difference of a value from the expected one; None where there is none.

    Floating point numbers may differ by `tolerance`, relative to those above 1. A list and a tuple with the
    same elements are the same.
    """
    if kind(got) != kind(expected) and (kind(got), kind(expected)) != (int, float):
        text = f"{a(got)} where {a(expected)} is expected"
        if isinstance(got, GeneratorType):
            text += "; list(...) makes a list of it"
        return Difference(place, text)
    if is_tensor(expected):
        return tensor_difference(got, expected, tolerance, place)
    if isinstance(expected, list | tuple):
        return sequence_difference(got, expected, tolerance, place)
    if isinstance(expected, Mapping):
        return mapping_difference(got, expected, tolerance, place)
    if close(got, expected, tolerance) if isinstance(expected, float) else got == expected:
        return None
    if place:
        return Difference(place, instead(got, expected))
    if isinstance(expected, str | bytes):
        i = next((i for i, (x, y) in enumerate(zip(got, expected, strict=False)) if x != y), None)
        i = min(len(got), len(expected)) if i is None else i
        return Difference(f"[{i}]", instead(got[i : i + 12], expected[i : i + 12]))
    return Difference("", "")


def instead(got: Any, expected: Any) -> str:
    """One value where another is expected, in words."""
    return f"{show(got, 40)} instead of {show(expected, 40)}"


def kind(value: Any) -> Any:
    """What two values must share to be compared at all."""
    families = {bool: bool, Integral: int, Real: float, str: str, bytes: bytes, Mapping: dict, Set: set}
    families |= {list | tuple: list, GeneratorType: GeneratorType}
    if is_tensor(value):
        return "tensor"
    return next((name for family, name in families.items() if isinstance(value, family)), type(value))


def a(value: Any) -> str:
    """The kind of a value in words."""
    if value is None:
        return "None"
    name = "tensor" if is_tensor(value) else type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def close(got: float, expected: float, tolerance: float) -> bool:
    """Whether two numbers are the same within the tolerance; NaN is only NaN, infinity only itself."""
    if not math.isfinite(expected):
        return str(float(got)) == str(float(expected))
    return abs(got - expected) <= tolerance * max(1.0, abs(expected))


def tensor_difference(got, expected, tolerance: float, place: str) -> Difference | None:
    """Shape first, then type, then values."""
    if got.shape != expected.shape:
        return Difference(place, f"its shape is {tuple(got.shape)}, expected {tuple(expected.shape)}")
    if got.dtype != expected.dtype:
        return Difference(place, f"its dtype is {got.dtype}, expected {expected.dtype}")
    if expected.dtype.is_floating_point:
        near = (got - expected).abs() <= tolerance * expected.abs().clamp(min=1)
        wrong = ~((near & expected.isfinite()) | (got == expected) | (got.isnan() & expected.isnan()))
    else:
        wrong = got != expected
    if not wrong.any():
        return None
    first = tuple(wrong.nonzero()[0].tolist())
    text = instead(got[first].item(), expected[first].item())
    if expected.numel() > 1:
        text += f"; {int(wrong.sum())} of {wrong.numel()} numbers differ"
    return Difference(f"{place}{list(first)}" if first else place, text)


def sequence_difference(got, expected, tolerance: float, place: str) -> Difference | None:
    """Element by element; then the length."""
    for i, (x, y) in enumerate(zip(got, expected, strict=False)):
        if found := difference(x, y, tolerance, f"{place}[{i}]"):
            return found
    if len(got) == len(expected):
        return None
    i = min(len(got), len(expected))
    text = f"{show(got[i], 40)} is too many" if len(got) > i else f"{show(expected[i], 40)} is missing"
    return Difference(f"{place}[{i}]", f"{text}; the length is {len(got)}, expected {len(expected)}")


def mapping_difference(got, expected, tolerance: float, place: str) -> Difference | None:
    """Missing keys, keys too many, then value by value."""
    for key in [*expected, *got]:
        at = f"{place}[{show(key, 40)}]"
        if key not in got:
            return Difference(at, "this key is missing")
        if key not in expected:
            return Difference(at, "this key is too many")
        if found := difference(got[key], expected[key], tolerance, at):
            return found
    return None
