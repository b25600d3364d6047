"""Plain data: what an answer returned, or was given, in a form that can be compared and shown.

Plain data are None, bool, int, float, complex, str, bytes, list, tuple, dict, frozenset, dense tensors on the
CPU, Record and Other. A right value may come in any container and any kind of number, so all are brought to
one form first.
"""

import dataclasses
import enum
import math
import random
import types
from collections.abc import Iterable, Iterator, Mapping, Set
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy
import torch

from companion.exercises.notation import Problem

MAX_ELEMENTS = 100_000
"""How many elements a result may have in all; an endless generator is read so far."""

NAN = math.nan
"""The one NaN among keys and in sets: a dict finds it, because it is the same object."""

PLAIN = {types.NoneType, bool, int, complex, str, bytes}
"""Types whose values stay as they are."""

FUNCTIONS = types.FunctionType | types.BuiltinFunctionType | types.MethodType | types.ModuleType


@dataclasses.dataclass(frozen=True)
class Record:
    """An object with named parts: a module, a dataclass, a generator, a tensor with its gradient.

    One without a name is how an exercise's `call` gives several things that an answer returned: it is shown
    as "q = …, k = …". Its part "", where it has one, is shown alone; the others are only compared.
    """

    name: str
    parts: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Other:
    """An object of which nothing more is known; `identity` tells two functions of one name apart."""

    name: str
    text: str
    identity: int = 0


def normalize(value: Any) -> Any:
    """A result as plain data.

    Raises:
        Problem: If it has too many elements.
    """
    return Normalizer(snapshot=False).convert(value, ())


def snapshot(value: Any) -> Any:
    """An input as plain data, to be compared with a later snapshot or shown.

    It holds the attributes of objects, gradients, the modes of modules and the states of generators. Nothing
    is drawn from generators and iterators.
    """
    return Normalizer(snapshot=True).convert(value, ())


class Normalizer:
    """One walk through a value.

    Args:
        snapshot: Whether the value is an input (see `snapshot`) and not a result.
    """

    def __init__(self, snapshot: bool):
        self.snapshot = snapshot
        self.room = MAX_ELEMENTS

    def convert(self, value: Any, path: tuple[int, ...]) -> Any:
        """A value as plain data; `path` has the ids of the containers that it stands in."""
        self.room -= 1
        if type(value) in PLAIN or isinstance(value, Record | Other):
            return value
        if isinstance(value, enum.Enum) and not isinstance(value, int | str):
            return Other(type_name(value), str(value))
        if isinstance(value, str):
            return str(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, numpy.generic):
            return self.convert(value.item(), path)
        if isinstance(value, Fraction | Decimal):
            return exact_number(value)
        if isinstance(value, Real):
            return float(value) if value == value else NAN
        if id(value) in path:
            return Other(type_name(value), "itself")
        path = (*path, id(value))
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, numpy.ndarray):
            return self.array(value, path)
        return self.container(value, path)

    def tensor(self, value: torch.Tensor) -> Any:
        if value.is_meta:
            shape = tuple(value.shape)
            hint = 'make it, and what it is made from, without `device="meta"`'
            return Other("tensor", f"without numbers, on the meta device, of shape {shape}: {hint}")
        plain = value.detach().to_dense().cpu().clone()
        if not self.snapshot:
            return plain
        grad = value.grad if value.is_leaf else None
        grad = None if grad is None else grad.detach().clone()
        return Record("tensor", {"": plain, "requires_grad": value.requires_grad, "grad": grad})

    def array(self, value: numpy.ndarray, path: tuple) -> Any:
        if value.dtype.kind not in "biufc":
            return self.convert(value.tolist(), path)
        plain = torch.from_numpy(value.astype(value.dtype.newbyteorder("=")).copy())
        return Record("array", {"": plain}) if self.snapshot else plain

    def container(self, value: Any, path: tuple) -> Any:
        if isinstance(value, dict) or isinstance(value, Mapping) and not self.snapshot:
            return {self.key(key, path): self.convert(value[key], path) for key in self.bounded(value)}
        if isinstance(value, tuple):
            return tuple([self.convert(item, path) for item in self.bounded(value)])
        if isinstance(value, list):
            return [self.convert(item, path) for item in self.bounded(value)]
        if isinstance(value, Set) and not isinstance(value, type({}.keys()) | type({}.items())):
            return frozenset(self.key(item, path) for item in self.bounded(value))
        if self.is_sequence(value):
            return [self.convert(item, path) for item in self.bounded(value)]
        return self.thing(value, path)

    def is_sequence(self, value: Any) -> bool:
        """Whether an object counts as the list of what it gives."""
        if not isinstance(value, Iterable) or isinstance(value, type | types.ModuleType):
            return False
        if dataclasses.is_dataclass(value) or isinstance(value, torch.nn.Module):
            return False
        if not self.snapshot:
            return True
        known = isinstance(value, range) or type(value).__module__ in ("collections", "array", "builtins")
        return known and not isinstance(value, Iterator)

    def bounded(self, items: Iterable) -> Iterator:
        """The items, as far as there is room for them."""
        for item in items:
            if self.room <= 0:
                if not self.snapshot:
                    raise Problem(f"Your answer gives more than {MAX_ELEMENTS:,} elements; does it ever end?")
                return
            yield item

    def key(self, value: Any, path: tuple) -> Any:
        """A key, or an element of a set, as data that can be one."""
        found = self.convert(value, path)
        if isinstance(found, torch.Tensor):
            return found.item() if found.numel() == 1 else Other("tensor", repr(found.tolist()))
        try:
            hash(found)
        except TypeError:
            return Other(type_name(value), repr(found))
        return found

    def thing(self, value: Any, path: tuple) -> Any:
        """Any other object."""
        if isinstance(value, type):
            return Other("class", value.__name__, id(value))
        if isinstance(value, FUNCTIONS):
            return Other(type_name(value), value.__name__, id(value))
        if isinstance(value, torch.dtype | torch.device):
            return Other(type_name(value), str(value))
        if isinstance(value, torch.Generator):
            return Record("Generator", {"state": value.get_state()})
        if isinstance(value, random.Random):
            parts = {"state": value.getstate()}
        elif isinstance(value, numpy.random.Generator):
            parts = {"state": value.bit_generator.state}
        elif isinstance(value, torch.nn.Module):
            parts = module_parts(value)
        elif dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            parts = {name: getattr(value, name) for name in names if hasattr(value, name)}
        else:
            parts = public_attributes(value)
        return Record(type_name(value), {name: self.convert(part, path) for name, part in parts.items()})


