"""Linear layers and causal attention of a training step, compiled: the same as in products.py and kernels.py.

By itself torch.compile sends both to PyTorch's own operations. Here a pass over the model's graph, before the
gradient is worked out, puts operations in their place that torch.compile calls and does not look into.
"""

from contextlib import AbstractContextManager
from operator import getitem

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._inductor import config
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

from companion.runtime import kernels, products

__all__ = ["faster_compiled"]


def faster_compiled() -> AbstractContextManager:
    """Inside, torch.compile takes these operations, in float32 on a CPU, for inputs of fixed sizes."""
    return config.patch(pre_grad_custom_pass=_Pass())


class _Pass(CustomGraphPass):
    def __call__(self, graph: Graph) -> None:
        for node in graph.nodes:
            if node.target is F.linear and not node.kwargs and _is_large(*node.args[:2]):
                node.target, node.args = torch.ops.companion.linear.default, (*node.args, None)[:3]
            if node.target is F.scaled_dot_product_attention and _is_causal(node):
                attention = torch.ops.companion.attention.default
                with graph.inserting_before(node):
                    both = graph.call_function(attention, node.args[:3])
                node.target, node.args, node.kwargs = getitem, (both, 0), {}

    def uuid(self) -> bytes:  # for PyTorch's cache of compiled graphs
        return get_hash_for_files((__file__, products.__file__, kernels.__file__))


def _usual(*nodes: Node) -> list[Tensor] | None:
    """What stands for the values of nodes, if all are float32, on a CPU, and of fixed sizes."""
    values = [node.meta["example_value"] for node in nodes]
    usual = all(x.is_cpu and x.dtype == torch.float32 and type(x.numel()) is int for x in values)
    return values if usual else None


def _is_large(x: Node, weight: Node) -> bool:
    values = _usual(x, weight)
    return values is not None and values[0].numel() >= products.LEAST and products.onednn_is_faster()


def _is_causal(attention: Node) -> bool:
    """Whether it is causal attention without a mask and without dropout, of sizes that blocks are for."""
    plain = attention.args[3:] == (None, 0.0) and attention.kwargs == {"is_causal": True}
    values = _usual(*attention.args[:3]) if plain else None
    return values is not None and kernels.blocks_fit(*values)


# -- linear layers --------------------------------------------------------------


@torch.library.custom_op("companion::linear", mutates_args=())
def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return products.product(x, weight, bias)  # (..., I), (O, I), (O,) -> (..., O)


@_linear.register_fake
def _(x, weight, bias):
    return x.new_empty(*x.shape[:-1], len(weight))


@torch.library.custom_op("companion::linear_backward", mutates_args=())
def _linear_backward(dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    dw = products.weight_gradient(dy, x)
    return products.product(dy, weight.T), dw.contiguous()  # dx (N, I), dW (O, I)


@_linear_backward.register_fake
def _(dy, x, weight):
    return x.new_empty(x.shape), weight.new_empty(weight.shape)


def _keep_layer(ctx, inputs, output):
    x, weight, bias = inputs
    ctx.save_for_backward(x, weight)
    ctx.biased = bias is not None


def _layer_gradients(ctx, dy):
    x, weight = ctx.saved_tensors
    dy = dy.flatten(0, -2)  # (N, O)
    dx, dw = _linear_backward(dy, x.flatten(0, -2), weight)
    return dx.view(x.shape), dw, dy.sum(0) if ctx.biased else None


_linear.register_autograd(_layer_gradients, setup_context=_keep_layer)


# -- attention ------------------------------------------------------------------


@torch.library.custom_op("companion::attention", mutates_args=())
def _attention(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, list[Tensor]]:
    k, v = (x.clone(memory_format=torch.contiguous_format) for x in (k, v))  # no output may be an input
    return kernels.attention_in_blocks(q, k, v)


@_attention.register_fake
def _(q, k, v):
    heads, n, width = q.shape[0] * q.shape[1], *q.shape[2:]
    blocks = [q.new_empty(heads, b - a, b) for a, b in kernels.edges(n, q.dtype)]
    return torch.empty_like(q), [q.new_empty(heads, n, width) for _ in range(3)] + blocks


@torch.library.custom_op("companion::attention_backward", mutates_args=())
def _attention_backward(d_out: Tensor, kept: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    return kernels.attention_gradients(d_out, *kept)


@_attention_backward.register_fake
def _(d_out, kept):
    return torch.empty_like(d_out), d_out.new_empty(d_out.shape), d_out.new_empty(d_out.shape)


def _keep_weights(ctx, inputs, output):
    ctx.save_for_backward(*output[1])


def _attention_gradients(ctx, d_out, _):
    return _attention_backward(d_out, list(ctx.saved_tensors))


_attention.register_autograd(_attention_gradients, setup_context=_keep_weights)
