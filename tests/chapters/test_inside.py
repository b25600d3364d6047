"""Chapter 14: hooks, maps, scores, the lens, probes, ablation and patches, on every family of the course."""

import pytest
import torch
from support.folders import raises_one_line
from torch import nn

from companion.gpt import GPTConfig, gpt2
from companion.inside import (
    ablate,
    ask,
    attention_maps,
    before,
    head_means,
    hidden_states,
    logit_lens,
    patch,
    probe,
)
from companion.modern import LlamaConfig, llama, storyteller, swift
from companion.pretrained import NeoXConfig, neox
from companion.village.tasks import held

L, B, T, H, V = 3, 2, 11, 4, 53


def filled(model):
    """A model none of whose parts is zero."""
    torch.manual_seed(5)
    for p in model.parameters():
        nn.init.normal_(p, std=0.3) if p.ndim == 2 else nn.init.uniform_(p, 0.5, 1.5)
    return model.eval()


MODELS = {
    "gpt2": lambda: gpt2(GPTConfig(V, 16, L, H, 24, dropout=0.3)),
    "llama": lambda: llama(LlamaConfig(V, 16, L, H, 2, 24, tied=False)),
    "storyteller": lambda: storyteller(LlamaConfig(V, 16, L, H, 2, 24, head_width=10)),
    "window": lambda: storyteller(LlamaConfig(V, 16, L, H, 4, 24, window=4)),
    "swift": lambda: swift(LlamaConfig(V, 16, L, H, 2, 24)),
    "neox": lambda: neox(NeoXConfig(V, 16, L, H, 32)),
}


@pytest.fixture(params=MODELS, ids=str)
def model(request):
    return filled(MODELS[request.param]())


@pytest.fixture
def tokens():
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(1))


def hooks_of(model):
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())


def test_states_are_the_models_own_stream(model, tokens):
    states = hidden_states(model, tokens)
    halves = 2 if model.config.architecture == "swift" else 1
    assert states.shape == (L + 1, B, T, halves * model.config.d_model)
    with torch.no_grad():
        x = model.embed(tokens, start=0)
        for i, block in enumerate(model.blocks):
            torch.testing.assert_close(states[i], x)
            x = block(x)
        torch.testing.assert_close(model.norm(states[-1]), model.hidden(tokens))
    assert hooks_of(model) == 0


def test_maps_are_those_of_the_fused_attention(model, tokens):
    maps = attention_maps(model, tokens)
    assert maps.shape == (L, B, H, T, T)
    torch.testing.assert_close(maps.sum(-1), torch.ones(L, B, H, T))
    assert not maps.triu(1).any()
    window = getattr(model.blocks[0].attn, "window", None)
    assert bool(window) == (not maps.tril(-4).any())
    layers, inputs = [block.attn for block in model.blocks], []
    hooks = [attn.register_forward_pre_hook(lambda attn, given: inputs.append(given[0])) for attn in layers]
    with torch.no_grad():
        model.hidden(tokens)
        for hook in hooks:
            hook.remove()
        for layer, (attn, x) in enumerate(zip(layers, inputs, strict=True)):
            v = attn.project(x)[2]
            v = v.repeat_interleave(H // v.shape[1], dim=1)
            torch.testing.assert_close(attn.o_proj((maps[layer] @ v).transpose(1, 2).flatten(2)), attn(x))


def test_modes_and_gradients_are_left_alone(tokens):
    model = filled(MODELS["gpt2"]()).train()
    one, two = attention_maps(model, tokens), attention_maps(model, tokens)
    assert torch.equal(one, two) and not one.requires_grad and all(m.training for m in model.modules())
    assert torch.equal(ask(model, tokens.tolist()), ask(model, tokens.tolist()))


# -- scores, lens, answers ------------------------------------------------------------------


def test_the_lens_ends_at_the_models_logits(model, tokens):
    lens = logit_lens(model, hidden_states(model, tokens))
    assert lens.shape == (L + 1, B, T, V)
    with torch.no_grad():
        torch.testing.assert_close(lens[-1], model(tokens))
    torch.testing.assert_close(logit_lens(model, hidden_states(model, tokens)[1, 0, 3]), lens[1, 0, 3])


def test_rows_of_any_length_are_asked_as_if_alone(model, tokens):
    rows = [tokens[0, :4].tolist(), tokens[1].tolist(), tokens[0, :1].tolist()]
    said = ask(model, rows)
    with torch.no_grad():
        alone = torch.stack([model(torch.tensor([row]))[0, -1].log_softmax(-1) for row in rows])
    torch.testing.assert_close(said, alone)


# -- probes ------------------------------------------------------------------


def test_a_probe_is_ridge_regression():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(60, 5, generator=generator) * torch.tensor([1.0, 9.0, 0.1, 3.0, 2.0]) + 4
    y = torch.randint(3, (60,), generator=generator)
    fitted = probe(x, y, ridge=0.05)
    z = ((x - x.mean(0)) / x.std(0)).double().requires_grad_(False)
    W, b = torch.zeros(3, 5, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for p in (W, b):
        p.requires_grad_(True)
    W.data = fitted.weight.double() * x.std(0)
    b.data = fitted.bias.double() + fitted.weight.double() @ x.mean(0).double()
    loss = (z @ W.T + b - nn.functional.one_hot(y, 3)).square().sum() + 0.05 * 60 * W.square().sum()
    loss.backward()
    assert W.grad.abs().max() < 1e-3 and b.grad.abs().max() < 1e-3  # the lowest point


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (torch.tensor([1, 1, 1]), ValueError, "labels go from 1 to 1; a probe needs two"),
        (torch.tensor([0.0, 1.0, 1.0]), TypeError, "labels has dtype torch.float32"),
        (torch.tensor([0, 1]), ValueError, r"states \(3, 2\) and labels \(2,\) must be"),
    ],
)
def test_labels_that_a_probe_cannot_use_are_an_error(labels, error, message):
    with pytest.raises(error, match=message):
        probe(torch.ones(3, 2), labels)


