"""Pictures that a reader can change: what the strip shows, and what the controls do to it."""

import math

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from companion.attention import CausalSelfAttention, causal_mask
from companion.generation import next_token_probabilities
from companion.gpt import GPTConfig, gpt2
from companion.show import widgets
from companion.tokenization import BPETokenizer

STORY = "Mara found a red button at the mill. Tom found a button. "
SENTENCE = "Tom found a button"


@pytest.fixture(scope="module")
def tokenizer():
    return BPETokenizer.train([STORY * 9], vocab_size=287)


@pytest.fixture(scope="module")
def model(tokenizer):
    """Two layers, three heads, sharp enough to prefer something."""
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size, context_length=19, n_layers=2, n_heads=3, d_model=12, dropout=0.5
    )
    model = gpt2(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model


pytestmark = pytest.mark.usefixtures("style")


def labels(ticks):
    return [tick.get_text() for tick in ticks]


def filled(ax):
    """The widths of the filled bars, from the top down, and of those in outline."""
    n = len(ax.get_yticks())
    widths = [bar.get_width() for bar in ax.patches]
    assert [bar.get_fill() for bar in ax.patches] == [True] * n + [False] * n
    return widths[:n], widths[n:]


# Merges


@pytest.mark.parametrize("text", ["naïve ключ 🙂  button", "aaa aaaa"])
def test_the_steps_are_what_the_first_merges_make_of_the_text(tokenizer, text):
    steps = dict(widgets.merge_steps(tokenizer, text))
    tokens = None
    for learned in range(len(tokenizer.merges) + 1):
        smaller = BPETokenizer(tokenizer.merges[:learned], special_tokens=())
        assert (smaller.tokens(smaller.encode(text)) != tokens) == (learned in steps)
        tokens = steps.get(learned, tokens)
        assert smaller.tokens(smaller.encode(text)) == tokens


def test_the_merges_strip_has_a_box_for_each_token_and_says_how_many(tokenizer):
    fig = widgets.merges_strip(tokenizer, SENTENCE, (0, 10, 30))
    (ax,) = fig.axes
    tokens = [[t for k, t in widgets.merge_steps(tokenizer, SENTENCE) if k <= n][-1] for n in (0, 10, 30)]
    assert [len(row) for row in tokens] == sorted({len(row) for row in tokens}, reverse=True)
    widths = [round(bar.get_width() + 0.15) for bar in ax.patches]
    assert widths == [len(token) for row in tokens for token in row]
    assert labels(ax.get_yticklabels()) == ["0", "10", "30"]
    shown = "".join(text.get_text() for text in ax.texts)
    assert shown == "".join(f"{SENTENCE}{len(row)} tokens" for row in tokens)


def test_what_the_font_lacks_is_shown_as_bytes():
    shown = [widgets.signs_of(token) for token in ("é".encode(), b"\xc3", "🙂", b" a\n")]
    assert shown == [["é"], ["c3"], ["f0", "9f", "99", "82"], ["20", "61", "0a"]]


def test_the_merges_controls_go_from_step_to_step(tokenizer):
    panel = widgets.merges_panel(tokenizer, SENTENCE)
    slider, steps = panel.controls["merges"], widgets.merge_steps(tokenizer, SENTENCE)
    assert [number for _, number in slider.options] == [learned for learned, _ in steps]
    assert (
        panel.said == "No merge yet: 18 tokens, one for each byte."
        and len(panel.figure.axes[0].patches) == 18
    )
    slider.index = 3
    learned, tokens = steps[3]
    (ax,), (a, b) = panel.figure.axes, tokenizer.merges[learned - 1]
    assert panel.said.startswith(
        f"Merge {learned} of 30 joins “{a.decode()}” and “{b.decode()}”: {len(tokens)} "
    )
    assert labels(ax.get_yticklabels()) == [str(steps[2][0]), str(learned)]
    assert len(ax.patches) == len(steps[2][1]) + len(tokens)
    outlined = [bar for bar in ax.patches if bar.get_linewidth() == 1.4]
    assert len(outlined) == tokens.count(a + b) > 0
    assert f'alt="{panel.said}"' in panel.picture.value and "data:image/png;base64," in panel.picture.value


def test_another_text_has_other_merges_and_one_that_does_not_fit_gives_a_line(tokenizer):
    panel = widgets.merges_panel(tokenizer, SENTENCE)
    box, slider = panel.controls["text"], panel.controls["merges"]
    box.value = "the mill"
    assert [k for _, k in slider.options] == [k for k, _ in widgets.merge_steps(tokenizer, "the mill")]
    assert slider.index == len(slider.options) - 1 and panel.said.endswith(": 2 tokens.")
    box.value = "a" * 60
    assert panel.picture.value
    for text, said in [("", "The text is empty: type a few words."), ("a" * 61, "The text takes 61 places,")]:
        box.value = text
        assert panel.said.startswith(said) and said in panel.line.value and panel.picture.value == ""
    box.value = "the mill"
    assert "2 tokens" in panel.said and panel.picture.value


# Attention


def test_the_weights_are_those_that_the_layers_use(tokenizer, model):
    tokens = torch.tensor([[3, 1, 4, 1, 5]])
    calls = []
    layers = [part for part in model.modules() if isinstance(part, CausalSelfAttention)]
    hooks = [
        layer.register_forward_hook(lambda _, given, out: calls.append((given[0], out))) for layer in layers
    ]
    model.train()
    weights = widgets.attention_weights(model, tokens)
    for hook in hooks:
        hook.remove()
    assert model.training and [w.shape for w in weights] == [(3, 5, 5)] * 2 and len(calls) == 2
    for layer, (x, out), w in zip(layers, calls, weights, strict=True):
        assert (w[:, ~causal_mask(5, 5)] == 0).all()
        torch.testing.assert_close(w.sum(-1), torch.ones(3, 5))
        by_hand = layer.o_proj((w @ layer.project(x)[2]).transpose(1, 2).flatten(2))
        torch.testing.assert_close(by_hand, out)
    assert not any("project" in vars(layer) for layer in layers)


def test_the_attention_strip_maps_the_heads_that_were_asked_for(tokenizer, model):
    fig = widgets.attention_strip(model, tokenizer, SENTENCE, [(0, 2), (1, 0), (1, 1)])
    layers, words = widgets.heads_of(model, tokenizer, SENTENCE)
    assert words[0] == "<end>" and words[-2:] == ["a", "button"] and len(words) == len(layers[0][0])
    shown = [ax for ax in fig.axes if ax.images]
    assert [ax.get_title(loc="left") for ax in shown] == [
        "layer 0, head 2",
        "layer 1, head 0",
        "layer 1, head 1",
    ]
    assert (fig.get_supxlabel(), fig.get_supylabel()) == ("token that is looked at", "token that looks")
    assert [ax.images[0].get_clim() for ax in shown] == [(0, 1)] * 3  # the same color, the same weight
    for ax, weights in zip(shown, [layers[0][2], layers[1][0], layers[1][1]], strict=True):
        torch.testing.assert_close(torch.tensor(ax.images[0].get_array().data), weights)
    assert [labels(ax.get_xticklabels()) for ax in shown] == [[], words, words]  # named at the outside only
    assert [labels(ax.get_yticklabels()) for ax in shown] == [words, [], words]


def test_the_attention_controls_show_any_head_on_any_sentence(tokenizer, model):
    panel = widgets.attention_panel(model, tokenizer, SENTENCE, (1, 2))
    controls = panel.controls
    assert [c.description for c in controls.values()] == ["sentence", "layer", "head"]
    assert (controls["layer"].max, controls["head"].max) == (1, 2)
    assert (controls["layer"].value, controls["head"].value) == (1, 2)
    controls["layer"].value = 0
    layers, words = widgets.heads_of(model, tokenizer, SENTENCE)
    (ax,) = panel.figure.axes
    torch.testing.assert_close(torch.tensor(ax.images[0].get_array().data), layers[0][2])
    weight, most = layers[0][2][-1].max(0)
    assert panel.said.startswith("Layer 0, head 2. The last token, “button”, looks most at")
    assert panel.said.endswith(f"“{words[most]}”, token {most}: {weight:.0%} of its weight.")
    controls["sentence"].value = "$$ $$"  # no formula
    assert panel.picture.value and "$" in labels(panel.figure.axes[0].get_xticklabels())


def test_a_sentence_that_cannot_be_read_gives_a_line(tokenizer, model):
    panel = widgets.attention_panel(model, tokenizer, SENTENCE)
    panel.controls["sentence"].value = " "
    assert panel.said == "The sentence is empty: type a few words." and panel.picture.value == ""
    panel.controls["sentence"].value = "~" * 40
    assert panel.said == "The sentence has 41 tokens, the picture holds 40: shorten it."


# Sampling

STATES = [{}, {"temperature": 2.0}, {"temperature": 0.7, "top_p": 0.6}, {"top_k": 4}]


def expected(logits, shown, temperature=1.0, top_k=None, top_p=1.0):
    """The bars by a formula of their own: (after the cuts, before them)."""
    powers = [math.exp(z / temperature) for z in logits.tolist()]
    before = [p / sum(powers) for p in powers]
    order = sorted(range(len(before)), key=lambda i: -before[i])[:top_k]
    kept, held = set(), 0.0
    for i in order:
        if held >= top_p * sum(before[j] for j in order) - 1e-9 and top_p < 1:
            break
        kept.add(i)
        held += before[i]
    after = [p / held if i in kept else 0.0 for i, p in enumerate(before)]
    return [[*(p[i] for i in shown), 1 - sum(p[i] for i in shown)] for p in (after, before)], len(kept)


def test_the_next_logits_are_what_the_model_gives_for_the_last_token(tokenizer, model):
    tokens = [tokenizer.special_tokens["<|endoftext|>"], *tokenizer.encode(SENTENCE)]
    with torch.no_grad():
        expected = model.eval()(torch.tensor([tokens]))[0, -1]
    model.train()
    torch.testing.assert_close(widgets.next_logits(model, tokenizer, SENTENCE), expected)
    assert model.training


def test_the_sampling_strip_has_the_probabilities_of_each_state(tokenizer, model):
    fig = widgets.sampling_strip(next_token_probabilities, model, tokenizer, SENTENCE, STATES)
    logits = widgets.next_logits(model, tokenizer, SENTENCE)
    shown = sorted(range(len(logits)), key=lambda i: -logits[i])[:12]
    for ax, state in zip(fig.axes, STATES, strict=True):
        (after, before), kept = expected(logits, shown, **state)
        bars, outlines = filled(ax)
        assert bars == pytest.approx(after, abs=1e-5) and outlines == pytest.approx(before, abs=1e-5)
        assert ax.get_title(loc="left").endswith(f"\n{kept} kept")
    assert fig.axes[2].get_title(loc="left").startswith("T = 0.7\ntop-p 0.6\n")
    names = ["".join(widgets.signs_of(tokenizer.vocab[i])).replace(" ", "·") for i in shown[:-1]]
    assert labels(fig.axes[0].get_yticklabels())[-1] == "all others"
    assert any("·" in name for name in names)
    assert labels(fig.axes[0].get_yticklabels())[:-2] == names


def test_settings_and_prompts_at_the_edge(tokenizer, model):
    panel = widgets.sampling_panel(next_token_probabilities, model, tokenizer, SENTENCE, {"top_k": 7})
    assert panel.controls["top_k"].value == 7
    panel.controls["temperature"].value = 0
    assert panel.said.startswith("T = 0, top-k 7: 1 of 287 tokens kept;") and panel.said.endswith("has 100%.")
    panel.controls["prompt"].value = ""  # what a text begins with
    assert panel.picture.value
    panel.controls["prompt"].value = "~" * 19
    assert panel.said == "The prompt has 20 tokens, and the model reads 19: shorten it."
    assert panel.picture.value == ""


# Where controls are shown

SETUP = """import os, sys
from companion.show import plots, widgets
from companion.tokenization import BPETokenizer

plots.use_style()
tokenizer = BPETokenizer.train(["Mara found a key. " * 9], vocab_size=262)"""
SHOW = 'widgets.merges(tokenizer, "Mara found a key", (0, 5))'
MARKS = {
    "none, as under nbval and sync": "pass",
    "JupyterLab": "os.environ['JPY_SESSION_NAME'] = '/course/chapters/01.ipynb'",
    "no ipywidgets": "sys.modules['ipywidgets'] = None",
    "VS Code": "del sys.modules['ipywidgets'], os.environ['JPY_SESSION_NAME']; __vsc_ipynb_file__ = '1'",
}
"""What is done in a kernel, one after the other, before the picture is shown again."""


@pytest.mark.gate
def test_where_a_reader_can_use_them_controls_follow_the_strip():
    sources = [SETUP, *(f"{mark}\n{SHOW}" for mark in MARKS.values())]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3").execute()
    strip, controls = "image/png", "application/vnd.jupyter.widget-view+json"
    shown = [[min(output.get("data", output)) for output in cell.outputs] for cell in notebook.cells[1:]]
    assert dict(zip(MARKS, shown, strict=True)) == {
        "none, as under nbval and sync": [strip],
        "JupyterLab": [strip, controls],
        "no ipywidgets": [strip],
        "VS Code": [strip, controls],
    }


def test_a_script_shows_no_controls_even_where_a_notebook_started_it(monkeypatch, capsys, tokenizer):
    monkeypatch.setenv("JPY_SESSION_NAME", "/course/chapters/01.ipynb")
    assert not widgets.live()
    widgets.merges(tokenizer, SENTENCE, (0, 5))
    assert capsys.readouterr().out == ""
