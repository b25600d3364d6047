"""Chapter 10's parts against oracles written out here, number by number, with dimensions that all differ."""

import cmath
import dataclasses
import json
import math

import pytest
import torch
import torch.nn.functional as F
from support.command_line import planned
from support.weights import noisy

from companion import BUILDERS, load
from companion.caching import KVCache
from companion.modern import (
    LlamaConfig,
    Muon,
    RMSNorm,
    RoPE,
    llama,
    storyteller,
    swift,
)
from companion.runtime.runs.optimizers import beside_adamw
from companion.training import load_checkpoint, save_checkpoint

B, T, V = 3, 11, 53
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
SHAPE = LlamaConfig(
    vocab_size=V, context_length=17, n_layers=2, n_heads=6, n_kv_heads=2, d_model=30, d_ff=47, head_width=14
)
SHAPES = {
    "llama": SHAPE,
    "window": dataclasses.replace(SHAPE, window=5),
    "biases, own head": dataclasses.replace(SHAPE, qkv_bias=True, tied=False, n_kv_heads=6),
    "normalized q and k": dataclasses.replace(SHAPE, qk_norm=True, n_kv_heads=1, rope_theta=777.0),
    "shift": dataclasses.replace(SHAPE, qk_norm=True, shift=1),
    "canon, window": dataclasses.replace(SHAPE, shift=3, window=4, rope_factor=8.0, rope_original=60),
}
each_shape = pytest.mark.parametrize("name", SHAPES)


def ids(*shape, seed=0):
    return torch.randint(V, shape, generator=torch.Generator().manual_seed(seed))


def model_of(name):
    torch.manual_seed(0)
    return noisy(llama(SHAPES[name]))


# ---------------------------------------- an oracle: float64, one head and one position after the other


def root_mean_square(x, weight, eps):
    return weight * x / (x.square().mean(-1, keepdim=True) + eps).sqrt()


