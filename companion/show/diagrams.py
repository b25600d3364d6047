"""Diagrams: attention's heads, number by number; a block with the shapes on its edges; a GPT with its counts.

The last two are drawn from modules: the wiring is traced from `forward`, the shapes come from a forward pass
and the counts from the parameters, so a diagram changes with the module that it shows. What goes in stands at
the bottom, as in most papers. The cards are narrow, so that a phone need not shrink them much::

    from companion.show import diagrams

    diagrams.heads_diagram(d_model=6, n_heads=3)
    diagrams.block_diagram(block, d_model=64)
    diagrams.gpt_diagram(model)
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from companion.show import draw
from companion.show.heads import heads_diagram
from companion.show.measures import recorded_calls
from companion.show.plots import BLUE, GRAY, GREEN, INK, ORANGE, PURPLE, RULE

__all__ = ["block_diagram", "gpt_diagram", "heads_diagram"]

BATCH = 2
TIME = 3
"""The shape of what is sent through a block; where an output begins with it, a label says B, T."""

ADDING = (operator.add, operator.iadd, torch.add)  # sums in the stream
NONLINEAR = ("gelu", "relu", "silu")  # the functions between linear maps


def block_diagram(block: nn.Module, d_model: int) -> Axes:
    """Draw a block.

    The residual stream is a vertical line, with parts on it and beside it, and with shapes on the edges. A
    part that holds linear maps is drawn with them, side by side if they read the same vectors.

    Args:
        block: A module (B, T, C) -> (B, T, C) whose forward calls its parts one after the other and adds up,
            such as `companion.blocks.Block`, or a block with its norms after the sums.
        d_model: C, the width of the block's stream.
    """
    steps = _wiring(block)
    like = next(block.parameters(), torch.zeros(0))
    x = torch.zeros(BATCH, TIME, d_model, dtype=like.dtype, device=like.device)
    with recorded_calls(block) as calls, _Nonlinearities(calls):
        shape = _shape(block(x))
    boxes = {}
    for step in steps:
        for name in step.parts:
            boxes[name] = _part(name, block.get_submodule(name), calls)
    left, middle, right = _columns(steps, boxes, draw.text_width(f"x  {shape}", draw.NOTE) + 0.3)

    _, ax = plt.subplots(layout="none")
    y = 0.12
    label = f"x  {shape}"
    for step in steps:
        draw.note(ax, left - 0.1, y + 0.14, label, "right")
        label = shape
        y = _draw_step(ax, y, step, boxes, left, middle, gap=0.36)
    draw.line(ax, (left, y), (left, y + 0.36))
    draw.note(ax, left - 0.1, y + 0.2, f"y  {shape}", "right")
    return draw.cut(ax, right + 0.15, y + 0.48)


def gpt_diagram(model: nn.Module) -> Axes:
    """Draw a GPT, tokens at the bottom and logits on top, with the parameters and the share of each part.

    What two parts share counts at the part that is met first, from the bottom up. The bar of a part covers
    its share of the pale bar.

    Args:
        model: A `companion.gpt.GPT` of any configuration and head, with blocks that are alike. A model on the
            meta device, which has shapes and no numbers, will do.

    Raises:
        ValueError: If the blocks differ.
    """
    seen: set[int] = set()
    rows = _embedding(model.embed, seen)
    steps, boxes = _alike(model.blocks, seen)
    ends = _ends(model, seen)
    stream = f"(B, T, {model.config.d_model})"
    logits = f"(B, T, {model.config.vocab_size})"
    many = len(model.blocks)

    left = 1.0
    _, middle, right = _columns(steps, boxes, left)
    right = max(right, 2.6)
    _, ax = plt.subplots(layout="none")
    entries = [(box.count, 1) for box in [*rows, *ends]] + [(box.count, many) for box in boxes.values()]
    start = max(right, left + 0.3 + max(box.width for box in rows)) + 0.2
    ledger = _Ledger(ax, sum(p.numel() for p in model.parameters()), start, entries)
    y = ledger.sum(left)
    draw.note(ax, left + 0.1, y + 0.14, "tokens  (B, T)")
    y = _draw_rows(ax, y, rows, left, ledger)
    begin = _edge(ax, left, y, stream)
    y = begin
    for step in steps:
        y = _draw_step(ax, y, step, boxes, left, max(middle, 2.0), gap=0.2)
    for box in boxes.values():
        ledger.entry(box, many)
    draw.line(ax, (left, y), (left, y + 0.3), arrow=False)
    y += 0.3
    draw.frame(ax, (0.15, begin), (right + 0.1, y), "none", GRAY, linestyle=(0, (4, 2)))
    blocks = f"{many} blocks" if many > 1 else "1 block"
    ax.text(left + 0.1, y - 0.16, blocks, fontsize=draw.NAME, weight="bold", va="center")
    y = _edge(ax, left, y, stream)
    for box, gives in zip(ends, (stream, logits), strict=True):
        y = box.draw(ax, left, y)
        ledger.entry(box)
        y = _edge(ax, left, y, gives)
    return draw.cut(ax, ledger.right + 0.15, y + 0.1)


class _Step(NamedTuple):
    """A stretch of the stream: parts in the order of their calls, on a branch; or one part in the stream."""

    parts: list[str]
    beside: bool


class _Ledger:
    """The columns right of a GPT: parameters, share and a bar for each part, and their sum."""

    def __init__(self, ax: Axes, total: int, left: float, entries: list[tuple[int, int]]):
        self.ax = ax
        self.total = total
        self.left = left
        texts = [f"{total:,}", *(self.product(count, many) for count, many in entries)]
        self.middle = left + 0.1 + max(draw.text_width(text, draw.NOTE) for text in texts)
        self.right = self.middle + 0.65

    @staticmethod
    def product(count: int, many: int) -> str:
        return f"{many} × {count:,}" if many > 1 else f"{count:,}"

    def entry(self, box: draw.Box, many: int = 1) -> None:
        """The parameters of a part that was drawn, many times, as number and bar."""
        draw.note(self.ax, self.middle, box.at, self.product(box.count, many), "right")
        share = many * box.count / self.total
        draw.note(self.ax, self.right, box.at, "< 0.1%" if 0 < share < 0.0005 else f"{share:.1%}", "right")
        for end, ink in ((1, RULE), (share, box.color)):
            x = [self.left, self.left + end * (self.right - self.left)]
            self.ax.plot(x, [box.at - 0.14] * 2, color=ink, linewidth=3, solid_capstyle="butt")

    def sum(self, x: float) -> float:
        """The last line of the ledger, at the foot of the card; return where the drawing begins."""
        self.ax.plot([0.15, self.right], [0.38, 0.38], color=GRAY, linewidth=0.8)
        draw.note(self.ax, x, 0.2, "all parameters", "center")
        draw.note(self.ax, self.middle, 0.2, f"{self.total:,}", "right", weight="bold")
        draw.note(self.ax, self.right, 0.2, "100%", "right")
        return 0.48


def _wiring(block: nn.Module) -> list[_Step]:
    """The steps of a block from x to y, traced from its forward, which calls its parts and adds up."""
    tracer = fx.Tracer()
    tracer.is_leaf_module = lambda module, name: True
    nodes = list(tracer.trace(block).nodes)
    order = {node: i for i, node in enumerate(nodes)}

    def chain(node: fx.Node, start: fx.Node) -> list[str]:
        """The parts called one after the other from start to node."""
        names: list[str] = []
        while node is not start:
            names.insert(0, node.target)
            node = node.args[0]
        return names

    steps: list[_Step] = []
    node = nodes[-1].args[0]
    while node is not nodes[0]:
        if node.target in ADDING:
            start, end = sorted(node.args, key=order.get)
            steps.insert(0, _Step(chain(end, start), True))
            node = start
        elif node.op == "call_module":
            steps.insert(0, _Step([node.target], False))
            node = node.args[0]
        else:
            raise ValueError(f"cannot draw {node.name}: a block calls its parts and adds up")
    return steps


class _Nonlinearities(TorchFunctionMode):
    """Adds the calls of nonlinearities to those of parts: (name, input, output)."""

    def __init__(self, calls: list[tuple]):
        super().__init__()
        self.calls = calls

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if function.__name__ in NONLINEAR:
            self.calls.append((function.__name__, args[0], out))
        return out


def _shape(tensor: torch.Tensor) -> str:
    """A shape as the course writes it: (B, T, 64)."""
    return "(" + ", ".join(["B", "T", *map(str, tensor.shape[2:])]) + ")"


def _part(name: str, module: nn.Module, calls: list[tuple]) -> draw.Box:
    """The box of a block's part, with its linear maps and what they give."""
    last = next(i for i, call in enumerate(calls) if call[0] is module)
    box = draw.Box(name, type(module).__name__, _color(module), gives=_shape(calls[last][2]))
    inside = {part: name for name, part in module.named_modules() if isinstance(part, nn.Linear) and name}
    used = [i for i, call in enumerate(calls) if call[0] in inside]
    rows = [list(row) for _, row in groupby(used, key=lambda i: id(calls[i][1]))]  # by what they read
    for n, row in enumerate(rows):
        after = rows[n + 1][0] if n + 1 < len(rows) else last
        shapes = [_shape(calls[i][2]) for i in row]
        given = shapes[0] if len(row) == 1 else f"{len(row)} × {shapes[0]}"
        given = given if len(set(shapes)) == 1 else ", ".join(shapes)
        done = [call[0] for call in calls[row[0] : after] if call[0] in NONLINEAR]
        box.rows.append(([draw.Box(inside[calls[i][0]]) for i in row], " ".join(done), given))
        if hasattr(module, "n_heads") and after != last:
            box.rows.append(([draw.Box(f"{module.n_heads} heads")], "", _shape(calls[after][1])))
    return box


