"""Any object as plain data: what an answer returned or was given, so that looking at it can do no harm.

An answer's result may be anything: an endless generator, a tensor without data, an object whose `==` never
ends. So it is turned into plain data once, inside the limits of time and memory; what comes after compares
and shows only this: None, bool, int, float, complex, str, bytes, list, tuple, dict, frozenset (all of exactly
these types), dense tensors on the CPU, Record and Other.
"""

import contextlib
import dataclasses
import enum
import math
import random
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Set
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Any

from companion.exercises.exercise import Problem

ELEMENTS = 100_000
"""How many elements a result may have in all; an endless generator is read so far."""

NUMBERS = 20_000_000
"""How many numbers a tensor or array may have."""

DEEP = 60
"""How deep lists may be nested."""

ON_META = 'make it, and what it is made from, without `device="meta"`'
"""What to do about a tensor of which there is only the shape."""

NAN = math.nan
"""The one NaN among keys and in sets: a dict finds it, because it is the same object."""


@dataclasses.dataclass(frozen=True)
class Record:
    """An object with named parts: a module, a dataclass, a generator, a tensor with its gradient.

    One without a name is how an exercise's `call` gives several things that an answer returned: it is shown
    as "q = …, k = …". Its part "", where it has one, is shown alone; the others are compared only.
    """

    name: str
    parts: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Other:
    """An object of which nothing more is known; `identity` tells two functions of one name apart."""

    name: str
    text: str
    identity: int = 0


def settle(value: Any, state: bool = False) -> Any:
    """A value as plain data. Raises Problem where it is too large, and what its own methods raise.

    state: look at an input rather than at a result: at the public attributes of objects, at gradients and
    the modes of modules, and without drawing from generators and iterators, nor raising Problem.
    """
    return Settler(state).settle(value, ())


def type_name(value: Any) -> str:
    """The name of a value's type, whatever that type says about itself."""
    return str(type.__dict__["__name__"].__get__(type(value)))


def module_of(name: str) -> Any:
    """A library, if it was imported: without it there are no values of its kinds."""
    return sys.modules.get(name)


