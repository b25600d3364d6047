"""draft"""
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from companion.gpt import GPT
from companion.lora import linear_layers, replace_linear, swap
from companion.runtime.checkpoints import write_model
from companion.runtime.checks import whole_number
from companion.runtime.files import staged
from companion.runtime.int8 import int8_product


def round_to_grid(weight: Tensor, bits: int, group: int | None = None) -> tuple[Tensor, Tensor]:
    """Round to nearest: (out, in) float -> integers (out, in) int8, scale (out, in / group) float16.

    bits: 2 to 8. group: numbers of a row that share a scale; None, the whole row. restore undoes it, but for
    half a scale in each number. Raises ValueError for bits out of range and a group that does not divide in.
    """
    if whole_number("bits", bits, 2, "try 8") > 8:
        raise ValueError(f"bits={bits} must be at most 8; try 8 or 4")
    group = weight.shape[1] if group is None else whole_number("group", group, 1, "try 32")
    if weight.shape[1] % group:
        raise ValueError(f"group={group} must divide {weight.shape[1]}, the length of a row; try 32")
    most = 2 ** (bits - 1) - 1  # n
    parts = weight.detach().float().unflatten(1, (-1, group))  # (out, in / group, group)
    scale = (parts.abs().amax(-1) / most).half()  # equation (1)
    scale = scale.where(scale > 0, 1.0)  # a group of zeros
    integers = (parts / scale[..., None]).round().clamp(-most, most)
    return integers.flatten(1).to(torch.int8), scale


def restore(integers: Tensor, scale: Tensor) -> Tensor:
    """Integers (..., in), scale (..., in / group) -> float32 (..., in): each integer times its scale."""
    parts = integers.float().unflatten(-1, (scale.shape[-1], -1))  # (..., in / group, group)
    return (parts * scale.float()[..., None]).flatten(-2)


def pack(integers: Tensor) -> Tensor:
    """int8 (..., in), from -8 to 7 -> uint8 (..., in / 2): two in a byte, the first in the low half."""
    low, high = integers[..., 0::2], integers[..., 1::2]
    return ((low & 15) | (high << 4)).view(torch.uint8)


def unpack(packed: Tensor) -> Tensor:
    """What pack was given: uint8 (..., in / 2) -> int8 (..., in)."""
    both = torch.stack([packed << 4, packed], dim=-1).view(torch.int8)  # each in the high half
    return (both >> 4).flatten(-2)  # moved down; of int8, >> keeps the sign


class QuantizedLinear(nn.Linear):
    """A frozen linear layer whose matrix is integers and scales. (..., in) -> (..., out).

    integers, scale: as round_to_grid gives them, (out, in) and (out, in / group). bias: (out,) or None.
    weight is the matrix in float32, computed anew at each look: nothing that is assigned to it would last.
    """

    bits = 8

    def __init__(self, integers: Tensor, scale: Tensor, bias: Tensor | None = None):
        nn.Module.__init__(self)  # not Linear's own, which makes a matrix of floats
        self.out_features, self.in_features = integers.shape
        self.group = None if scale.shape[1] == 1 else self.in_features // scale.shape[1]
        self.register_buffer("kept", self.keep(integers))
        self.register_buffer("scale", scale)
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias.detach(), False))

    def keep(self, integers: Tensor) -> Tensor:
        return integers

    def integers(self) -> Tensor:
        return self.kept

    @property
    def weight(self) -> Tensor:
        return restore(self.integers(), self.scale)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Int8Linear(QuantizedLinear):
    """8 bits a number. A large matrix is multiplied by PyTorch's int8 kernel, which rounds the input, too.

    Where there is no such kernel, or a gradient is wanted, the result is that of the floats: the same, but
    for the rounding of the input, to 7 bits (a step of 1/127 of what a row reads at most).
    Source: Jacob et al., 2017 (arXiv:1712.05877), section 2; the input's scale is found anew each time.
    """

    def forward(self, x: Tensor) -> Tensor:
        y = int8_product(x, self.kept, self.scale, self.bias)
        return super().forward(x) if y is None else y


class Int4Linear(QuantizedLinear):
    """4 bits a number, two in a byte. Rows have an even length. Its product is that of the floats."""

    bits = 4

    def keep(self, integers: Tensor) -> Tensor:
        return pack(integers)

    def integers(self) -> Tensor:
        return unpack(self.kept)


class QuantizedRows(nn.Module):
    """An embedding whose table is a quantized layer's matrix: (B, T) int64 -> (B, T, C), or any shape.

    layer: an Int8Linear (V, C); where the model's head scores with the same rows, it is the head, too.
    Raises ValueError for a token that has no row.
    """

    def __init__(self, layer: Int8Linear):
        super().__init__()
        self.layer = layer

    @property
    def weight(self) -> Tensor:
        return self.layer.weight

    def forward(self, tokens: Tensor, start=0) -> Tensor:
        size = self.layer.out_features
        if tokens.numel() and not 0 <= tokens.min() <= tokens.max() < size:
            low, high = tokens.min().item(), tokens.max().item()
            raise ValueError(f"tokens go from {low} to {high}, but the table has rows 0 to {size - 1}")
        return restore(self.layer.kept[tokens], self.layer.scale[tokens])  # (B, T) -> (B, T, C)


