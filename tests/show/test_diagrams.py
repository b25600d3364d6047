"""The diagrams: they hold what the modules hold, and can be read."""

import re
from itertools import combinations

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from torch import nn

from companion.attention import CausalSelfAttention
from companion.blocks import MLP, Block, LayerNorm
from companion.gpt import GPT, GPT2_SIZES, GPTConfig, gpt2
from companion.show import plots
from companion.show.diagrams import block_diagram, gpt_diagram, heads_diagram

pytestmark = pytest.mark.usefixtures("style")


class PostNorm(Block):
    def forward(self, x, cache=None):
        x = self.norm_1(x + self.attn(x, cache))
        return self.norm_2(x + self.mlp(x))


class Bare(Block):
    def forward(self, x, cache=None):
        return self.mlp(self.norm_2(self.attn(self.norm_1(x), cache)))


def make_block(kind=Block, d_model=35, n_heads=5, d_ff=59, **parts):
    parts = {
        "norm_1": LayerNorm(d_model),
        "attn": CausalSelfAttention(d_model, n_heads),
        "norm_2": LayerNorm(d_model),
        "mlp": MLP(d_model, d_ff),
    } | parts
    return kind(**parts)


def make_gpt(tied=True, **shape):
    shape = {
        "vocab_size": 101,
        "context_length": 17,
        "n_layers": 3,
        "n_heads": 5,
        "d_model": 35,
        "d_ff": 59,
    } | shape
    model = gpt2(GPTConfig(**shape))
    head = None if tied else nn.Linear(shape["d_model"], shape["vocab_size"], bias=False)
    return GPT(model.config, model.embed, list(model.blocks), model.norm, head)


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def places(ax, name):
    return [text.get_position() for text in ax.texts if text.get_text() == name]


def assert_readable(ax):
    """No two texts overlap, none leaves the card or is small; the card is narrow."""
    figure = ax.figure
    figure.canvas.draw()
    drawn = [text for text in ax.texts if text.get_text()]
    boxes = {text: text.get_window_extent() for text in drawn}
    for a, b in combinations(drawn, 2):
        assert not boxes[a].overlaps(boxes[b]), (a, b)
    for text, box in boxes.items():
        assert figure.bbox.x0 < box.x0 and box.x1 < figure.bbox.x1, text
        assert figure.bbox.y0 < box.y0 and box.y1 < figure.bbox.y1, text
        assert text.get_fontsize() >= 8.5
    assert figure.get_figwidth() < 5


def test_a_block_has_its_shapes_on_the_edges():
    ax = block_diagram(make_block(), 35)
    assert texts(ax).count("+") == 2
    assert texts(ax).count("(B, T, 59)") == 1 and texts(ax).count("3 × (B, T, 35)") == 1
    assert texts(ax).count("(B, T, 35)") == 6  # out of each part and of the heads, and between the sums
    assert {"x  (B, T, 35)", "y  (B, T, 35)", "5 heads", "gelu", "CausalSelfAttention"} <= set(texts(ax))
    (stream, first), (_, second) = places(ax, "+")
    heights = [places(ax, name)[0][1] for name in ("norm_1", "q_proj", "5 heads", "o_proj", "attn")]
    assert heights == sorted(heights) and heights[-1] < first < places(ax, "up_proj")[0][1] < second
    assert all(places(ax, name)[0][0] > stream + 0.3 for name in ("norm_1", "attn", "norm_2", "mlp"))


def test_the_wiring_is_the_forwards():
    ax = block_diagram(make_block(PostNorm), 35)
    (stream, first), (_, second) = places(ax, "+")
    assert [x for name in ("norm_1", "norm_2") for x, _ in places(ax, name)] == [stream, stream]
    assert first < places(ax, "norm_1")[0][1] < second < places(ax, "norm_2")[0][1]
    bare = block_diagram(make_block(Bare), 35)
    assert "+" not in texts(bare)
    assert len({places(bare, name)[0][0] for name in ("norm_1", "attn", "norm_2", "mlp")}) == 1


