"""The server with a model of somebody else's, whose template and tokenizer may be anything."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from support.public import CHATML, family
from test_server import call, refused, said

from companion.generation import LanguageModel
from companion.gpt import GPTConfig, gpt2
from companion.runtime.text.hugging_face import PublicTokenizer
from companion.serve import reading
from companion.serve.chat_requests import Limits
from companion.serve.server import running

LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
POWER = "{% if 'power' in messages[-1].content %}{{ (messages | length + 8) ** (9 ** 9) }}{% endif %}"
EVIL = "{% if 'loop' in messages[-1].content %}" + LOOPS + "{% endif %}" + POWER + CHATML
LOOP = [{"role": "user", "content": "loop"}]
LIMITS = Limits(slots=4, waiting=8, max_tokens=20)


def model_for(tokenizer):
    """An untrained model for a tokenizer."""
    torch.manual_seed(2)
    model = gpt2(GPTConfig(max(tokenizer.vocab) + 1, 128, 1, 2, 16)).eval()
    return LanguageModel(model, tokenizer)


def public(template=EVIL, pattern=None):
    """A public model with a template and a pattern."""
    file, config = map(json.loads, family("Qwen"))
    if pattern:
        file["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": pattern}
    return model_for(PublicTokenizer(file, config, template))


@pytest.mark.gate
def test_a_template_that_never_ends_is_400_and_the_next_question_is_read_as_in_this_process(monkeypatch):
    """It is a large power, which no other thread can interrupt."""
    monkeypatch.setattr(reading, "SECONDS", 4.0)
    teller = public()
    never = [{"role": "user", "content": "power"}]
    messages = [{"role": "user", "content": "Who has <|im_end|> the key?\ue000"}]
    with running(teller, "tiny", LIMITS) as url:
        refused(url, 400, {"messages": never}, "did not end within 4 seconds", "messages")
        found = said(url, messages=messages, max_tokens=1)["usage"]["prompt_tokens"]
        assert found == len(teller.tokenizer.chat(messages))


@pytest.mark.gate
def test_the_time_of_a_request_begins_on_its_arrival(monkeypatch):
    monkeypatch.setattr(reading, "SECONDS", 30.0)
    with running(public(), "tiny", Limits(slots=1, seconds=0.5)) as url:
        refused(url, 504, {"messages": LOOP}, "not read in time")


@pytest.mark.gate
def test_a_tokenizer_that_panics_is_400(capfd):
    with running(public(CHATML, "(a|aa)+$"), "tiny", LIMITS) as url:
        for text in ("a" * 60 + "b", "<|im_end|>" + "a" * 60 + "b"):
            messages = [{"role": "user", "content": text}]
            _, error = refused(url, 400, {"messages": messages}, "the tokenizer failed", "messages")
            assert error["type"] == "invalid_request_error"
        assert call(url, method="GET", path="/health")[0] == 200
    assert capfd.readouterr().err == ""


@pytest.mark.gate
@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{{ 'a' * 10**10 }}"])
def test_a_template_that_fails_is_an_error_object_without_a_path(template):
    with running(public(template), "tiny", LIMITS) as url:
        refused(url, 400, {}, "the chat template ", "messages")


@pytest.mark.gate
def test_closing_ends_the_readers_in_the_middle_of_a_question():
    before = set(threading.enumerate())
    with ThreadPoolExecutor(1) as pool:
        with running(public(), "tiny", LIMITS) as url:
            assert said(url, max_tokens=1)["choices"]
            asked = pool.submit(call, url, {"messages": LOOP})
            assert said(url, max_tokens=1)["choices"]
        assert asked.result()[0] in (503, 400)  # 400 where its own five seconds were over first
    assert set(threading.enumerate()) <= before
