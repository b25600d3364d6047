"""Public tokenizers against transformers' AutoTokenizer, and ours in its format: what .ci/run runs on Linux.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.public import CHATML, FAMILIES, LLAMA3_CHAT, ZEPHYR, stories, write_family
from support.wild_texts import wild_text
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from companion.runtime.text.hugging_face import read_tokenizer, write_tokenizer
from companion.tokenization import BPETokenizer

NAMES = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "<|eot_id|>", "<tool_call>"]
WILD = wild_text([*NAMES, *stories()[:3]], "▁Ġ1234", max_size=8)
TALK = [
    {"role": "system", "content": "Be brief.\n"},
    {"role": "user", "content": "Who has the key?"},
    {"role": "assistant", "content": "  Mara — été."},
    {"role": "user", "content": " Why? "},
]


CHATS = {"Qwen": CHATML, "Llama 3": LLAMA3_CHAT, "Llama 2": ZEPHYR}


@pytest.mark.parametrize("prompt", [True, False])
@pytest.mark.parametrize("name", CHATS)
@given(contents=st.lists(st.text(max_size=20), min_size=4, max_size=4))
@settings(max_examples=60)
@example(contents=[message["content"] for message in TALK])
def test_chats_are_theirs(name, prompt, contents, pair):
    ours, theirs = pair(name, CHATS[name])
    messages = [message | {"content": new} for message, new in zip(TALK, contents, strict=True)]
    expected = theirs.apply_chat_template(messages, add_generation_prompt=prompt, return_dict=False)
    assert ours.chat(messages, prompt) == expected


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A maker of (ours, theirs) of a family with a chat template, each made once."""
    made = {}

    def make(name, template):
        if (name, template) not in made:
            folder = write_family(name, tmp_path_factory.mktemp("chat"), chat_template=template)
            made[name, template] = read_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
        return made[name, template]

    return make


# -- ours in their format

BPE = BPETokenizer.train("".join(stories()), 800, special_tokens=("<|endoftext|>", "<|user|>", "<pad> "))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bpe")
    write_tokenizer(BPE, folder)
    return AutoTokenizer.from_pretrained(folder), PreTrainedTokenizerFast.from_pretrained(folder)


@given(text=WILD)
@settings(max_examples=300)
@example(text="a<|user|>b<pad> <|endoftext|>")
def test_they_load_ours(loaded, text):
    for theirs in loaded:
        ids = theirs(text)["input_ids"]
        assert ids == [BPE.end, *BPE.encode(text, "all")]  # as companion reads a text
        assert theirs.decode(ids[1:]) == text


@pytest.mark.parametrize("name", FAMILIES)
def test_they_load_what_was_written_back(name, tmp_path):
    ours = read_tokenizer(write_family(name, tmp_path / "a"))
    write_tokenizer(ours, tmp_path / "b")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "b")
    text = "".join(NAMES).join(stories()[:5])
    assert theirs(text, add_special_tokens=False)["input_ids"] == ours.encode(text, "all")
    config = json.loads((tmp_path / "b" / "tokenizer_config.json").read_text("utf-8"))
    assert re.search("Fast", config["tokenizer_class"])
    assert (theirs.chat_template or None) == ours.template
