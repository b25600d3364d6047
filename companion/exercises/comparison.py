"""Comparing and showing values: where two first differ, how large one is, how it reads on one line."""

import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import torch

from companion.exercises.normalize import Other, Record, snapshot, to_tensor, type_name

WIDTH = 100
"""Characters of a value that are shown."""

DIGITS = 4
"""Significant digits of a number that are shown, where no more are needed to tell two apart."""


def size(value: Any) -> int:
    """How much a reader has to look at: characters, numbers and elements."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, Mapping):
        return sum(1 + size(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple | Set):
        return sum(1 + size(item) for item in value)
    return 1


# -- showing ------------------------------------------------------------------


def show(value: Any, width: int = WIDTH, digits: int = DIGITS) -> str:
    """A value on one line, shortened, its floating point numbers rounded."""
    text = " ".join(text_of(snapshot(value), digits).split("\n"))
    return text if len(text) <= width else f"{text[: width - 12]} … {text[-9:]}"


def text_of(data: Any, digits: int = DIGITS) -> str:
    """The text of plain data; of long data the beginning and the end."""
    if isinstance(data, torch.Tensor):
        numbers = text_of(data.tolist(), digits) if data.numel() <= 12 else f"of shape {tuple(data.shape)}"
        return f"tensor {numbers}"
    if isinstance(data, Record):
        return record_text(data, digits)
    if isinstance(data, Other):
        if data.identity:
            return data.text or f"a {data.name}"
        return f"a {data.name} {data.text}".rstrip()
    if isinstance(data, list):
        return f"[{', '.join(texts_of(data, digits))}]"
    if isinstance(data, tuple):
        return f"({', '.join(texts_of(data, digits))}{',' if len(data) == 1 else ''})"
    if isinstance(data, dict):
        keys = texts_of(list(data), digits)
        values = texts_of(list(data.values()), digits)
        return "{" + ", ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True)) + "}"
    if isinstance(data, frozenset):
        return "{" + ", ".join(sorted(text_of(item, digits) for item in data)) + "}" if data else "set()"
    if isinstance(data, float | complex):
        return f"{data:.{digits}g}"
    if isinstance(data, int) and abs(data) >= 10**300:
        return f"an int of about {int(data.bit_length() * math.log10(2)) + 1} digits"
    if isinstance(data, str | bytes) and len(data) > 400:
        return repr(data[:200])[:-1] + repr(data[-20:]).removeprefix("b")[1:]
    return repr(data)


def texts_of(items: list | tuple, digits: int) -> list[str]:
    """The texts of all items, or of the first and the last: no more are shown."""
    some = items if len(items) <= 200 else [*items[:150], *items[-10:]]
    return [text_of(item, digits) for item in some]


def record_text(record: Record, digits: int) -> str:
    """The text of a record: its part "", its name, or its parts by their names."""
    if record.parts.get("") is not None:
        return text_of(record.parts[""], digits)
    if record.name:
        return f"a {record.name}"
    return ", ".join(f"{name} = {text_of(part, digits)}" for name, part in record.parts.items())


def a(value: Any) -> str:
    """The kind of a value in words."""
    if value is None:
        return "None"
    if isinstance(value, Record) and not value.name:  # what `call` made of several results
        return a(value.parts[""]) if "" in value.parts else "a tuple"
    if isinstance(value, torch.Tensor):
        return "a tensor"
    name = value.name if isinstance(value, Record | Other) else type_name(value)
    name = "set" if name == "frozenset" else name
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def another(value: Any, expected: str) -> str:
    """The kind of a value in words; where these are the words of the expected kind, what sets it apart."""
    kind = a(value)
    if kind != expected:
        return kind
    if isinstance(value, Other) and value.text:
        return f"{kind} {value.text},"
    return f"{kind} of another kind"


# -- comparing ------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """Where two values first differ.

    Attributes:
        place: Such as "[2]"; "" for the whole.
        text: How they differ there; "" where the values themselves show it.
        digits: How many significant digits tell the two apart.
    """

    place: str
    text: str
    digits: int = DIGITS


def changes(after: Any, before: Any, right: Any = None) -> Difference | None:
    """The first difference of two snapshots of an input, to the bit.

    Args:
        after: The later snapshot.
        before: The earlier one.
        right: The one that a right answer leaves: it may change the same, such as a generator's state.
    """
    now = dict(leaves(after))
    then = dict(leaves(before))
    allowed = {} if right is None else dict(leaves(right))
    for place in then | now:
        if place not in then:
            found = Difference(place, f"{show(now[place], 40)}, which was not there")
        elif place not in now:
            found = Difference(place, f"gone; it was {show(then[place], 40)}")
        else:
            found = EXACT.differ(now[place], then[place], place)
        if found and not (allowed and changed_too(place, then, allowed)):
            return Difference(place, found.text)
    return None


def changed_too(place: str, then: dict[str, Any], allowed: dict[str, Any]) -> bool:
    """Whether a right answer changes this place of its input."""
    if (place in allowed) != (place in then):
        return True
    return place in allowed and EXACT.differ(allowed[place], then[place], place) is not None


def leaves(data: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Each place of a snapshot, and the single value or tensor there."""
    if isinstance(data, Record):
        yield f"{place}:", data.name
        pairs = [(f"{place}.{name}" if name else place, part) for name, part in data.parts.items()]
    elif isinstance(data, dict):
        pairs = [(f"{place}[{show(key, 40)}]", part) for key, part in data.items()]
    elif isinstance(data, list | tuple):
        yield f"{place}:", len(data)
        pairs = [(f"{place}[{i}]", part) for i, part in enumerate(data)]
    else:
        yield place, data
        return
    for at, part in pairs:
        yield from leaves(part, at)


