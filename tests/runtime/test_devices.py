"""Models without numbers: of the same shapes as others, and made without what only numbers need."""

import subprocess
import sys
import typing

import pytest
import torch

from companion import BUILDERS
from companion.runtime.models.devices import pick_device, without_numbers

SMALL = {"vocab_size": 50, "context_length": 16, "n_layers": 2, "n_heads": 2, "d_model": 16}


def small_model(name: str) -> torch.nn.Module:
    """A model of two blocks, untrained."""
    found = BUILDERS[name]
    kind, build = found if isinstance(found, tuple) else (typing.get_type_hints(found)["config"], found)
    return build(kind(**SMALL))


def described(model: torch.nn.Module) -> dict[str, tuple]:
    """All of its parameters and buffers but their numbers."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return {name: (type(t), t.shape, t.stride(), t.dtype, t.requires_grad) for name, t in tensors}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_model_without_numbers_is_as_one_with_numbers(name):
    with without_numbers():
        empty = small_model(name)
    assert all(tensor.is_meta for tensor in empty.parameters())
    assert described(empty) == described(small_model(name))


def test_what_is_not_on_the_meta_device_is_computed():
    with without_numbers():
        numbers = torch.arange(3, dtype=torch.float32, device="cpu")
        assert (numbers * 2.0).tolist() == [0, 2, 4] and numbers.mul_(3).tolist() == [0, 3, 6]


@pytest.mark.parametrize("name", ["cpu:", "cpu:1", "cpu:x", "mps:1", "tpu"])
def test_a_device_that_is_none_is_named(name):
    with pytest.raises(ValueError, match=f"device='{name}'"):
        pick_device(name)


CODE = """
import sys

import test_devices
from companion.runtime.models.devices import without_numbers

for name in test_devices.BUILDERS:
    with without_numbers():
        test_devices.small_model(name)
    assert not {"sympy", "torch._dynamo"} & set(sys.modules), name
"""


@pytest.mark.gate
def test_no_model_needs_pytorchs_compiler_which_takes_seconds_to_import(request):
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, cwd=request.path.parent)
    assert done.returncode == 0, done.stderr