@torch.no_grad()
def calibrate(model: GPT, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[nn.Linear, Tensor]:
    """Each linear layer of the blocks -> H (in, in), the mean of x x^T over all that it reads.

    batches: at least one (tokens, targets), (B, T) int64 each; what stands where a target is -100 is left out.
    Raises ValueError where nothing is left.
    """
    grams, hooks, count = {}, [], 0
    for layer in linear_layers(model).values():
        grams[layer] = torch.zeros(layer.in_features, layer.in_features)

        def add(layer, inputs):
            x = inputs[0][real].cpu()  # (B, T, in) -> (N, in)
            grams[layer] += x.T @ x

        hooks.append(layer.register_forward_pre_hook(add))  # called with what the layer is about to read
    try:
        for tokens, targets in batches:
            real = targets != -100
            count += int(real.sum())
            model(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    if not count:
        raise ValueError("batches hold no token to calibrate with; give a few texts")
    return {layer: gram / count for layer, gram in grams.items()}


@torch.no_grad()
def corrected(
    weight: Tensor, gram: Tensor, bits: int, group: int | None = None, damp: float = 0.3
) -> tuple[Tensor, Tensor]:
    """As round_to_grid, but columns are rounded in turn, and later ones make up for the errors of earlier.

    weight: (out, in). gram: H (in, in), what calibrate gives. damp: added to its diagonal, as a share of the
    diagonal's mean. Source: Frantar et al., 2022 (arXiv:2210.17323), algorithm 1.
    """
    width, most = weight.shape[1], 2 ** (bits - 1) - 1
    round_to_grid(weight, bits, group)  # raises what there is to raise
    left, gram = weight.detach().double().clone(), gram.double()
    lam = damp * gram.diagonal().mean().clamp(min=1e-30)
    U = torch.linalg.cholesky(torch.linalg.inv(gram + lam * torch.eye(width)), upper=True)
    integers, scales = [], []
    for j in range(width):
        if j % (group or width) == 0:
            scale = round_to_grid(left[:, j : j + (group or width)], bits)[1]  # (out, 1)
            scales.append(scale)
        step = scale[:, 0].double()
        integers.append((left[:, j] / step).round().clamp(-most, most))
        error = left[:, j] - step * integers[-1]
        left[:, j:] -= error[:, None] / U[j, j] * U[j, j:]  # equation (2)
    return torch.stack(integers, 1).to(torch.int8), torch.cat(scales, 1)


def quantize(model: GPT, bits: int = 8, group: int | None = None, grams: Mapping | None = None) -> GPT:
    """Put quantized layers into a model's blocks, and 8 bits a number into its token table and head; in place.

    bits: 8 or 4. group: as in round_to_grid. grams: what calibrate gave, to correct with; None, nearest.
    The model is frozen, and returned. Raises ValueError for what does not fit, before anything is changed.
    """
    layers, kind = linear_layers(model), {8: Int8Linear, 4: Int4Linear}.get(bits)
    if kind is None:
        raise ValueError(f"bits={bits!r:.40} must be 8 or 4")
    if any(isinstance(layer, QuantizedLinear) for layer in layers.values()):
        raise ValueError("model is quantized already; load the one that it was made of")
    for width in {layer.in_features for layer in layers.values()}:
        if group is not None and width % whole_number("group", group, 1, "try 32"):
            raise ValueError(f"group={group} must divide {width}, the length of a row; try 32")
        if bits == 4 and width % 2:
            raise ValueError(f"bits=4 puts two numbers in a byte, and rows have {width}; try 8")

    def make(layer):
        if grams is None:
            return kind(*round_to_grid(layer.weight, bits, group), layer.bias)
        return kind(*corrected(layer.weight, grams[layer], bits, group), layer.bias)

    replace_linear(model.requires_grad_(False), None, make)
    place = "embed.token" if hasattr(model.embed, "token") else "embed"
    table = Int8Linear(*round_to_grid(model.get_submodule(place).weight, 8))
    own = model.head and Int8Linear(*round_to_grid(model.head.weight, 8), model.head.bias)
    swap(model, {place: QuantizedRows(table)})
    model.head = own or table
    return model


def save_quantized(folder: str | Path, model: GPT, tokenizer, provenance: dict | None = None) -> None:
    """Write a quantized model, as save_checkpoint does; companion.load reads it.

    Raises ValueError for a model that is not quantized.
    """
    found = [layer for layer in linear_layers(model).values() if isinstance(layer, QuantizedLinear)]
    if not found:
        raise ValueError("model is not quantized; call quantize first, or save_checkpoint")
    scheme = {"bits": found[0].bits, "group": found[0].group}
    with staged(folder) as new:
        write_model(new, model, tokenizer, provenance, quantization=scheme)
