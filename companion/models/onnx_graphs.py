"""ONNX: a model as a graph of named operations, which any engine that knows these operations can run.

The graph takes new tokens and what it gave out for those before them, the *past*, of any length, 0 included:
one file reads a prompt, goes on one token at a time, or reads in pieces.

Reference:
    onnx.ai, the operators' reference; torch.onnx.export with dynamo=True.
"""

import logging
import warnings
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

from companion.runtime.files.arguments import whole_number
from companion.runtime.files.atomic import staged
from companion.runtime.terminal import joined_lines
from companion.runtime.text.hugging_face import write_tokenizer

FILE = "model.onnx"
OPSET = 20  # the version of the operators: the first with GELU
LARGEST = 1_900_000_000
"""Bytes that one protobuf file may hold, less some room; weights above it go into a file beside the graph."""


# -- the graph ---------------------------------------------------------------------------


class GraphLayer:
    """A layer's cache inside a graph: what it is given stands before what is appended; nothing is stored.

    Args:
        past: The keys k and values v of earlier tokens and the vectors that each shift remembers, by name.

    Attributes:
        new: The same tensors by name, with the appended tokens.

    Shape:
        k and v: (B, H, P, D); the vectors of a shift: (B, n, C).
    """

    def __init__(self, past: dict[str, torch.Tensor]):
        self.past = past
        self.length = past["k"].shape[2]
        self.new: dict[str, torch.Tensor] = {}

    def append(self, k: torch.Tensor, v: torch.Tensor) -> tuple:
        """New k, v (B, H, T, D) -> all so far (B, H, P + T, D), and the causal mask, (1, 1, T, P + T)."""
        for name, tensor in (("k", k), ("v", v)):
            self.new[name] = torch.cat([self.past[name], tensor], dim=2)
        at = self.length + torch.arange(k.shape[2])  # (T,): the queries' positions
        mask = torch.arange(self.length + k.shape[2]) <= at[:, None]
        return self.new["k"], self.new["v"], mask[None, None]

    def remember(self, name: str, new: torch.Tensor, before: int) -> torch.Tensor:
        """x (B, T, C) behind the vectors before it, (B, before + T, C). The last ones are what is kept."""
        seen = torch.cat([self.past[name], new], dim=1)
        self.new[name] = seen[:, seen.shape[1] - before :]
        return seen