def speeds(c):
    found = []
    for i in range(c.head_width // 2):
        speed = c.rope_theta ** (-2 * i / c.head_width)
        turns = c.rope_original * speed / (2 * math.pi)
        share = min(max((turns - 1) / 3, 0), 1)
        found.append(share * speed + (1 - share) * speed / c.rope_factor)
    return found


def turned(x, position, c):
    half = len(x) // 2
    angles = [position * speed for speed in speeds(c)]
    pairs = [complex(a, b) * cmath.exp(1j * angle) for a, b, angle in zip(x, x[half:], angles, strict=False)]
    return torch.tensor([z.real for z in pairs] + [z.imag for z in pairs], dtype=torch.float64)


def with_those_before(xs, shares):
    mixed = xs.clone()
    for back, share in enumerate(shares, 1):
        mixed[back:] += share * xs[:-back]
    return mixed


def oracle(model, tokens):
    """Logits (T, V) of one row."""
    c = model.config
    state = {name: t.double() for name, t in model.state_dict().items()}
    D, group = c.head_width, c.n_heads // c.n_kv_heads
    table = state["embed.token.weight" if c.shift else "embed.weight"]
    stream = table[tokens]
    own = root_mean_square(stream, float(c.shift > 0), 1e-6)
    for n in range(c.n_layers):
        part = {k.removeprefix(f"blocks.{n}."): v for k, v in state.items() if k.startswith(f"blocks.{n}.")}
        xs = own + root_mean_square(stream, part["norm_1.weight"], c.norm_eps)
        mixed = with_those_before(xs, part.get("shift_1.weight", []))
        made = {}
        for kind in "qkv":
            made[kind] = F.linear(mixed, part[f"attn.{kind}_proj.weight"], part.get(f"attn.{kind}_proj.bias"))
            made[kind] = made[kind].unflatten(1, (-1, D))  # (T, H, D)
            if c.qk_norm and kind != "v":
                made[kind] = root_mean_square(made[kind], part[f"attn.{kind}_norm.weight"], c.norm_eps)
        q, k = (
            [[turned(x, t, c) for x in row] for t, row in enumerate(made[kind].tolist())] for kind in "qk"
        )
        heads = torch.zeros(len(tokens), c.n_heads, D, dtype=torch.float64)
        for t in range(len(tokens)):
            seen = range(0 if c.window is None else max(0, t - c.window + 1), t + 1)
            for h in range(c.n_heads):
                scores = torch.stack([q[t][h] @ k[s][h // group] for s in seen]) / math.sqrt(D)
                heads[t, h] = scores.softmax(0) @ made["v"][list(seen), h // group]
        stream = stream + heads.flatten(1) @ part["attn.o_proj.weight"].T
        xs = root_mean_square(stream, part["norm_2.weight"], c.norm_eps)
        x = with_those_before(xs, part.get("shift_2.weight", []))
        gate = x @ part["mlp.gate_proj.weight"].T
        middle = gate * gate.sigmoid() * (x @ part["mlp.up_proj.weight"].T)
        stream = stream + middle @ part["mlp.down_proj.weight"].T
    last = state["norm.norm.weight" if c.shift else "norm.weight"]
    return root_mean_square(stream, last, c.norm_eps) @ (table if c.tied else state["head.weight"]).T


@each_shape
def test_logits_are_those_worked_out_number_by_number(name):
    model, tokens = model_of(name), ids(T)
    with torch.no_grad():
        found = model(tokens[None])[0]
    torch.testing.assert_close(found.double(), oracle(model, tokens), **CLOSE)


# ---------------------------------------- the whole model


@pytest.mark.gate
@pytest.mark.parametrize("build", [llama, storyteller, swift])
def test_an_untrained_models_loss_is_ln_v_at_every_width(build):
    torch.manual_seed(0)
    for width, tied in ((64, True), (768, True), (64, False)):
        model = build(LlamaConfig(1024, 65, 1, width // 32, d_model=width, tied=tied))
        row = torch.randint(1024, (3, 65))
        with torch.no_grad():
            loss = F.cross_entropy(model(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten()).item()
        assert abs(loss - math.log(1024)) < 0.3


def test_a_storyteller_has_no_shift_and_a_swift_has_one():
    assert storyteller(dataclasses.replace(SHAPE, shift=3)).config.shift == 0
    assert swift(SHAPE).config.shift == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_kv_heads": 4}, "n_kv_heads=4 must divide n_heads=6"),
        ({"head_width": 15}, "head_width=15 must be even"),
        ({"rope_theta": 0}, "rope_theta=0 must be"),
    ],
)
def test_a_shape_that_does_not_fit_is_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SHAPE, **changes)


def turned_from(start):
    """Two rows of three positions, turned by RoPE from these starts."""
    x = torch.ones(2, 1, 3, 8)
    return RoPE(8, 10)(x, x, start)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RMSNorm(0), "must be at least 1"),
        (lambda: RoPE(8, 10, factor=math.nan), "above 0"),
        (lambda: turned_from(torch.tensor([0])), r"int64 of shape \(1,\), must be .* of shape \(2,\)"),
        (lambda: model_of("shift")(ids(1, 18)), "positions 0 to 17, but context_length=17"),
        (lambda: Muon([torch.nn.Parameter(torch.ones(5))]), r"shape \(5,\)"),
    ],
)
def test_arguments_out_of_range_are_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------- the parts


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("position", [4000, 100_000])
def test_far_positions_are_right_in_any_type(dtype, position):
    rope = RoPE(32, 10**6, theta=500_000.0).to(dtype)
    x = torch.zeros(1, 1, 1, 32, dtype=dtype)
    x[..., :16] = 1  # so the result is the cosine and the sine of each angle
    found = rope(x, x, position)[0].flatten().double()
    exact = torch.tensor([position * 500_000.0 ** (-2 * i / 32) for i in range(16)], dtype=torch.float64)
    wanted = torch.cat([exact.cos(), exact.sin()])
    # float32 keeps an angle of 100,000 to 0.004, and bfloat16 a cosine to 0.004
    assert (found - wanted).abs().max() < (1e-2 if position == 100_000 or dtype == torch.bfloat16 else 5e-4)


# ---------------------------------------- chapter 9's cache: keys, values, and what a shift remembers


@each_shape
@pytest.mark.parametrize("chunks", [[1] * T, [4, 1, 6]])
@torch.no_grad()
def test_reading_in_pieces_gives_the_same_logits(name, chunks):
    model, tokens = model_of(name), ids(B, T)
    cache = KVCache(model.config, B)
    pieces = [model(piece, cache) for piece in tokens.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(tokens), **CLOSE)
    assert cache.layers[0].tracks["k"].buffer.shape[1] == SHAPES[name].n_kv_heads  # what sharing saves


# ---------------------------------------- Muon


@pytest.mark.parametrize("shape", [(40, 16), (16, 40)])
def test_muon_is_pytorch_s_within_bfloat16(shape):
    torch.manual_seed(0)
    first = torch.randn(shape)
    ours, theirs = (torch.nn.Parameter(first.clone()) for _ in range(2))
    options = {"lr": 0.02, "weight_decay": 0.3, "momentum": 0.9}
    optimizers = [Muon([ours], **options), torch.optim.Muon([theirs], **options)]
    for _ in range(6):
        gradient = torch.randn(shape)
        for p, optimizer in zip((ours, theirs), optimizers, strict=True):
            p.grad = gradient.clone()
            optimizer.step()
    moved = (theirs - first).norm()
    assert (ours - theirs).norm() < 0.02 * moved  # bfloat16 keeps 8 bits
    kept = [optimizer.state[p]["momentum_buffer"] for p, optimizer in zip((ours, theirs), optimizers)]  # noqa: B905
    assert torch.equal(*kept)  # up to here both are float32


def test_matrices_of_one_shape_take_the_step_that_each_would_take_alone():
    torch.manual_seed(0)
    shapes = [(3, 5), (5, 3), (3, 5), (7, 7), (3, 5), (5, 3)]
    together = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    alone = [torch.nn.Parameter(p.detach().clone()) for p in together]
    optimizers = [Muon(together, lr=0.1, weight_decay=0.2), *(Muon([p], 0.1, 0.2) for p in alone)]
    for _ in range(3):
        for p, q in zip(together[:-1], alone[:-1], strict=True):
            p.grad = torch.randn(p.shape)
            q.grad = p.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for p, q in zip(together, alone, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


def test_the_matrices_are_muon_s_and_the_rest_adamw_s():
    model = swift(dataclasses.replace(SHAPE, tied=False))
    model.blocks[0].mlp.up_proj.weight.requires_grad_(False)
    muon, adamw = beside_adamw(Muon, model, 0.03)
    names = {p: name for name, p in model.named_parameters()}
    given = [{names[p] for group in o.param_groups for p in group["params"]} for o in (muon, adamw)]
    assert given[0] | given[1] | {"blocks.0.mlp.up_proj.weight"} == set(names.values())
    assert not given[0] & given[1] and len(given[0]) == 2 * 7 - 1
    assert muon.param_groups[0]["momentum"] == 0.9 and adamw.param_groups[0]["betas"] == (0.9, 0.99)
    muon, adamw = beside_adamw(Muon, model, 0.03, betas=(0.8, 0.95))
    assert muon.param_groups[0]["momentum"] == 0.8 and adamw.param_groups[0]["betas"] == (0.8, 0.95)
    assert {"embed.token.weight", "head.weight", "blocks.1.shift_2.weight"} < given[1]


# ---------------------------------------- training, saving, loading


def toy_config(data, **changes):
    fields = {"context_length": 29, "n_layers": 2, "n_heads": 6, "n_kv_heads": 2, "d_model": 30}
    fields |= {"head_width": 14, "dropout": 0.1} | changes
    return LlamaConfig(data.tokenizer.vocab_size, **fields)


@pytest.mark.parametrize("build", [llama, storyteller, swift])
def test_a_checkpoint_loads_as_what_it_was(data, tmp_path, build):
    model = noisy(build(toy_config(data, window=7, rope_factor=4.0))).eval()
    save_checkpoint(tmp_path / "model", model, data.tokenizer)
    saved = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))["config"]
    assert saved["architecture"] == model.config.architecture
    found, _, _ = load_checkpoint(tmp_path / "model", BUILDERS)
    assert found.config == model.config
    tokens = torch.randint(280, (2, 9))
    assert torch.equal(found(tokens), model(tokens))
    assert load(tmp_path / "model").tell("Mara", max_new_tokens=5, seed=0).startswith("Mara")


# ---------------------------------------- the command line


@pytest.mark.parametrize(
    ("options", "defaults"),
    [
        ([], ["swift", "muon", 0.03]),
        (["--optimizer", "adamw"], ["swift", "adamw", 0.0035]),
        (["--architecture", "gpt2"], ["gpt2", "adamw", 0.0035]),
        (["--preset", "text"], ["storyteller", "muon", 0.03]),
    ],
)
def test_train_takes_a_swift_with_muon_by_default(options, defaults, prepared, monkeypatch):
    plan = planned(monkeypatch, ["--data", "runs/data/mine", *options])
    assert [plan.start.config.architecture, plan.optimizer, plan.train.lr] == defaults
