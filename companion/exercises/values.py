"""Values: their sizes, how they are shown, and where two first differ."""

import math
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from companion.exercises.settle import Other, Record, settle, tensor_of, type_name

WIDTH = 100
"""Characters of a value that are shown."""

DIGITS = 4
"""Significant digits of a number that are shown, where no more are needed to tell two apart."""


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
    """An input as data to be compared later: values, attributes, gradients, modes, generators' states."""
    return settle(value, state=True)


# -- showing ------------------------------------------------------------------


def show(value: Any, width: int = WIDTH, digits: int = DIGITS) -> str:
    """A value on one line, shortened, its floating point numbers rounded, the same on every machine."""
    text = " ".join(plain(settle_to_show(value), digits).split("\n"))
    return text if len(text) <= width else f"{text[: width - 12]} … {text[-9:]}"


def settle_to_show(value: Any) -> Any:
    """A value as data, without drawing from a generator: what is shown must stay as it is."""
    return settle(value, state=True)


def plain(value: Any, digits: int = DIGITS) -> str:
    """The text of plain data; of long data the beginning and the end."""
    if is_tensor(value):
        numbers = f"of shape {tuple(value.shape)}"
        return f"tensor {numbers if value.numel() > 12 else plain(value.tolist(), digits)}"
    if isinstance(value, Record):
        own = value.parts.get("")
        if own is None and not value.name:
            return joined([f"{name} = {plain(part, digits)}" for name, part in value.parts.items()])
        return f"a {value.name}" if own is None else plain(own, digits)
    if isinstance(value, Other):
        if value.identity:
            return value.text or f"a {value.name}"
        return f"a {value.name}" + (f" {value.text}" if value.text else "")
    if isinstance(value, list | tuple):
        ends = ("(", ",)" if len(value) == 1 else ")") if isinstance(value, tuple) else ("[", "]")
        return ends[0] + joined([plain(item, digits) for item in some(value)]) + ends[1]
    if isinstance(value, dict):
        pairs = some(list(value.items()))
        return "{" + joined([f"{plain(key, digits)}: {plain(item, digits)}" for key, item in pairs]) + "}"
    if isinstance(value, frozenset):
        return "{" + joined(sorted(plain(item, digits) for item in value)) + "}" if value else "set()"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, complex):
        return f"{value:.{digits}g}"
    if isinstance(value, int) and abs(value) >= 10**300:
        return f"an int of about {int(value.bit_length() * math.log10(2)) + 1} digits"
    if isinstance(value, str | bytes) and len(value) > 400:
        return repr(value[:200])[:-1] + repr(value[-20:]).removeprefix("b")[1:]
    return repr(value)


def some(items: list | tuple) -> list | tuple:
    """All items, or the first and the last: no more are shown."""
    return items if len(items) <= 200 else [*items[:150], *items[-10:]]


def joined(texts: list[str]) -> str:
    return ", ".join(texts)


def a(value: Any) -> str:
    """The kind of a value in words."""
    if value is None:
        return "None"
    if isinstance(value, Record) and not value.name:  # what `call` made of several results
        return a(value.parts[""]) if "" in value.parts else "a tuple"
    name = value.name if isinstance(value, Record | Other) else type_name(value)
    name = "tensor" if is_tensor(value) else {"frozenset": "set"}.get(name, name)
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def described(value: Any, expected: str) -> str:
    """The kind of a value in words, and what sets it apart where those are the words of the expected one."""
    kind = a(value)
    if kind != expected:
        return kind
    if isinstance(value, Other) and value.text:
        return f"{kind} {value.text},"
    return f"{kind} of another kind"