def _color(module: nn.Module) -> str:
    """Blue for what attends, green for other parts with linear maps, gray for the rest."""
    if hasattr(module, "project") or hasattr(module, "n_heads"):
        return BLUE
    return GREEN if any(isinstance(part, nn.Linear) for part in module.modules()) else GRAY


def _count(module: nn.Module | None, seen: set[int]) -> int:
    """The parameters of a module that were not seen before."""
    new = {id(p): p.numel() for p in module.parameters() if id(p) not in seen} if module is not None else {}
    seen.update(new)
    return sum(new.values())


def _embedding(embed: nn.Module, seen: set[int]) -> list[draw.Box]:
    """The tables that the stream begins with: the tokens' first, then what is added to it."""
    boxes = []
    for name, table in list(embed.named_children()) or [("token", embed)]:
        shapes = [" × ".join(f"{n:,}" for n in p.shape) for p in table.parameters()]
        if shapes:
            color = PURPLE if boxes else ORANGE
            boxes.append(draw.Box(f"{name} rows", ", ".join(shapes), color, count=_count(table, seen)))
    return boxes


def _ends(model: nn.Module, seen: set[int]) -> tuple[draw.Box, draw.Box]:
    """The last norm and the head."""
    norm = draw.Box("norm", type(model.norm).__name__, GRAY, count=_count(model.norm, seen))
    head = getattr(model, "head", None)
    shared = head is None or any(id(p) in seen for p in head.parameters())
    own = "rows of its own" if isinstance(head, nn.Linear) else type(head).__name__
    return norm, draw.Box("head", "the token rows" if shared else own, ORANGE, count=_count(head, seen))


