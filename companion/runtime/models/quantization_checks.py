"""What quantizing a model needs and chapter 19 does not teach: checks, before anything is changed."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from companion.runtime.files.arguments import finite, whole_number

SMALLEST, LARGEST = 2**-17, 65504.0  # between these, float16 holds a scale to 7 bits or more


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
    """Raise ValueError or TypeError, in one line, for what `quantize` cannot do.

    layers: path -> linear layer of the model's blocks. The rest as for quantize.
    """
    if bits not in (8, 4):
        raise ValueError(f"bits={bits!r:.40} must be 8 or 4")
    if not (hasattr(model, "embed") and hasattr(model, "head")):
        rule = "must be a GPT, with a token table and a head"
        raise TypeError(f"model is of the class {type(model).__name__}, and {rule}")
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
        rule = f"each of {tuple(tokens.shape)} tokens; leave grams out"
        raise ValueError(
            f"a layer reads {tuple(inputs.shape[:-1])} vectors, and calibrate needs one for {rule}"
        )