def type_name(value: Any) -> str:
    """The name of a value's type."""
    return type(value).__name__


def public_attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object that are its own and not private: those may be caches."""
    own = getattr(value, "__dict__", {})
    return {name: part for name, part in own.items() if not name.startswith("_")}


def module_parts(module: torch.nn.Module) -> dict[str, Any]:
    """Parameters, buffers, modules, the mode, hooks, and what else the module's author put on it."""
    tensors = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
    parts = {**tensors, **dict(module.named_children()), **public_attributes(module)}
    hooks = [held for name, held in vars(module).items() if name.endswith("_hooks")]
    parts["number of hooks"] = sum(len(held) for held in hooks if isinstance(held, dict))
    return parts


def exact_number(value: Fraction | Decimal) -> int | float:
    """A fraction or decimal number as an int where it is a whole one, else as a float."""
    number = float(value)
    if not math.isfinite(number):
        return number if number == number else NAN
    return int(value) if value == int(value) else number


# -- for an exercise's own `call` -----------------------------------------------------------------


def as_list(value: Any) -> list | None:
    """A result as a list, from any container, array or tensor; None where it is none of these."""
    found = normalize(value)
    if isinstance(found, torch.Tensor):
        return found.tolist() if found.dim() else None
    return list(found) if isinstance(found, list | tuple) else None


def as_number(value: Any) -> int | float | None:
    """A result as a Python number: any kind of number, a tensor or array without dimensions.

    None where it is none of these, or a bool.
    """
    found = normalize(value)
    if isinstance(found, torch.Tensor) and found.dim() == 0:
        found = found.item()
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def as_tensor(value: Any) -> torch.Tensor | None:
    """A result as a tensor: one as it is, with its graph; of arrays, numbers, nested lists.

    None where it is none of these, or where its rows have different lengths.
    """
    return value if isinstance(value, torch.Tensor) else to_tensor(normalize(value))


def to_tensor(data: Any) -> torch.Tensor | None:
    """Plain data as a tensor of int64, float64, complex128 or bool; None where they are none."""
    if isinstance(data, torch.Tensor):
        return data
    numbers: list[Any] = []
    shape = shape_of(data, numbers)
    kinds = {type(number) for number in numbers}
    if shape is None or (bool in kinds and len(kinds) > 1):
        return None
    dtypes = {complex: torch.complex128, float: torch.float64, int: torch.int64, bool: torch.bool}
    dtype = next((dtypes[kind] for kind in dtypes if kind in kinds), torch.float64)
    try:
        return torch.tensor(numbers, dtype=dtype).reshape(shape)
    except (OverflowError, RuntimeError, ValueError):  # an int of more than 64 bits
        return None


def shape_of(data: Any, numbers: list) -> tuple[int, ...] | None:
    """The shape of nested lists, None where they have none; their numbers are appended to `numbers`."""
    if isinstance(data, torch.Tensor):
        numbers.extend(data.flatten().tolist())
        return tuple(data.shape)
    if isinstance(data, list | tuple):
        shapes = {shape_of(item, numbers) for item in data}
        if len(shapes) > 1 or None in shapes:
            return None
        return (len(data), *(shapes.pop() if shapes else ()))
    numbers.append(data)
    return () if isinstance(data, int | float | complex) else None