def _alike(blocks: Iterable[nn.Module], seen: set[int]) -> tuple[list[_Step], dict[str, draw.Box]]:
    """The steps of each of some blocks, and the boxes of its parts."""
    built = []
    first_parts: dict[str, nn.Module] = {}
    for block in blocks:
        steps = _wiring(block)
        parts = {}
        for step in steps:
            parts |= {name: block.get_submodule(name) for name in step.parts}
        counts = {name: _count(part, seen) for name, part in parts.items()}
        built.append((steps, counts, [str(part) for part in parts.values()]))
        first_parts = first_parts or parts
    if any(other != built[0] for other in built):
        raise ValueError("gpt_diagram draws blocks that are alike, and those of this model differ")
    steps, counts, _ = built[0]
    boxes = {}
    for name, part in first_parts.items():
        boxes[name] = draw.Box(name, color=_color(part), count=counts[name])
    return steps, boxes


def _columns(steps: list[_Step], boxes: dict[str, draw.Box], margin: float) -> tuple[float, float, float]:
    """Where the stream runs, where the branches run, and where the parts end on the right, in inches."""
    inline = []
    beside = []
    for step in steps:
        for name in step.parts:
            if step.beside:
                beside.append(boxes[name])
            else:
                inline.append(boxes[name].width / 2)
    left = max([margin, *(half + 0.15 for half in inline)])
    halves = [0.0]
    for box in beside:
        halves += [0.3 + box.width / 2, 0.15 + draw.text_width(box.gives, draw.NOTE)]
    middle = left + max(halves)
    ends = [left + half for half in inline]
    ends += [middle + box.width / 2 for box in beside]
    return left, middle, max(ends)


