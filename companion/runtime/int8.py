"""PyTorch's own product with a matrix of int8, for processors that have one.

The kernel (FBGEMM on x86, QNNPACK on ARM) rounds what it is multiplied by, too: to 7 bits on x86, so that
sums of two products fit into 16 bits where there is no VNNI, and to 8 with QNNPACK. It multiplies integers,
and adds them up exactly. It wants the matrix in an order of its own, which is made at the first product and
kept as long as the matrix lives: so a matrix that is used this way is held twice.
"""

import warnings

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["MANY", "int8_product"]

MANY = 2**18
"""Numbers of a matrix from which on the kernel is asked: below, a cache of the processor holds the matrix."""
ORDERED = WeakTensorKeyDictionary()
"""Matrix of integers -> (its version, the bias, the kernel's own order), or None where there is no kernel."""


def int8_product(x: Tensor, integers: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor | None:
    """x (..., in) times integers (out, in) int8 and scale (out, 1), plus bias (out,): (..., out).

    None where that cannot be had, or gains nothing: a small matrix, a gradient to be taken, a scale for less
    than a row, other numbers than float32, another device, no kernel. Then multiply by integers * scale: the
    same but for the rounding of x.
    """
    if integers.numel() < MANY or scale.shape[1] > 1 or integers.is_inference():
        return None
    if x.dtype != torch.float32 or x.device.type != "cpu" or (x.requires_grad and torch.is_grad_enabled()):
        return None
    mark, found = (integers._version, scale._version), ORDERED.get(integers)
    if found is None or found[0] != mark or found[1] is not bias:
        found = ORDERED[integers] = (mark, bias, in_order(integers, scale, bias))
    if found[2] is None:
        return None
    short = torch.backends.quantized.engine != "qnnpack"  # 7 bits
    with torch.no_grad():
        if x.numel() == x.shape[-1]:
            return torch.ops.quantized.linear_dynamic(x, found[2], short)
        size = x.abs().amax(-1, keepdim=True).clamp(min=1e-30)  # the kernel has one scale for all rows
        y = torch.ops.quantized.linear_dynamic(x / size, found[2], short)
        return y * size if bias is None else (y - bias) * size + bias


def in_order(integers: Tensor, scale: Tensor, bias: Tensor | None):
    """The matrix as the kernel wants it; None where PyTorch was built without one."""
    if torch.backends.quantized.engine == "none":
        return None
    zero = torch.zeros(len(integers), dtype=torch.int64)
    try:
        with warnings.catch_warnings():  # PyTorch will remove this way one day: then the plain product
            warnings.simplefilter("ignore")
            matrix = torch._make_per_channel_quantized_tensor(integers, scale[:, 0].double(), zero, 0)
            return torch.ops.quantized.linear_prepack(matrix, None if bias is None else bias.detach().float())
    except (AttributeError, RuntimeError):
        return None
