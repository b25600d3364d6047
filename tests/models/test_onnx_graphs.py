"""ONNX graphs: logits as ours, whatever the past, and the tokens that follow; what is refused."""

from dataclasses import replace

import onnx
import pytest
import torch
from support.folders import raises_one_line
from support.weights import noisy

from companion.caching import KVCache
from companion.generation import generate
from companion.gpt import GPTConfig, gpt2
from companion.models import onnx_graphs
from companion.models.onnx_graphs import FILE, OnnxModel, write_onnx
from companion.modern import LlamaConfig, llama, swift
from companion.runtime.text.hugging_face import read_tokenizer
from companion.tokenization import BPETokenizer, CharTokenizer
from companion.village import DATA, load_split

pytestmark = pytest.mark.gate

ROOT = DATA.parent
TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)
SIZES = {"vocab_size": 307, "context_length": 53, "n_layers": 2, "n_heads": 6, "d_model": 60, "d_ff": 71}
KV = SIZES | {"n_kv_heads": 2, "head_width": 14}
MODELS = {
    "gpt2": lambda: gpt2(GPTConfig(**SIZES)),
    "swift": lambda: swift(LlamaConfig(**KV, shift=2)),
    "llama": lambda: llama(LlamaConfig(**KV, tied=False, rope_factor=8.0, rope_original=11)),
}


def made(name):
    torch.manual_seed(3)
    return noisy(MODELS[name]()).eval()


@pytest.fixture(scope="module", params=MODELS)
def pair(request, tmp_path_factory):
    """A model, and its graph in onnxruntime."""
    model, folder = made(request.param), tmp_path_factory.mktemp(request.param)
    write_onnx(model, TOKENIZER, folder)
    return model, OnnxModel(folder), folder


def ids(*shape):
    return torch.randint(307, shape, generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def test_the_logits_are_ours_whatever_the_pieces(pair):
    model, graph, _ = pair
    tokens = ids(3, 41)
    ours = model(tokens)
    assert ours.std() > 0.1
    for sizes in ([41], [1] * 41, [17, 24], [1, 8, 1, 30, 1], [40, 1]):
        found, past = [], None
        for piece in tokens.split(sizes, dim=1):
            logits, past = graph.logits(piece, past)
            found.append(logits)
        assert (torch.cat(found, dim=1) - ours).abs().max() < 1e-4
        assert past[0].shape[2] == 41
    one, _ = graph.logits(tokens[:1])  # another batch size
    assert (one - ours[:1]).abs().max() < 1e-4


def test_the_likeliest_tokens_are_ours(pair):
    model, graph, _ = pair
    prompt = ids(2, 9)
    ours = generate(model, prompt, 44, temperature=0, cache=KVCache(model.config, 2))
    theirs = graph.generate(prompt, 44)
    assert torch.equal(theirs, ours) and len(ours.unique()) > 5


def test_the_file_is_little_more_than_the_weights(pair):
    model, _, folder = pair
    n_bytes = 4 * sum(p.numel() for p in model.parameters())
    assert n_bytes < (folder / FILE).stat().st_size < n_bytes + 60_000  # the token rows once: 74 KB
    assert str(ROOT).encode() not in (folder / FILE).read_bytes()  # nothing of this machine


def test_its_inputs_and_outputs_have_names_and_sizes(pair):
    model, graph, folder = pair
    proto = onnx.load(folder / FILE)
    onnx.checker.check_model(proto)
    assert [opset.version for opset in proto.opset_import if not opset.domain] == [onnx_graphs.OPSET]
    inputs = {one.name: one.shape for one in graph.session.get_inputs()}
    outputs = [one.name for one in graph.session.get_outputs()]
    assert list(inputs)[:3] == ["tokens", "past_k_0", "past_v_0"] and inputs["tokens"] == ["batch", "tokens"]
    heads, width = (2, 14) if hasattr(model.config, "n_kv_heads") else (6, 10)
    assert inputs["past_v_1"] == ["batch", heads, "past", width]
    assert outputs == ["logits", *(name.replace("past", "present") for name in list(inputs)[1:])]
    kept = ["batch", 2, 60] if getattr(model.config, "shift", 0) else None
    assert inputs.get("past_shift_1_1") == inputs.get("past_shift_2_1") == kept
    assert graph.context_length == 53


def test_the_tokenizer_lies_beside_it(pair):
    text = "Zoë has  3 keys. <|endoftext|>"
    found = read_tokenizer(pair[2])
    assert found.encode(text) == TOKENIZER.encode(text) and found.decode(TOKENIZER.encode(text)) == text


def test_bad_tokens_are_one_line(pair):
    _, graph, _ = pair
    _, past = graph.logits(ids(1, 50))
    with pytest.raises(ValueError, match="tokens would end at 54, but context_length=53; shorten it"):
        graph.logits(ids(1, 4), past)
    graph.logits(ids(1, 3), past)
    for tokens in (ids(4), ids(1, 0), ids(1, 3).float()):
        with pytest.raises(ValueError, match=r"must be torch.int64 \(B, T\)"):
            graph.logits(tokens)
    with pytest.raises(ValueError, match="max_new_tokens=0 must be at least 1"):
        graph.generate(ids(1, 3), 0)


def test_a_model_in_bfloat16_becomes_a_graph_in_float32_and_large_weights_lie_beside_it(
    tmp_path, monkeypatch
):
    """Two behaviours of one export."""
    monkeypatch.setattr(onnx_graphs, "LARGEST", 1000)
    model = made("gpt2").bfloat16()
    write_onnx(model, TOKENIZER, tmp_path)
    assert next(model.parameters()).dtype == torch.bfloat16  # ours stays as it was
    assert (tmp_path / FILE).stat().st_size < 100_000 < (tmp_path / f"{FILE}.data").stat().st_size
    with torch.no_grad():
        assert (OnnxModel(tmp_path).logits(ids(2, 9))[0] - model.float()(ids(2, 9))).abs().max() < 1e-4


def test_what_has_no_place_is_one_line_before_any_work(tmp_path):
    window = llama(LlamaConfig(**KV, window=7), meta=True)
    with pytest.raises(ValueError, match="window=7 has no place in a graph"):
        write_onnx(window, TOKENIZER, tmp_path / "a")
    letters = CharTokenizer.train("abc", special_tokens=("<|endoftext|>",))
    few = gpt2(replace(GPTConfig(**SIZES), vocab_size=4), meta=True)
    with pytest.raises(ValueError, match="of kind 'char' has no place"):
        write_onnx(few, letters, tmp_path / "b")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"]


def test_what_is_no_graph_of_ours_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="model.onnx is no whole graph that write_onnx wrote"):
        OnnxModel(tmp_path)
    (tmp_path / FILE).write_bytes(b"no")
    with raises_one_line(ValueError, "model.onnx is no whole graph that write_onnx wrote"):
        OnnxModel(tmp_path)