class Graph(nn.Module):
    """A model whose past comes and goes: (tokens (B, T), *past) -> (logits (B, T, V), *new past)."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.names = [past_names(block) for block in model.blocks]

    def forward(self, tokens: torch.Tensor, *past: torch.Tensor) -> tuple[torch.Tensor, ...]:
        layers = []
        start = 0
        for names in self.names:
            end = start + len(names)
            layers.append(GraphLayer(dict(zip(names, past[start:end], strict=True))))
            start = end
        logits = self.model(tokens, SimpleNamespace(layers=layers, length=layers[0].length))
        present = []
        for names, layer in zip(self.names, layers, strict=True):
            present += [layer.new[name] for name in names]
        return logits, *present


def past_names(block: nn.Module) -> list[str]:
    """What the layer of a block keeps: its keys, its values, and the vectors of each shift."""
    return ["k", "v", *(name for name in ("shift_1", "shift_2") if hasattr(block, name))]


def empty_past(model, n_rows: int, length: int) -> list[torch.Tensor]:
    """The past of so many rows and positions, of zeros, in the graph's order."""
    config = model.config
    heads = getattr(config, "n_kv_heads", config.n_heads)
    width = getattr(config, "head_width", config.d_model // config.n_heads)
    past = []
    for block in model.blocks:
        for name in past_names(block):
            shape = (heads, length, width) if name in ("k", "v") else getattr(block, name).weight.shape
            past.append(torch.zeros(n_rows, *shape))
    return past


def check_onnx(config) -> None:
    """Raise ValueError, in one line, for a model that a graph with a past of any length cannot hold."""
    if config.architecture == "experts":
        raise ValueError("architecture=experts has no graph here; train one with --architecture swift")
    if getattr(config, "window", None) is not None:
        raise ValueError(f"window={config.window} has no place in a graph; train a model without a window")


def write_onnx(model, tokenizer, folder: str | Path) -> None:
    """Write a model as a graph, model.onnx, and its tokenizer beside it, whole or not at all.

    The graph's inputs are tokens and past_k_0, past_v_0, and so on. Its outputs are logits and present_k_0,
    and so on, which are the past of the next call. All numbers are float32, whatever the model's type.

    Args:
        model: The model.
        tokenizer: The model's tokenizer.
        folder: The folder to write.

    Shape:
        tokens: (B, T) int64; past and present keys and values: (B, H, P, D); logits: (B, T, V).
        B, T and P may be any numbers, and P may also be 0.

    Raises:
        ValueError: In one line and before any work, for a model with a window of positions or with a mixture
            of experts, and for a tokenizer that is not byte-level BPE.
    """
    check_onnx(model.config)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # of libraries that it lacks
    with staged(folder) as new, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about the exporter's own inside
        write_tokenizer(tokenizer, new)
        graph = Graph(deepcopy(model).float().cpu()).eval()
        kept = []
        for i, names in enumerate(graph.names):
            kept += [f"{name}_{i}" for name in names]
        past = empty_past(model, n_rows=2, length=5)
        sizes = [{0: "batch", 2: "past"} if tensor.ndim == 4 else {0: "batch"} for tensor in past]
        program = torch.onnx.export(
            graph,
            (torch.zeros(2, 3, dtype=torch.int64), *past),
            input_names=["tokens", *(f"past_{name}" for name in kept)],
            output_names=["logits", *(f"present_{name}" for name in kept)],
            dynamic_shapes=({0: "batch", 1: "tokens"}, tuple(sizes)),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # which line of which file here made it: as long as a small model
        program.model.metadata_props["context_length"] = str(model.config.context_length)
        n_bytes = sum(4 * parameter.numel() for parameter in model.parameters())
        program.save(new / FILE, external_data=n_bytes > LARGEST)


# -- an engine ---------------------------------------------------------------------------


class OnnxModel:
    """A graph that write_onnx wrote, run by onnxruntime on the CPU.

    Args:
        folder: The folder of the graph.

    Raises:
        ValueError: In one line, for a folder without a whole graph of ours.
    """

    def __init__(self, folder: str | Path):
        import onnxruntime  # takes half a second, and no other export needs it

        path = Path(folder) / FILE
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors alone
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            self.context_length = int(self.session.get_modelmeta().custom_metadata_map["context_length"])
        except Exception as error:  # onnxruntime has its own, without a common base
            why = joined_lines(error, 80)
            raise ValueError(f"{path} is no whole graph that write_onnx wrote ({why})") from None
        self.inputs = self.session.get_inputs()[1:]  # without the tokens

    def empty_past(self, n_rows: int) -> list[torch.Tensor]:
        """The past of a text's beginning: no position, and zeros where a layer looks one back."""
        past = []
        for wanted in self.inputs:
            shape = [0 if isinstance(size, str) else size for size in wanted.shape[1:]]
            past.append(torch.zeros(n_rows, *shape))
        return past

    def logits(self, tokens: torch.Tensor, past: list[torch.Tensor] | None = None) -> tuple:
        """Compute the logits of tokens that follow a past.

        Args:
            tokens: Token ids, as a tensor or as lists.
            past: The past that the call before returned, or None at a text's beginning.

        Returns:
            The logits, and the past of the next call.

        Shape:
            tokens: (B, T) int64; logits: (B, T, V).

        Raises:
            ValueError: For tokens of another shape or type, and for tokens that end after context_length.
        """
        tokens = torch.as_tensor(tokens)
        if tokens.ndim != 2 or tokens.dtype != torch.int64 or not tokens.numel():
            raise ValueError(f"tokens is {tokens.dtype} {tuple(tokens.shape)}, must be torch.int64 (B, T)")
        past = self.empty_past(len(tokens)) if past is None else past
        end = past[0].shape[2] + tokens.shape[1]
        if end > self.context_length:
            limit = f"context_length={self.context_length}"
            raise ValueError(f"tokens would end at {end}, but {limit}; shorten it")
        given = {"tokens": tokens.numpy()}
        for wanted, tensor in zip(self.inputs, past, strict=True):
            given[wanted.name] = tensor.numpy()
        logits, *new = self.session.run(None, given)
        return torch.from_numpy(logits), [torch.from_numpy(tensor) for tensor in new]

    def generate(self, tokens: torch.Tensor, max_new_tokens: int) -> torch.Tensor:
        """The likeliest tokens behind tokens (B, T), one at a time: (B, max_new_tokens) int64."""
        whole_number("max_new_tokens", max_new_tokens, 1, "try 100")
        logits, past = self.logits(tokens)
        new = [logits[:, -1:].argmax(-1)]  # (B, 1)
        while len(new) < max_new_tokens:
            logits, past = self.logits(new[-1], past)
            new.append(logits[:, -1:].argmax(-1))
        return torch.cat(new, dim=1)
