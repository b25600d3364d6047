"""PyTorch's own product with a matrix of int8, for processors that have one.

The kernel (FBGEMM or oneDNN on x86, QNNPACK on ARM) rounds what it is multiplied by, too: to 7 bits on x86,
so that sums of two products fit into 16 bits where there is no VNNI, and to 8 with QNNPACK. It multiplies
integers, and adds them up exactly. It has one grid for all rows; each row is divided by its largest number
first, so that the grid is the same whatever the other rows are. It wants the matrix in an order of its own,
which is made at the first product and kept as long as the matrix lives: so such a matrix is held twice.
"""

import warnings

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["MANY", "int8_product"]

MANY = 2**18
"""Numbers of a matrix from which on the kernel is asked: below, a cache of the processor holds the matrix."""
ORDERED = WeakTensorKeyDictionary()
"""Matrix of integers -> (versions, its scale, the kernel's own order), or None where there is no kernel."""


def int8_product(x: Tensor, integers: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor | None:
    """x (..., in) times integers (out, in) int8 and scale (out, 1), plus bias (out,): (..., out).

    A row's result depends on no other row. None where that cannot be had, or gains nothing: a small matrix,
    a gradient to be taken, a scale for less than a row, other numbers than float32, another device, no
    kernel. Then multiply by integers * scale: the same but for the rounding of x.
    """
    if integers.numel() < MANY or scale.shape[1] > 1 or integers.is_inference() or scale.is_inference():
        return None
    learning = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, scale, bias))
    if x.dtype != torch.float32 or x.device.type != "cpu" or learning:
        return None
    versions, found = (integers._version, scale._version), ORDERED.get(integers)
    if found is None or found[0] != versions or found[1] is not scale:
        found = ORDERED[integers] = (versions, scale, in_order(integers, scale))
    if (matrix := found[2]) is None:
        return None
    with torch.no_grad():
        rows = x.reshape(-1, x.shape[-1])  # (N, in)
        size = rows.abs().amax(-1, keepdim=True).clamp(min=1e-30)  # (N, 1)
        y = (on_one_grid(rows / size, matrix) * size).view(*x.shape[:-1], len(integers))
        return y if bias is None else y + bias


def on_one_grid(rows: Tensor, matrix) -> Tensor:
    """rows (N, in), from -1 to 1 and rounded to one grid, times a matrix that is in order: (N, out)."""
    if torch.backends.quantized.engine in ("x86", "fbgemm"):
        return torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(rows, 1 / 63, 64, matrix)
    ends = rows.new_tensor([[-1.0], [1.0]]).expand(2, rows.shape[1])  # this kernel's grid spans what it gets
    # oneDNN's sums of 8 bits overflow on x86 without VNNI, so it gets 7. QNNPACK has no such choice.
    seven_bits = torch.backends.quantized.engine == "onednn"
    given = torch.cat([rows.nan_to_num(), ends])
    return torch.ops.quantized.linear_dynamic(given, matrix, reduce_range=seven_bits)[:-2]


def in_order(integers: Tensor, scale: Tensor):
    """The matrix as the kernel wants it; None where PyTorch was built without one."""
    if torch.backends.quantized.engine == "none":
        return None
    zero = torch.zeros(len(integers), dtype=torch.int64)
    try:
        with warnings.catch_warnings():  # PyTorch will remove this way one day: then the plain product
            warnings.simplefilter("ignore")
            matrix = torch._make_per_channel_quantized_tensor(integers, scale[:, 0].double(), zero, 0)
            return torch.ops.quantized.linear_prepack(matrix, None)
    except (AttributeError, RuntimeError):
        return None
