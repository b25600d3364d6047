"""Folders of `companion export hf` in transformers.pipeline: the same text, to the same end.

Needs pip install -e '.[peers]'; then pytest -m gate tests/slow/peers.
"""

import logging

import pytest
import torch
import transformers

from companion import load
from companion.__main__ import main
from companion.cli._shared import ANSWERER, SHIPPED
from companion.instructions import Chat
from companion.village import DATA

STORYTELLER = DATA / "models" / "storyteller"


@pytest.mark.parametrize("folder", [SHIPPED, STORYTELLER], ids=["gpt2", "qwen3"])
@pytest.mark.parametrize("prompt", ["Once Mara found  a key.", ""])
def test_a_shipped_model_tells_the_same_story_to_its_end(prompt, folder, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "hf", "--model", str(folder), "--output", "out"]) == 0
    logging.getLogger("transformers").addHandler(caplog.handler)
    pipeline = transformers.pipeline("text-generation", model="out", tokenizer="out", dtype=torch.float32)
    logging.getLogger("transformers").removeHandler(caplog.handler)
    assert "bos_token_id" not in caplog.text and "eos_token_id" not in caplog.text
    found = pipeline(prompt, do_sample=False, max_new_tokens=230, return_full_text=False)
    theirs = found[0]["generated_text"].removesuffix("<|endoftext|>")
    ours = load(folder, device="cpu").generate(prompt, temperature=0, max_new_tokens=230)
    assert theirs == ours and len(ours.split()) > 40 and ours.endswith(".")


def test_the_answerer_answers_a_conversation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "hf", "--model", str(ANSWERER), "--output", "out"]) == 0
    pipeline = transformers.pipeline("text-generation", model="out", tokenizer="out", dtype=torch.float32)
    story = load(SHIPPED, device="cpu").tell("Once", seed=3)
    for question in ("Tell a story about the baker Mara and a red kite.", f"{story}\nWho is in the story?"):
        messages = [{"role": "user", "content": question}]
        found = pipeline(messages, do_sample=False, max_new_tokens=150)[0]["generated_text"][-1]
        for folder in (ANSWERER, "out"):  # as it was, and read back
            teller = load(folder, device="cpu")
            chat = Chat(teller.model, teller.tokenizer, teller.make_cache, temperature=0)
            assert found["role"] == "assistant" and found["content"].strip() == chat.ask(question).strip()
