"""Where to compute and in which number format, how long it takes, and whether a model fits there."""

import math
import os
import timeit
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MAX_LAYERS = 1000  # of a model that is built without numbers, which takes a millisecond or more a layer


def pick_device(name: str = "auto") -> torch.device:
    """Return the named device; for auto CUDA, else MPS, else the CPU.

    Raises:
        ValueError: For an unknown name, and for a device that is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in there if there[kind])
    kind, colon, number = name.partition(":")
    if kind not in there or (colon and not number.isdecimal()):
        raise ValueError(f"device={name!r} must be auto, cpu, cuda, cuda:0 (or another) or mps")
    n_devices = torch.cuda.device_count() if kind == "cuda" else 1
    if not there[kind] or int(number or 0) >= n_devices:
        here = ", ".join(k for k in there if there[k]) + "; use one of these, or auto"
        raise ValueError(f"device={name!r} is not there: PyTorch sees only {here}")
    return torch.device(name)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a GPU of NVIDIA's, or an x86 processor, has instructions for products in bfloat16.

    Without them a product is imitated, at a hundredth of the speed on some processors.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(flags.get(name) for name in ("avx512_bf16", "amx_bf16"))


CPU_MULTIPLIES_BFLOAT16 = multiplies_bfloat16(torch.device("cpu"))


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the number format to multiply in.

    Args:
        name: float32, bfloat16, or auto for bfloat16 where multiplies_bfloat16 is True.
        device: The device to compute on.

    Raises:
        ValueError: For another name.
    """
    if name not in ("auto", *DTYPES):
        raise ValueError(f"dtype={name!r} must be auto, float32 or bfloat16")
    if name == "auto":
        name = "bfloat16" if multiplies_bfloat16(device) else "float32"
    return DTYPES[name]


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Inside, products run in dtype; for float32 nothing changes."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def move(batch: Any, device: torch.device) -> Any:
    """A batch on a device: a tensor, or tuples, lists and dicts of such. What is no tensor stays."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return type(batch)(move(value, device) for value in batch)
    return batch


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest time of a few runs of work(), in seconds.

    The shortest is taken because whatever else the machine does only makes a run longer.

    Args:
        work: The function to time.
        repeats: Number of runs.
    """
    return min(timeit.repeat(work, number=1, repeat=repeats))


# -- memory ------------------------------------------------------------------


def memory() -> float:
    """Bytes of memory of this machine; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


class NoNumbers(TorchFunctionMode):
    """Leaves out what only gives numbers to tensors on the meta device, which have none.

    PyTorch does it there in Python, for which it first imports its compiler and SymPy: up to four seconds.
    """

    IN_PLACE = (torch.Tensor.normal_, torch.Tensor.mul_, nn.init.normal_)
    PRODUCT = (torch.Tensor.mul, torch.Tensor.__mul__)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.randn:
            return torch.empty(*args, **kwargs)
        tensor = args[0] if args else kwargs.get("tensor")
        if isinstance(tensor, torch.Tensor) and tensor.is_meta:
            if func in self.IN_PLACE:
                return tensor
            if func in self.PRODUCT and tensor.is_floating_point() and isinstance(args[1], float):
                return torch.empty(tensor.shape, dtype=tensor.dtype)
        return func(*args, **kwargs)


@contextmanager
def without_numbers() -> Iterator[None]:
    """Modules that are made here have shapes and no numbers (on the meta device)."""
    with torch.device("meta"), NoNumbers():
        yield


def empty_model(config: Any, build: Callable[[Any], nn.Module], copies: int = 1) -> nn.Module:
    """Return a model without numbers, after a check that this machine's memory can hold it with numbers.

    Args:
        config: The model's configuration.
        build: Makes a model from a configuration.
        copies: How many times the weights are held. Training with AdamW needs 4, because it also keeps a
            gradient and two averages of each weight.

    Raises:
        ValueError: In one line, if the model does not fit, or has more than MAX_LAYERS layers.
    """
    if config.n_layers > MAX_LAYERS:
        raise ValueError(f"n_layers={config.n_layers} must be at most {MAX_LAYERS:,}; make the model smaller")
    try:
        with without_numbers():
            model = build(config)
        needed = copies * sum(p.numel() * p.element_size() for p in model.parameters())
    except (RuntimeError, TypeError, OverflowError):  # for sizes that PyTorch cannot count
        needed = math.inf
    there = memory()
    if needed > there or math.isinf(needed):
        sizes = ", ".join(f"{name}={getattr(config, name)}" for name in ("vocab_size", "n_layers", "d_model"))
        much = "more than any machine has" if needed > 1e15 else f"{needed / 1e9:,.0f} GB"
        held = "this one's memory" if math.isinf(there) else f"the {there / 1e9:,.0f} GB of this machine"
        raise ValueError(f"a model of {sizes} needs {much}, over {held}; make it smaller")
    return model