class Settler:
    """One walk through a value: counts what it sees, and knows what it is inside of."""

    def __init__(self, state: bool):
        self.state, self.left = state, ELEMENTS

    def settle(self, value: Any, path: tuple[int, ...]) -> Any:
        self.left -= 1
        kind = type(value)
        if value is None or kind in (bool, int, complex, str, bytes):
            return value
        if kind is float:
            return value if value == value else NAN
        if kind in (Record, Other):
            return value
        if id(value) in path:
            return Other(type_name(value), "itself")
        if len(path) > DEEP:
            return self.stop(f"Your answer gives something nested more than {DEEP} deep.", value)
        path = (*path, id(value))
        for look in (self.scalar, self.array, self.container, self.thing):
            if (found := look(value, path)) is not NotImplemented:
                return found
        return Other(type_name(value), "")

    def stop(self, text: str, value: Any) -> Any:
        if self.state:
            return Other(type_name(value), "…")
        raise Problem(text)

    # -- numbers and text -------------------------------------------------------------------

    def scalar(self, value: Any, path: tuple) -> Any:
        if isinstance(value, enum.Enum) and not isinstance(value, int | str):
            return Other(type_name(value), enum.Enum.__str__(value))
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(memoryview(value))
        if isinstance(value, int):
            return int.__int__(value)
        if isinstance(value, float):
            return self.settle(float.__float__(value), path)
        if isinstance(value, complex):
            return complex(value.real, value.imag)
        numpy = module_of("numpy")
        if numpy and isinstance(value, numpy.generic):
            if isinstance(value, numpy.longdouble | numpy.float16):
                return self.settle(float(value), path)
            item = value.item()
            return Other(type_name(value), str(value)) if isinstance(item, numpy.generic) else item
        if isinstance(value, Fraction | Decimal):
            return real(value)
        if isinstance(value, Real):
            return self.settle(float(value), path)
        return NotImplemented

    # -- tensors and arrays -------------------------------------------------------------------

    def array(self, value: Any, path: tuple) -> Any:
        torch, numpy = module_of("torch"), module_of("numpy")
        if torch and isinstance(value, torch.Tensor):
            return self.tensor(value, path)
        if numpy and isinstance(value, numpy.ndarray):
            return self.numpy_array(numpy.asarray(value), path)
        return NotImplemented

    def tensor(self, value: Any, path: tuple) -> Any:
        torch = module_of("torch")
        if type(value).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__ and not isinstance(
            value, torch.nn.Parameter
        ):
            return Other(type_name(value), "")
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            if value.is_nested:
                return [self.settle(part, path) for part in value.unbind()]
            if value.device.type == "meta":
                return Other(
                    "tensor", f"without numbers, on the meta device, of shape {tuple(value.shape)}: {ON_META}"
                )
            if value.numel() > NUMBERS:
                return Other("tensor", f"of shape {tuple(value.shape)}: too large to be looked at")
            if value.is_quantized:
                value = value.dequantize()
            if value.layout != torch.strided:
                value = value.to_dense()
            plain = torch.Tensor.as_subclass(value.detach(), torch.Tensor)
            plain = plain.resolve_conj().resolve_neg().cpu().clone()
            if not self.state:
                return plain
            grad = value.grad if value.is_leaf else None
            parts = {"": plain, "requires_grad": value.requires_grad, "grad": grad}
            return Record("tensor", parts | {"grad": None if grad is None else grad.detach().clone()})

    def numpy_array(self, value: Any, path: tuple) -> Any:
        torch = module_of("torch")
        if value.size > NUMBERS:
            return Other("array", f"of shape {value.shape}: too large to be looked at")
        if value.dtype.kind in "biufc" and torch:
            if value.dtype.itemsize > (16 if value.dtype.kind == "c" else 8):  # long double
                value = value.astype("c16" if value.dtype.kind == "c" else "f8")
            found = torch.from_numpy(value.astype(value.dtype.newbyteorder("=")).copy())
            return Record("array", {"": found}) if self.state else found
        return self.settle(value.tolist(), path)

    # -- containers -------------------------------------------------------------------

    def container(self, value: Any, path: tuple) -> Any:
        if isinstance(value, dict):
            return {self.key(k, path): self.settle(v, path) for k, v in self.some(dict.items(value))}
        if isinstance(value, list | tuple):
            family = tuple if isinstance(value, tuple) else list
            return family([self.settle(item, path) for item in self.some(family.__iter__(value))])
        if isinstance(value, set | frozenset):
            family = set if isinstance(value, set) else frozenset
            return frozenset(self.key(item, path) for item in self.some(family.__iter__(value)))
        if isinstance(value, type | types.ModuleType) or self.state and isinstance(value, Iterator):
            return NotImplemented
        if isinstance(value, Mapping) and not self.state:
            return {self.key(k, path): self.settle(value[k], path) for k in self.some(value)}
        if isinstance(value, Set) and not isinstance(value, type({}.keys()) | type({}.items())):
            return frozenset(self.key(item, path) for item in self.some(value))
        torch = module_of("torch")
        thing = dataclasses.is_dataclass(value) or torch and isinstance(value, torch.nn.Module)
        known = isinstance(value, range) or type(value).__module__ in ("collections", "array", "builtins")
        if isinstance(value, Iterable) and not thing and (known or not self.state):
            return [self.settle(item, path) for item in self.some(value)]
        return NotImplemented

    def some(self, items: Iterable) -> Iterator:
        """The items, as far as there is room for them."""
        for item in items:
            if self.left <= 0:
                if not self.state:
                    raise Problem(f"Your answer gives more than {ELEMENTS:,} elements; does it ever end?")
                return
            yield item

    def key(self, value: Any, path: tuple) -> Any:
        """A key, or an element of a set, as data that can be one."""
        found = self.settle(value, path)
        try:
            hash(found)
        except TypeError:  # a list, a dict, a record: made of what can be no key
            return Other(type_name(value), repr(found))
        torch = module_of("torch")
        if torch and isinstance(found, torch.Tensor):
            return found.item() if found.numel() == 1 else Other("tensor", repr(found.tolist()))
        return found

    # -- other objects -------------------------------------------------------------------

    def thing(self, value: Any, path: tuple) -> Any:
        torch, numpy = module_of("torch"), module_of("numpy")
        if isinstance(value, type):
            return Other("class", str(type.__dict__["__name__"].__get__(value)), id(value))
        functions = types.FunctionType | types.BuiltinFunctionType | types.MethodType | types.ModuleType
        if isinstance(value, functions):
            return Other(type_name(value), str(getattr(value, "__name__", "")), id(value))
        if torch and isinstance(value, torch.dtype | torch.device):
            return Other(type_name(value), str(value))
        if torch and isinstance(value, torch.Generator):
            return Record("Generator", {"state": value.get_state()})
        if torch and isinstance(value, torch.nn.Module):
            return self.module(value, path)
        if isinstance(value, random.Random):
            return Record("Random", {"state": self.settle(value.getstate(), path)})
        if numpy and isinstance(value, numpy.random.Generator):
            return Record("Generator", {"state": self.settle(value.bit_generator.state, path)})
        if dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            parts = {name: getattr(value, name) for name in names if hasattr(value, name)}
        else:
            parts = public(value)
        return Record(type_name(value), {name: self.settle(part, path) for name, part in parts.items()})

    def module(self, value: Any, path: tuple) -> Record:
        """Parameters, buffers, parts, mode, hooks, and what else the module's author put on it."""
        parts = {}
        for group in ("_parameters", "_buffers", "_modules"):
            parts |= value.__dict__.get(group, {})
        parts |= public(value)
        hooks = [held for name, held in value.__dict__.items() if name.endswith("_hooks")]
        parts["number of hooks"] = sum(len(held) for held in hooks if isinstance(held, dict))
        return Record(type_name(value), {name: self.settle(part, path) for name, part in parts.items()})