# -- comparing ------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """Where two values first differ ("" for the whole), and what there is to say of it ("" if nothing).

    digits: how many significant digits tell the two apart.
    """

    place: str
    text: str
    digits: int = DIGITS


def difference(got: Any, expected: Any, tolerance: float, exact_dtype: bool = False) -> Difference | None:
    """The first difference of a value from the expected one; None where there is none.

    A right value in another container is right: a list, tuple, range, generator, array or tensor of the same
    numbers, numbers of any kind, of any width. Floating point numbers may differ by `tolerance`, relative to
    those above 1; where integers are expected, floating point numbers must be whole. A bool is no number, a
    str is no bytes, and shapes must be the same. NaN is only NaN.

    exact_dtype: a tensor must have the expected dtype, a number must be an int where one is expected.
    """
    return Comparison(tolerance, exact_dtype).differ(settle(got), settle(expected), "")


def changes(after: Any, before: Any, right: Any = None) -> Difference | None:
    """The first difference of two snapshots of an input, to the bit.

    right: what a right answer leaves; what that changes too, such as a generator's state, may differ.
    """
    exact = Comparison(0.0, True)
    now, then = dict(leaves(after)), dict(leaves(before))
    allowed = {} if right is None else dict(leaves(right))
    for place in then | now:
        if place not in then:
            found = Difference(place, f"{show(now[place], 40)}, which was not there")
        elif place not in now:
            found = Difference(place, f"gone; it was {show(then[place], 40)}")
        else:
            found = exact.differ(now[place], then[place], place)
        if not found:
            continue
        if allowed and (place in allowed) != (place in then):
            continue
        if place in allowed and exact.differ(allowed[place], then[place], place):
            continue
        return Difference(place, found.text)
    return None


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
    """How exactly plain data are compared."""

    tolerance: float
    exact_dtype: bool

    def differ(self, got: Any, expected: Any, place: str) -> Difference | None:
        if isinstance(expected, Record) and isinstance(got, Record) and got.name == expected.name:
            return self.mappings(got.parts, expected.parts, place, "." if expected.name or place else "")
        if is_tensor(expected):
            return self.arrays(got, expected, place)
        if is_tensor(got) and isinstance(expected, list | tuple) and got.dim():
            got = list(got) if got.dim() > 1 else got.tolist()
        if is_tensor(got) and got.dim() == 0:
            got = got.item()
        if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
            return self.sequences(got, expected, place)
        if isinstance(expected, dict) and isinstance(got, dict):
            return self.mappings(got, expected, place, "[")
        if isinstance(expected, frozenset) and isinstance(got, list | tuple | frozenset):
            return self.sets(got, expected, place)
        if not self.comparable(got, expected):
            return Difference(place, f"{described(got, a(expected))} where {a(expected)} is expected")
        return self.leaves(got, expected, place)

    def comparable(self, got: Any, expected: Any) -> bool:
        """Whether two single values are of one kind."""
        if isinstance(expected, bool) or isinstance(got, bool):
            return isinstance(expected, bool) and isinstance(got, bool)
        if isinstance(expected, float | complex) and not self.exact_dtype:
            return isinstance(got, int | float | complex) or type(got) is type(expected)
        if isinstance(expected, int) and isinstance(got, float) and not self.exact_dtype:
            return got.is_integer()
        return type(got) is type(expected)

    def leaves(self, got: Any, expected: Any, place: str) -> Difference | None:
        if isinstance(expected, float | complex):
            same = close(got, expected, self.tolerance)
        else:
            same = got == expected
        if same:
            return None
        if place:
            return told(got, expected, place)
        if isinstance(expected, str | bytes):
            pairs = zip(got, expected, strict=False)
            i = next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(got), len(expected)))
            return told(got[i : i + 12], expected[i : i + 12], f"[{i}]")
        return Difference("", "", digits_apart(got, expected))

    def sequences(self, got, expected, place: str) -> Difference | None:
        """Element by element; then the length."""
        for i, (x, y) in enumerate(zip(got, expected, strict=False)):
            if found := self.differ(x, y, f"{place}[{i}]"):
                return found
        if len(got) == len(expected):
            return None
        i = min(len(got), len(expected))
        text = f"{show(got[i], 40)} is too many" if len(got) > i else f"{show(expected[i], 40)} is missing"
        return Difference(f"{place}[{i}]", f"{text}; the length is {len(got)}, expected {len(expected)}")

    def mappings(self, got: dict, expected: dict, place: str, mark: str) -> Difference | None:
        """Missing keys, keys too many, then value by value. mark: "[" for keys, "." or "" for attributes."""
        for key in [*expected, *got]:
            at = f"{place}[{show(key, 40)}]" if mark == "[" else f"{place}{mark}{key}" if key else place
            named = "key" if mark == "[" else "attribute"
            if key not in got:
                return Difference(at, f"this {named} is missing")
            if key not in expected:
                return Difference(at, f"this {named} is too many")
            if found := self.differ(got[key], expected[key], at):
                return found
        return None

    def sets(self, got, expected: frozenset, place: str) -> Difference | None:
        """The same elements; floating point numbers within the tolerance."""
        if not isinstance(got, frozenset) and len(got) > len(expected):
            return Difference(place, f"{len(got)} elements where a set of {len(expected)} is expected")
        found = {item.item() if is_tensor(item) and item.dim() == 0 else item for item in map(as_key, got)}
        if all(type(item) in (int, float) for item in [*found, *expected]) and len(found) == len(expected):
            pairs = zip(sorted(found, key=in_order), sorted(expected, key=in_order), strict=True)
            if all(close(x, y, self.tolerance) if type(y) is float else x == y for x, y in pairs):
                return None
        missing = sorted(plain(item) for item in expected - found)
        extra = sorted(plain(item) for item in found - expected)
        if missing or extra:
            text = f"{missing[0]} is missing" if missing else f"{extra[0]} is too many"
            return Difference(place, text)
        return None

    def arrays(self, got: Any, expected: Any, place: str) -> Difference | None:
        """Shape first, then type, then values."""
        given = got if is_tensor(got) else None if self.exact_dtype else tensor_of(got)
        if given is None:
            ragged = " of rows of different lengths or kinds" if isinstance(got, list | tuple) else ""
            wanted = "a number" if expected.dim() == 0 else "a tensor"
            ragged = "" if self.exact_dtype else ragged
            return Difference(place, f"{described(got, wanted)}{ragged} where {wanted} is expected")
        if given.shape != expected.shape:
            begins = tuple(given.shape) == tuple(expected.shape[: given.dim()])
            if is_tensor(got) or given.numel() or expected.numel() or not begins:  # [] has any empty shape
                text = f"its shape is {tuple(given.shape)}, expected {tuple(expected.shape)}"
                return Difference(place, text)
            return None
        bools = [given, expected][: 2 if given.numel() or is_tensor(got) else 0]
        if (self.exact_dtype and given.dtype != expected.dtype) or len(
            {tensor.dtype is sys.modules["torch"].bool for tensor in bools}
        ) > 1:
            return Difference(place, f"its dtype is {given.dtype}, expected {expected.dtype}")
        wrong = self.wrong_numbers(given, expected)
        if not wrong.any():
            return None
        first = tuple(wrong.nonzero()[0].tolist())
        found = told(given[first].item(), expected[first].item(), f"{place}{list(first)}" if first else place)
        if expected.numel() == 1:
            return found
        text = f"{found.text}; {int(wrong.sum())} of {wrong.numel()} numbers differ"
        return Difference(found.place, text, found.digits)

    def wrong_numbers(self, got: Any, expected: Any) -> Any:
        """Where two tensors of one shape differ, as a mask."""
        torch = sys.modules["torch"]
        if got.dtype.is_complex or expected.dtype.is_complex:
            got, expected = got.to(torch.complex128), expected.to(torch.complex128)
        elif got.dtype.is_floating_point or expected.dtype.is_floating_point:
            whole = not expected.dtype.is_floating_point
            got, expected = got.double(), expected.double()
            if whole:
                return got != expected
        else:
            return got.to(torch.int64) != expected.to(torch.int64)
        near = (got - expected).abs() <= self.tolerance * expected.abs().clamp(min=1)
        return ~((near & expected.isfinite()) | (got == expected) | (got.isnan() & expected.isnan()))


def as_key(item: Any) -> Any:
    """An element of a list that is compared with a set."""
    try:
        hash(item)
    except TypeError:
        return Other(type_name(item), repr(item))
    return item


def in_order(number: float) -> tuple[bool, float]:
    """A key that sorts numbers, NaN last."""
    return (number != number, 0 if number != number else number)


def as_float(number: int | float) -> float:
    """A number as a float; infinity for an int that is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def close(got: complex, expected: complex, tolerance: float) -> bool:
    """Whether two numbers are the same within the tolerance; NaN is only NaN, infinity only itself."""
    if isinstance(got, complex) or isinstance(expected, complex):
        got = got if isinstance(got, complex) else complex(as_float(got))
        if got == expected or (got != got and expected != expected):
            return True
        size = max(1.0, math.hypot(complex(expected).real, complex(expected).imag))
        far = got - expected
        return math.hypot(far.real, far.imag) <= tolerance * size < math.inf
    number = as_float(got)
    if not math.isfinite(expected):
        return number == expected or (number != number and expected != expected)
    return abs(number - expected) <= tolerance * max(1.0, abs(expected))


def digits_apart(got: Any, expected: Any) -> int:
    """How many significant digits show that two values differ."""
    for digits in range(DIGITS, 18):
        if plain(got, digits) != plain(expected, digits):
            return digits
    return DIGITS


def told(got: Any, expected: Any, place: str) -> Difference:
    """One value where another is expected, in words."""
    digits = digits_apart(got, expected)
    return Difference(place, f"{show(got, 40, digits)} instead of {show(expected, 40, digits)}", digits)
