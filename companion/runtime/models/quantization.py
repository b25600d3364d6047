"""What chapter 19 uses and does not teach: checks of arguments, and PyTorch's own product with int8.

The product is for processors that have one.

The kernel (FBGEMM or oneDNN on x86, QNNPACK on ARM) multiplies integers by integers, so it also needs the
inputs as integers. On x86 these have 7 bits: AVX2 adds the products of two neighbors in 16 bits, and with
inputs of 8 bits such a sum overflows without a warning. Inputs of 7 bits are too coarse for a model with
outliers, where one number sets the scale of a whole row and most other numbers are rounded to 0.

So each input is written as two integers, a high and a low digit, as 37 is written as 3 and 7. The low digit
is what the high digit left over, on a grid that is 126 times finer. Both digits are rows of one product, so
the matrix is read from memory only once. The sums are exact, and an input is off by at most a sixteen
thousandth part of its row's largest number, as with about 14 bits.

The kernel wants the matrix in an order of its own. It is made at the first product and kept as long as the
matrix lives and its scale is the same, so such a matrix is held twice. To change single integers of a matrix
in place, make another tensor.
"""

import math
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from companion.runtime.files.arguments import finite, whole_number

MANY = 100_000
"""Numbers of a matrix from which on the kernel is asked: below, to prepare the inputs takes longer than to
restore the matrix."""
ORDERED = WeakTensorKeyDictionary()
"""Matrix of integers -> (its scale, the kernel's own order), or None where there is no kernel."""
LARGEST_DIGIT = 63  # a digit is a whole number from -63 to 63, which fits into 7 bits
FINER = 2 * LARGEST_DIGIT
"""How many steps of the low digit make one of the high digit, of which half a step is left over at most."""


def int8_product(x: Tensor, integers: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor | None:
    """Multiply float32 inputs by a matrix of int8 with PyTorch's kernel.

    The result of a row depends on no other row.

    Args:
        x: The inputs.
        integers: The matrix, int8.
        scale: The step of each row of the matrix.
        bias: Added to the result, or None.

    Returns:
        The product, or None if there is no kernel for it, or if the kernel gains nothing: for a small matrix,
        a gradient to be taken, a scale for less than a row, other numbers than float32, or another device.
        The caller then multiplies by integers * scale, which gives the same but for the rounding of x.

    Shape:
        x: (..., in); integers: (out, in); scale: (out, 1); bias: (out,); the result: (..., out).
    """
    if integers.numel() < MANY or scale.shape[1] > 1 or integers.is_inference() or scale.is_inference():
        return None
    learning = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, scale, bias))
    if x.dtype != torch.float32 or x.device.type != "cpu" or learning:
        return None
    found = ORDERED.get(integers)
    if found is None or not torch.equal(found[0], scale):
        found = (scale.clone(), in_order(integers, scale))
        ORDERED[integers] = found
    matrix = found[1]
    if matrix is None:
        return None
    with torch.no_grad():
        rows = x.reshape(-1, x.shape[-1])  # (N, in)
        largest = torch.linalg.vector_norm(rows, math.inf, dim=-1, keepdim=True)  # (N, 1)
        step = largest.clamp(min=1e-30) / LARGEST_DIGIT
        products = times_matrix(two_digits(rows / step), matrix)  # (2 N, out)
        high = products[: len(rows)]
        low = products[len(rows) :]
        y = torch.add(high, low, alpha=1 / FINER) * step
        y = y.view(*x.shape[:-1], len(integers))
        if bias is not None:
            y = y + bias
        return y


def two_digits(rows: Tensor) -> Tensor:
    """Write each number of (N, in), from -63 to 63, as high + low / 126: (2 N, in).

    The high digits of all rows are whole numbers; below them stand the low digits, which the kernel rounds.
    """
    high = rows.round()
    left_over = rows - high  # from -0.5 to 0.5
    return torch.cat([high, left_over * FINER])