# -- ablation and patches ------------------------------------------------------------------


def without_columns(model, heads):
    """The same model whose o_proj has no weights for these heads: another way to take them out."""
    width = model.blocks[0].attn.o_proj.in_features // H
    for layer, head in heads:
        model.blocks[layer].attn.o_proj.weight.data[:, head * width : (head + 1) * width] = 0
    return model


def test_an_ablated_head_is_one_whose_columns_are_zero(model, tokens):
    heads = [(0, 1), (2, 3), (2, 0)]
    with torch.no_grad():
        logits = model(tokens)
        with ablate(model, heads):
            cut = model(tokens)
        torch.testing.assert_close(model(tokens), logits)  # and all is as before
        assert not torch.allclose(cut, logits, atol=1e-3)
        torch.testing.assert_close(cut, without_columns(model, heads)(tokens))


def test_a_mean_is_over_the_tokens_that_count(model, tokens):
    mask = torch.rand(B, T, generator=torch.Generator().manual_seed(4)) < 0.6
    inputs = []
    with before([block.attn.o_proj for block in model.blocks], lambda part, x: inputs.append(x)):
        model(tokens)
    means = head_means(model, tokens, mask)
    assert means.shape[:2] == (L, H)
    torch.testing.assert_close(means[1].flatten(), inputs[1][mask].mean(0))
    seen = []
    with ablate(model, [(1, 2)], means), before([model.blocks[1].attn.o_proj], lambda p, x: seen.append(x)):
        model(tokens)
    D = means.shape[-1]
    assert torch.equal(seen[0][..., 2 * D : 3 * D], means[1, 2].expand(B, T, D))
    torch.testing.assert_close(seen[0][..., : 2 * D], inputs[1][..., : 2 * D])


def test_a_head_that_is_not_there_is_an_error(tokens):
    model = filled(MODELS["gpt2"]())
    with pytest.raises(ValueError, match="but the model has 3 blocks of 4 heads, counted from 0"):
        ablate(model, [(0, 4)])


def test_a_patch_of_everything_is_the_other_run(model, tokens):
    other = tokens.flip(0)
    states = hidden_states(model, other)
    with torch.no_grad():
        expected, logits = model(other), model(tokens)
        for layer in range(L + 1):
            with patch(model, layer, list(range(T)), states[layer]):
                torch.testing.assert_close(model(tokens), expected)
        with patch(model, 1, [], states[1]):
            torch.testing.assert_close(model(tokens), logits)
        with patch(model, L, [4], states[L]):
            found = model(tokens)
    torch.testing.assert_close(found[:, 4], expected[:, 4])
    torch.testing.assert_close(found[:, 5:], logits[:, 5:])
    assert hooks_of(model) == 0


@pytest.mark.parametrize(
    ("layer", "positions", "message"),
    [
        (4, [0], "layer=4 must be from 0 to 3, after the last block"),
        (1, [2, 11], "positions has 11, but states has 11 positions, from 0 on"),
    ],
)
def test_a_patch_outside_the_states_is_an_error(layer, positions, message, tokens):
    model = filled(MODELS["gpt2"]())
    with pytest.raises(ValueError, match=message):
        patch(model, layer, positions, hidden_states(model, tokens)[0])


# -- models without the parts ------------------------------------------------------------------


@pytest.mark.parametrize(
    "use", [hidden_states, attention_maps, lambda model, tokens: ablate(model, [(0, 0)])]
)
def test_a_model_without_the_parts_is_an_error(use, tokens):
    with raises_one_line(TypeError, "model=Linear has no embed; give a GPT of the course"):
        use(nn.Linear(3, 3), tokens)


def test_the_line_of_chance_beside_the_log_of_the_training():
    """The chapter draws it at 0.45, for a guess among the people in the questions of benchmarks/inside.py."""
    asked = held(1000, seed=15)[800:]
    assert round(sum(1 / len(question.choices) for question in asked) / len(asked), 2) == 0.45
