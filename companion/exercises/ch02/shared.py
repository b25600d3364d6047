"""What several checks of chapter 2 use."""

import torch

from companion.exercises.exercise import Problem
from companion.exercises.settle import as_list, tensor_of


def named(found, names, wanted):
    """An answer's several tensors by name, each in whatever it is given, and their types.

    Arrays and nested lists count as tensors; those of bool have no type to tell, others must be int64.
    """
    parts = as_list(found)
    if parts is None or len(parts) != len(names):
        raise Problem(wanted)
    table = dict(zip(names, parts, strict=True))
    for name, part in list(table.items()):
        tensor = tensor_of(part)
        if tensor is not None:
            table[name] = tensor
            if tensor.dtype != torch.bool:
                table[f"type of {name}"] = str(tensor.dtype)
    return table