def public(value: Any) -> dict[str, Any]:
    """The attributes of an object that are its own and not private: those may be caches."""
    held: dict[str, Any] = {}
    with contextlib.suppress(AttributeError, TypeError):
        held |= object.__getattribute__(value, "__dict__")
    for family in type(value).__mro__:
        slots = family.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            with contextlib.suppress(AttributeError):
                held[name] = object.__getattribute__(value, name)
    return {name: part for name, part in held.items() if isinstance(name, str) and name[:1] != "_"}


def real(value: Fraction | Decimal) -> int | float:
    """A fraction or decimal number as an int where it is a whole one, else as a float."""
    try:
        number = float(value)
    except (OverflowError, ValueError):  # too large, or a signaling NaN
        return NAN if value != value else math.copysign(math.inf, value)
    if math.isfinite(number) and abs(number) < 2**200 and value == int(value):
        return int(value)
    return number if number == number else NAN


def as_list(value: Any) -> list | None:
    """What an answer gives as a list of plain data: of a list, tuple, array, tensor, range, generator.

    None where it is none of these. For an exercise's `call`, which must not care for the container.
    """
    found = settle(value)
    torch = module_of("torch")
    if torch and isinstance(found, torch.Tensor):
        return found.tolist() if found.dim() else None
    return list(found) if isinstance(found, list | tuple) else None


def as_number(value: Any) -> int | float | None:
    """What an answer gives as a Python number: any kind of number, a tensor or array without dimensions.

    None where it is none of these, a bool too.
    """
    found = settle(value)
    torch = module_of("torch")
    if torch and isinstance(found, torch.Tensor) and found.dim() == 0:
        found = found.item()
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def as_tensor(value: Any) -> Any:
    """What an answer gives as a tensor: one as it is, with its graph; of arrays, numbers, nested lists.

    None where it is none of these, or where its rows have different lengths.
    """
    torch = module_of("torch")
    if isinstance(value, torch.Tensor):
        return value
    return tensor_of(settle(value))


def tensor_of(found: Any) -> Any:
    """Plain data as a tensor, int64, float64 or bool; None where it is none."""
    torch = module_of("torch")
    if isinstance(found, torch.Tensor):
        return found
    numbers: list[Any] = []

    def shape_of(item: Any) -> tuple[int, ...] | None:
        if isinstance(item, torch.Tensor):
            numbers.extend(item.flatten().tolist())
            return tuple(item.shape)
        if isinstance(item, list | tuple):
            shapes = {shape_of(part) for part in item}
            if len(shapes) > 1 or None in shapes:
                return None
            return (len(item), *(shapes.pop() if shapes else ()))
        numbers.append(item)
        return () if isinstance(item, int | float | complex) else None

    shape = shape_of(found)
    mixed = {type(number) is bool for number in numbers} == {True, False}
    if shape is None or mixed:
        return None
    if not numbers:
        return torch.zeros(shape, dtype=torch.float64)
    kind = next(kind for kind in (complex, float, int, bool) if any(type(n) is kind for n in numbers))
    dtypes = {complex: torch.complex128, float: torch.float64, int: torch.int64, bool: torch.bool}
    try:
        return torch.tensor(numbers, dtype=dtypes[kind]).reshape(shape)
    except (OverflowError, RuntimeError, ValueError):  # an int of more than 64 bits
        return None
