"""A GGUF file, read by the library `gguf`: its header, and its tensors one by one in float32."""

import struct
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
import torch
from gguf import GGUFValueType

from companion.runtime.terminal import joined_lines

SUFFIX = ".gguf"
ARCHITECTURES = {"gpt2": "gpt2", "llama": "llama", "qwen2": "llama", "qwen3": "llama"}
"""What general.architecture may be -> the family of chapter 11 whose parts it has."""
READABLE = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K")
"""What a tensor may be held in, in the library's words."""

AT_ONCE = 2**24
"""Bytes of a tensor that is dequantized in one go, which is fastest and takes most memory."""


def is_gguf(path: str | Path) -> bool:
    """Return whether a path names a GGUF file: it ends in .gguf, and is no folder."""
    path = Path(path)
    return path.suffix.lower() == SUFFIX and not path.is_dir()


def tensor_names(architecture: str, n_layers: int) -> gguf.TensorNameMap:
    """Return the library's map from Hugging Face's names of tensors to those of a GGUF file."""
    numbers = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}
    return gguf.get_tensor_name_map(numbers[architecture], n_layers)


class FastReader(gguf.GGUFReader):
    """The library's reader, and its arrays taken at once.

    The library makes an array of each item: of a vocabulary of 49,152 tokens that takes four seconds. What
    is replaced is a private method of gguf 0.19.0, so pyproject.toml pins this version.
    """

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> tuple[int, list, list, list]:
        if raw_type != GGUFValueType.ARRAY:
            return super()._get_field_parts(orig_offs, raw_type)
        kind, n = struct.unpack_from("<IQ", self.data, orig_offs)
        kind = GGUFValueType(kind)
        start = end = orig_offs + 12
        if kind in self.gguf_scalar_to_np:
            parts = [self._get(start, self.gguf_scalar_to_np[kind], n)]
            return 12 + parts[0].nbytes, parts, [0], [GGUFValueType.ARRAY, kind]
        data = memoryview(self.data)
        parts = []
        for _ in range(n):
            start = end + 8
            end = start + struct.unpack_from("<Q", data, end)[0]
            parts.append(data[start:end])
        return end - orig_offs, parts, list(range(n)), [GGUFValueType.ARRAY, kind]


class StoredTensor(NamedTuple):
    """A tensor in a file: one of READABLE, its shape as PyTorch has it, its bytes, mapped."""

    kind: str
    shape: tuple[int, ...]
    data: np.ndarray


class GGUFFile:
    """A GGUF file whose header was read.

    Args:
        path: The file.

    Attributes:
        header: The value of each key, which is a number, a text, a bool or a list of these.
        tensors: Each tensor by its name.

    Raises:
        ValueError: In one line, for what is no GGUF file, or not a whole one, for one part of several, and
            for a tensor that is stored in a format that is not in READABLE.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            reader = FastReader(path)
            fields = {key: field for key, field in reader.fields.items() if not key.startswith("GGUF.")}
            self.header: dict[str, Any] = {key: field.contents() for key, field in fields.items()}
        except Exception as error:  # the library checks little, and says so in many ways
            problem = joined_lines(error)
            raise ValueError(f"{path} is no whole GGUF file ({problem}); fetch it again") from None
        n_parts = self.header.get("split.count", 1)
        if n_parts != 1:
            raise ValueError(f"{path} is one of {n_parts} parts; join them first: llama-gguf-split --merge")
        self.tensors: dict[str, StoredTensor] = {}
        for stored in reader.tensors:
            kind = stored.tensor_type.name
            if kind not in READABLE:
                raise ValueError(f"{path}: {stored.name} is held in {kind}; read are {', '.join(READABLE)}")
            shape = tuple(reversed(stored.shape.tolist()))
            self.tensors[stored.name] = StoredTensor(kind, shape, stored.data)

    def tensor(self, name: str) -> torch.Tensor:
        """Return one tensor, dequantized to float32 by the library."""
        kind, shape, data = self.tensors[name]
        if len(data) % 16 == 0 and data.nbytes <= AT_ONCE:
            data = data.reshape(16, -1)  # the library takes 16 rows at a time, so this is all of them
        elif len(data) % 4 == 0:
            data = data.reshape(len(data) // 4, -1)  # fewer and longer rows are faster
        numbers = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[kind])
        return torch.from_numpy(np.require(numbers, requirements="W")).view(shape)  # a copy, if not writable
