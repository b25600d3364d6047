"""Chapter 11 against transformers: its random checkpoints in our parts, ours in its, logits and words.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import pytest
import torch
import transformers as peers

from companion.caching import KVCache
from companion.generation import generate
from companion.pretrained import load_pretrained, save_pretrained
from companion.tokenization import BPETokenizer
from companion.village import load_split

TOKENIZER = BPETokenizer.train(load_split("val")[:20], 300)
SIZES = {
    "vocab_size": 300,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "hidden_size": 60,
    "intermediate_size": 71,
    "max_position_embeddings": 64,
}
KV = SIZES | {"num_key_value_heads": 2}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0}
LLAMA3 |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 16}
NEOX = SIZES | {"num_attention_heads": 5, "hidden_size": 80}
CASES = {
    "GPT-2": lambda: peers.GPT2LMHeadModel(
        peers.GPT2Config(vocab_size=300, n_positions=64, n_layer=3, n_head=6, n_embd=60, n_inner=71)
    ),
    "Llama": lambda: peers.LlamaForCausalLM(peers.LlamaConfig(**KV)),
    "Llama, tied (SmolLM2)": lambda: peers.LlamaForCausalLM(
        peers.LlamaConfig(**KV, tie_word_embeddings=True)
    ),
    "Llama 3": lambda: peers.LlamaForCausalLM(peers.LlamaConfig(**KV, head_dim=16, rope_parameters=LLAMA3)),
    "Mistral": lambda: peers.MistralForCausalLM(peers.MistralConfig(**KV, sliding_window=7)),
    "Qwen2": lambda: peers.Qwen2ForCausalLM(peers.Qwen2Config(**KV, tie_word_embeddings=True)),
    "Qwen3": lambda: peers.Qwen3ForCausalLM(peers.Qwen3Config(**KV, head_dim=14)),
    "Pythia": lambda: peers.GPTNeoXForCausalLM(peers.GPTNeoXConfig(**NEOX, rotary_pct=0.25)),
}


def stranger(name):
    torch.manual_seed(0)
    model = CASES[name]().eval()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.15 * torch.randn_like(p)
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = None
    return model


@pytest.fixture(params=CASES)
def both(request, tmp_path):
    """transformers' model, and ours from the folder that it wrote."""
    theirs, folder = stranger(request.param), tmp_path / "theirs"
    theirs.save_pretrained(folder, max_shard_size="60KB")  # several files
    assert len(list(folder.glob("*.safetensors"))) > 1
    box = tmp_path / "tokenizer"
    save_pretrained(load_without_tokenizer(folder), TOKENIZER, box)
    for file in box.glob("token*"):
        (folder / file.name).write_bytes(file.read_bytes())
    return theirs, load_pretrained(folder)[0], tmp_path


def load_without_tokenizer(folder):
    from companion.pretrained import FAMILIES, fill
    from companion.runtime.storage.hub import weight_files
    from companion.runtime.storage.public_configs import read_shape

    kind, fields = read_shape(folder / "config.json")
    family = FAMILIES[kind]
    return fill(family.build(family.config(**fields), meta=True), family, weight_files(folder))


def test_logits_are_transformers_from_the_folder_that_it_wrote(both):
    theirs, ours, _ = both
    tokens = torch.randint(300, (2, 41), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=1e-5, atol=1e-5)


def test_words_with_a_cache_are_transformers_words(both):
    theirs, ours, _ = both
    theirs, ours = theirs.double(), ours.double()
    tokens = torch.randint(300, (1, 5), generator=torch.Generator().manual_seed(2))
    said = theirs.generate(tokens, max_new_tokens=40, do_sample=False)[:, 5:]
    assert torch.equal(generate(ours, tokens, 40, temperature=0, cache=KVCache(ours.config, 1)), said)


def test_transformers_loads_what_we_write(both):
    theirs, ours, folder = both
    save_pretrained(ours, TOKENIZER, folder / "ours")
    again = peers.AutoModelForCausalLM.from_pretrained(folder / "ours").eval()
    assert type(again) is type(theirs)
    found = again.state_dict()
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(found[name], tensor)
    tokens = torch.randint(300, (2, 19), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.equal(again(tokens).logits, theirs(tokens).logits)
    tokenizer = peers.AutoTokenizer.from_pretrained(folder / "ours")
    text = load_split("val")[40]
    assert tokenizer.encode(text, add_special_tokens=False) == TOKENIZER.encode(text)