@pytest.mark.parametrize(
    "kind, sizes", [(Block, (12800, 4, 51200)), (PostNorm, (64, 8, 256)), (Bare, (6, 2, 5))]
)
def test_a_block_can_be_read(kind, sizes, tmp_path):
    with torch.device("meta"):
        block = make_block(kind, *sizes)
    ax = block_diagram(block, sizes[0])
    assert_readable(ax)
    ax.figure.savefig(tmp_path / "block.png")


def ledger(ax):
    """Parameters from the right-hand side: the sum of the lines, and what stands under them."""
    column = [text.get_text() for text in ax.texts if text.get_ha() == "right"]
    total, *lines = [number for text in column if (number := amount(text)) is not None]
    return sum(lines), total


def amount(text):
    """The parameters that a line of the ledger states, such as "3 × 4,900"; None where it states none."""
    m = re.fullmatch(r"(?:(\d+) × )?([\d,]+)", text)
    return int(m[1] or 1) * int(m[2].replace(",", "")) if m else None


@pytest.mark.gate
@pytest.mark.parametrize("shape", [{"tied": False}, {"n_layers": 1, "d_model": 70}])
def test_a_gpts_parts_add_up_to_its_parameters(shape):
    model = make_gpt(**shape)
    ax = gpt_diagram(model)
    assert ledger(ax) == (sum(p.numel() for p in model.parameters()),) * 2
    C = model.config.d_model
    assert {"tokens  (B, T)", f"(B, T, {C})", "(B, T, 101)", f"101 × {C}", f"17 × {C}"} <= set(texts(ax))
    assert ("the token rows" in texts(ax)) == shape.get("tied", True)
    many = model.config.n_layers
    assert (f"{many} blocks" if many > 1 else "1 block") in texts(ax)


def test_blocks_that_differ_are_refused():
    model = make_gpt()
    model.blocks[2] = make_block(d_ff=61)
    with pytest.raises(ValueError, match="draws blocks that are alike"):
        gpt_diagram(model)


@pytest.mark.gate
@pytest.mark.parametrize("size", ["nano", "xl"])
def test_a_gpt_can_be_read(size, tmp_path):
    with torch.device("meta"):
        model = gpt2(GPT2_SIZES[size])
    ax = gpt_diagram(model)
    assert_readable(ax)
    ax.figure.savefig(tmp_path / "gpt.png")


def test_the_module_is_left_as_it_was():
    model = make_gpt(dropout=0.5).train()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    state = torch.get_rng_state()
    gpt_diagram(model)
    block_diagram(model.blocks[0], 35)
    assert all(part.training and not part._forward_hooks for part in model.modules())
    assert all(torch.equal(before[name], p) for name, p in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


# The heads


@pytest.mark.parametrize(("d_model", "n_heads"), [(6, 3), (3, 1)])
def test_heads_have_a_square_for_each_number_and_the_shapes_of_the_layer(d_model, n_heads):
    ax = heads_diagram(d_model, n_heads)
    squares = [patch for patch in ax.patches if type(patch) is Rectangle]
    on_card = [patch for patch in squares if to_hex(patch.get_facecolor()) == plots.CARD.lower()]
    n_tokens = 4
    full, weights = n_tokens * d_model, n_heads * n_tokens**2
    assert len(squares) == 10 * full + weights  # x, q, k, v, these cut, the heads' results, merged, y
    assert len(on_card) == n_heads * n_tokens * (n_tokens - 1) // 2  # what the mask hides
    shapes = [
        "x  (B, T, C)",
        "3 × (B, T, C)",
        "3 × (B, H, T, D)",
        "(B, H, T, T)",
        "(B, H, T, D)",
        "(B, T, C)",
    ]
    heights = [places(ax, shape)[0][1] for shape in [*shapes, "y  (B, T, C)"]]
    assert heights == sorted(heights)
    assert [name for name in texts(ax) if name.startswith("head ")] == [f"head {h}" for h in range(n_heads)]


@pytest.mark.gate
@pytest.mark.parametrize(("d_model", "n_heads"), [(6, 3), (2, 1)])
def test_heads_can_be_read(d_model, n_heads):
    assert_readable(heads_diagram(d_model, n_heads))