@dataclass(frozen=True)
class Comparison:
    """How exactly plain data are compared.

    A right value in another container is right: a list, tuple, range, generator, array or tensor of the same
    numbers, numbers of any kind, of any width. Floating point numbers may differ by `tolerance`, relative to
    those above 1; where integers are expected, floating point numbers must be whole. A bool is no number, a
    str is no bytes, and shapes must be the same. NaN is only NaN.

    Attributes:
        tolerance: Allowed difference of floating point numbers.
        exact_dtype: Whether tensors must have the expected dtype, and numbers be ints where one is expected.
    """

    tolerance: float
    exact_dtype: bool

    def differ(self, got: Any, expected: Any, place: str = "") -> Difference | None:
        """The first difference of plain data; `place` is where they stand in the whole."""
        if isinstance(expected, Record) and isinstance(got, Record) and got.name == expected.name:
            return self.records(got, expected, place)
        if isinstance(expected, torch.Tensor):
            return self.tensors(got, expected, place)
        if isinstance(got, torch.Tensor):
            if got.dim() == 0:
                got = got.item()
            elif isinstance(expected, list | tuple):
                got = list(got) if got.dim() > 1 else got.tolist()
        if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
            return self.sequences(got, expected, place)
        if isinstance(expected, dict) and isinstance(got, dict):
            return self.dicts(got, expected, place)
        if isinstance(expected, frozenset) and isinstance(got, list | tuple | frozenset):
            return self.sets(got, expected, place)
        if not self.comparable(got, expected):
            return Difference(place, f"{another(got, a(expected))} where {a(expected)} is expected")
        return self.single_values(got, expected, place)

    def comparable(self, got: Any, expected: Any) -> bool:
        """Whether two single values are of one kind."""
        if type(got) is type(expected):
            return True
        if isinstance(expected, bool) or isinstance(got, bool) or self.exact_dtype:
            return False
        if isinstance(expected, float | complex):
            return isinstance(got, int | float | complex)
        return isinstance(expected, int) and isinstance(got, float) and got.is_integer()

    def single_values(self, got: Any, expected: Any, place: str) -> Difference | None:
        if close(got, expected, self.tolerance) if isinstance(expected, float | complex) else got == expected:
            return None
        if place:
            return instead(got, expected, place)
        if isinstance(expected, str | bytes):
            pairs = zip(got, expected, strict=False)
            i = next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(got), len(expected)))
            return instead(got[i : i + 12], expected[i : i + 12], f"[{i}]")
        return Difference("", "", digits_apart(got, expected))

    def sequences(self, got: list | tuple, expected: list | tuple, place: str) -> Difference | None:
        """Element by element; then the length."""
        for i, (x, y) in enumerate(zip(got, expected, strict=False)):
            found = self.differ(x, y, f"{place}[{i}]")
            if found:
                return found
        if len(got) == len(expected):
            return None
        i = min(len(got), len(expected))
        text = f"{show(got[i], 40)} is too many" if len(got) > i else f"{show(expected[i], 40)} is missing"
        return Difference(f"{place}[{i}]", f"{text}; the length is {len(got)}, expected {len(expected)}")

    def records(self, got: Record, expected: Record, place: str) -> Difference | None:
        """Attribute by attribute."""
        dot = "." if expected.name or place else ""
        places = {name: f"{place}{dot}{name}" if name else place for name in [*expected.parts, *got.parts]}
        return self.mappings(got.parts, expected.parts, places, "attribute")

    def dicts(self, got: dict, expected: dict, place: str) -> Difference | None:
        """Key by key."""
        places = {key: f"{place}[{show(key, 40)}]" for key in [*expected, *got]}
        return self.mappings(got, expected, places, "key")

    def mappings(self, got: dict, expected: dict, places: dict, kind: str) -> Difference | None:
        for key, place in places.items():
            if key not in got:
                return Difference(place, f"this {kind} is missing")
            if key not in expected:
                return Difference(place, f"this {kind} is too many")
            found = self.differ(got[key], expected[key], place)
            if found:
                return found
        return None

    def sets(self, got: list | tuple | frozenset, expected: frozenset, place: str) -> Difference | None:
        """The same elements; floating point numbers within the tolerance."""
        if not isinstance(got, frozenset) and len(got) > len(expected):
            return Difference(place, f"{len(got)} elements where a set of {len(expected)} is expected")
        found = {as_element(item) for item in got}
        if all(type(item) in (int, float) for item in found | expected) and len(found) == len(expected):
            pairs = zip(sorted(found), sorted(expected), strict=True)
            if all(close(x, y, self.tolerance) if type(y) is float else x == y for x, y in pairs):
                return None
        missing = sorted(text_of(item) for item in expected - found)
        if missing:
            return Difference(place, f"{missing[0]} is missing")
        extra = sorted(text_of(item) for item in found - expected)
        if extra:
            return Difference(place, f"{extra[0]} is too many")
        return None

    def tensors(self, got: Any, expected: torch.Tensor, place: str) -> Difference | None:
        """Shape first, then type, then values."""
        given = got if isinstance(got, torch.Tensor) or self.exact_dtype else to_tensor(got)
        if not isinstance(given, torch.Tensor):
            wanted = "a tensor" if expected.dim() else "a number"
            is_ragged = isinstance(got, list | tuple) and not self.exact_dtype
            ragged = " of rows of different lengths or kinds" if is_ragged else ""
            return Difference(place, f"{another(got, wanted)}{ragged} where {wanted} is expected")
        if given.shape != expected.shape:
            return self.shapes(got, given, expected, place)
        bools = (given.dtype is torch.bool) != (expected.dtype is torch.bool)
        if given.numel() == 0 and not isinstance(got, torch.Tensor):
            bools = False  # an empty list has no dtype
        if bools or (self.exact_dtype and given.dtype != expected.dtype):
            return Difference(place, f"its dtype is {given.dtype}, expected {expected.dtype}")
        wrong = self.wrong_numbers(given, expected)
        if not wrong.any():
            return None
        first = tuple(wrong.nonzero()[0].tolist())
        at = f"{place}{list(first)}" if first else place
        found = instead(given[first].item(), expected[first].item(), at)
        if expected.numel() == 1:
            return found
        text = f"{found.text}; {int(wrong.sum())} of {wrong.numel()} numbers differ"
        return Difference(at, text, found.digits)

    def shapes(self, got: Any, given: torch.Tensor, expected: torch.Tensor, place: str) -> Difference | None:
        """The difference of two shapes; a list without numbers has any shape without numbers it begins."""
        if not isinstance(got, torch.Tensor) and given.numel() == expected.numel() == 0:
            if given.shape == expected.shape[: given.dim()]:
                return None
        return Difference(place, f"its shape is {tuple(given.shape)}, expected {tuple(expected.shape)}")

    def wrong_numbers(self, got: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
        """Where two tensors of one shape differ, as a mask."""
        if got.is_complex() or expected.is_complex():
            got = got.to(torch.complex128)
            expected = expected.to(torch.complex128)
        elif not (got.is_floating_point() or expected.is_floating_point()):
            return got.to(torch.int64) != expected.to(torch.int64)
        elif expected.is_floating_point():
            got = got.double()
            expected = expected.double()
        else:
            return got.double() != expected.double()
        within = (got - expected).abs() <= self.tolerance * expected.abs().clamp(min=1)
        return ~((within & expected.isfinite()) | (got == expected) | (got.isnan() & expected.isnan()))


EXACT = Comparison(0.0, True)
"""To the bit, and in the same dtype."""


def as_element(item: Any) -> Any:
    """An element of a list that is compared with a set."""
    if isinstance(item, torch.Tensor) and item.dim() == 0:
        return item.item()
    try:
        hash(item)
    except TypeError:
        return Other(type_name(item), repr(item))
    return item


def close(got: complex, expected: complex, tolerance: float) -> bool:
    """Whether two numbers are the same within the tolerance; NaN is only NaN, infinity only itself."""
    if got == expected or (got != got and expected != expected):
        return True
    try:
        return abs(got - expected) <= tolerance * max(1.0, abs(expected)) < math.inf
    except OverflowError:  # an int that is too large for a float
        return False


def digits_apart(got: Any, expected: Any) -> int:
    """How many significant digits show that two values differ."""
    for digits in range(DIGITS, 18):
        if text_of(got, digits) != text_of(expected, digits):
            return digits
    return DIGITS


def instead(got: Any, expected: Any, place: str) -> Difference:
    """One value where another is expected, in words."""
    digits = digits_apart(got, expected)
    return Difference(place, f"{show(got, 40, digits)} instead of {show(expected, 40, digits)}", digits)