def _draw_step(ax: Axes, y: float, step: _Step, boxes: dict, left: float, middle: float, gap: float) -> float:
    """Draw a step from y upward, gap inches for an edge, and return where it ends."""
    if not step.beside:
        draw.line(ax, (left, y), (left, y + gap))
        return boxes[step.parts[0]].draw(ax, left, y + gap)
    at = y + gap * 0.75
    ax.plot(left, at, "o", color=INK, markersize=4)
    path = [(left, at), (middle, at)]
    for name in step.parts:
        draw.line(ax, *path, (middle, at + gap))
        at = boxes[name].draw(ax, middle, at + gap)
        path = [(middle, at)]
        if name != step.parts[-1]:
            draw.note(ax, middle + 0.1, at + gap / 2, boxes[name].gives)
    top = at + 0.22
    draw.line(ax, *path, (middle, top), (left + 0.09, top))
    draw.note(ax, middle - 0.1, top + 0.11, boxes[step.parts[-1]].gives, "right")
    draw.line(ax, (left, y), (left, top - 0.09))
    return _plus(ax, left, top)


def _draw_rows(ax: Axes, y: float, rows: list[draw.Box], left: float, ledger: _Ledger) -> float:
    """Draw the tables of an embedding from y upward, the first in the stream, and return where they end."""
    draw.line(ax, (left, y), (left, y + 0.3))
    y = rows[0].draw(ax, left, y + 0.3)
    for box in rows[1:]:
        middle = left + 0.3 + box.width / 2
        top = y + 0.45
        box.draw(ax, middle, top - box.height / 2)
        draw.line(ax, (left, y), (left, top - 0.09))
        draw.line(ax, (middle - box.width / 2, top), (left + 0.09, top))
        y = _plus(ax, left, top)
    for box in rows:
        ledger.entry(box)
    if len(rows) > 1:
        draw.line(ax, (left, y), (left, y + 0.12), arrow=False)
        y += 0.12
    return y


def _plus(ax: Axes, x: float, y: float) -> float:
    """A sum in the stream; return where it ends."""
    ax.text(x, y, "+", fontsize=draw.NAME, weight="bold", ha="center", va="center_baseline")
    draw.frame(ax, (x - 0.09, y - 0.09), (x + 0.09, y + 0.09), "none", INK, rounding=0.09)
    return y + 0.09


def _edge(ax: Axes, x: float, y: float, shape: str) -> float:
    """An arrow upward with a shape beside it; return where it ends."""
    draw.line(ax, (x, y), (x, y + 0.34))
    draw.note(ax, x + 0.1, y + 0.16, shape)
    return y + 0.34