def times_matrix(digits: Tensor, matrix) -> Tensor:
    """Round digits (N, in) to whole numbers, and multiply by a matrix in the kernel's order: (N, out)."""
    if torch.backends.quantized.engine in ("x86", "fbgemm"):
        return torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(digits, 1.0, 64, matrix)
    # These kernels choose a grid between the smallest and the largest number that they get. Two more rows
    # make it the grid above: 128 whole numbers for oneDNN, and for QNNPACK 256 numbers half as far apart.
    seven_bits = torch.backends.quantized.engine == "onednn"
    largest = 63.0 if seven_bits else 63.5
    ends = digits.new_tensor([[-64.0], [largest]]).expand(2, digits.shape[1])
    given = torch.cat([digits.nan_to_num(), ends])
    return torch.ops.quantized.linear_dynamic(given, matrix, reduce_range=seven_bits)[:-2]


def in_order(integers: Tensor, scale: Tensor):
    """The matrix as the kernel wants it; None where PyTorch was built without one."""
    if torch.backends.quantized.engine == "none":
        return None
    zero = torch.zeros(len(integers), dtype=torch.int64)
    try:
        with warnings.catch_warnings():  # PyTorch will remove this way one day: then the plain product
            warnings.simplefilter("ignore")
            numbers = integers * scale.float()
            matrix = torch.quantize_per_channel(numbers, scale[:, 0].double(), zero, 0, torch.qint8)
            return torch.ops.quantized.linear_prepack(matrix, None)
    except (AttributeError, RuntimeError):
        return None


SMALLEST = 2**-17
LARGEST = 65504.0  # between these two, float16 holds a scale to 7 bits or more


def narrowed(scale: Tensor) -> Tensor:
    """Positive scales in float16, or as they are where one is too small or too large for it."""
    fits = scale.is_meta or ((scale >= SMALLEST) & (scale <= LARGEST)).all()
    return scale.half() if fits else scale


def keep_types_of_scales(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give the scales of an empty quantized model the types that they have in a file's weights."""
    for name, module in model.named_modules():
        saved = weights.get(f"{name}.scale")
        if hasattr(module, "integers") and saved is not None and saved.dtype == torch.float32:
            module.scale = module.scale.float()


def check_quantizable(
    model: nn.Module, layers: Mapping[str, nn.Linear], bits: int, group: int | None, grams: Mapping | None
) -> None:
    """Check the arguments of `quantize`.

    Args:
        model: As for quantize.
        layers: The linear layers of the model's blocks, by their paths.
        bits: As for quantize.
        group: As for quantize.
        grams: As for quantize.

    Raises:
        ValueError: In one line, for what `quantize` cannot do.
        TypeError: In one line, for a model without a token table and a head, and for a group that is no whole
            number.
    """
    if bits not in (8, 4):
        raise ValueError(f"bits={bits!r:.40} must be 8 or 4")
    if not (hasattr(model, "embed") and hasattr(model, "head")):
        raise TypeError(f"model is of the class {type(model).__name__}, and must be a GPT with a head")
    if any(hasattr(layer, "integers") for layer in layers.values()):
        raise ValueError("model is quantized already; load the one that it was made of")
    kinds = {layer.weight.dtype for layer in layers.values()} - {torch.float32}
    if kinds:
        raise ValueError(f"model's weights are {kinds.pop()}; quantize it in float32, after model.float()")
    for width in sorted({layer.in_features for layer in layers.values()}):
        if group is not None and width % whole_number("group", group, 1, "try 32"):
            raise ValueError(f"group={group} must divide {width}, the length of a row; try 32")
        if bits == 4 and width % 2:
            raise ValueError(f"bits=4 puts two numbers in a byte, and rows have {width}; try 8")
    for name, parameter in model.named_parameters():
        finite(name, parameter, "a model that holds such a number cannot be quantized")
    if grams is not None and not set(layers.values()) <= set(grams):
        raise ValueError("grams are of another model's layers; give what calibrate returns for this one")


def check_places(inputs: Tensor, tokens: Tensor) -> None:
    """Raise ValueError unless a layer reads a vector for each token: inputs (B, T, in), tokens (B, T)."""
    if inputs.shape[:-1] != tokens.shape:
        shapes = f"{tuple(inputs.shape[:-1])} vectors, not {tuple(tokens.shape)}"
        raise ValueError(f"a layer reads {shapes}: calibrate needs one a token; leave grams out")
