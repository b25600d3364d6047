"""Formats, calls and thoughts in the server's protocol, over real HTTP and with the shipped assistant."""

import json

import pytest
import torch
from support.weights import scripted
from test_server import call as request

from companion import load
from companion.cli._shared import ANSWERER
from companion.generation import LanguageModel
from companion.gpt import GPTConfig, gpt2
from companion.instructions import add_chat_tokens, chat_ids
from companion.serve.chat_requests import ChatRequest, Limits, as_messages, with_system
from companion.serve.kinds import ANSWERS
from companion.serve.lists import Lists
from companion.serve.server import read_events, running
from companion.serve.thoughts import Thoughts, ends_with_think
from companion.tokenization import BPETokenizer

ORDER = [{"role": "user", "content": "Tell a story about the baker Mara and a red kite."}]
THING = {
    "type": "object",
    "properties": {
        "who": {"type": "string", "maxLength": 30},
        "plums": {"type": "integer"},
        "mood": {"enum": ["glad", "sad"]},
    },
    "required": ["who", "plums", "mood"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "thing", "strict": True, "schema": THING}}
ADD = {"type": "function", "function": {"name": "add", "description": "Adds plums.", "parameters": THING}}
LOOK = {"type": "function", "function": {"name": "look"}}
NAMED = {"type": "function", "function": {"name": "add"}}


@pytest.fixture(scope="module")
def url():
    limits = Limits(slots=4, max_tokens=80)
    with running(load(ANSWERER, "cpu"), "tiny", limits, from_lists=Lists().answer_text) as url:
        yield url


def call(url, **fields):
    """(status, body) of a request."""
    status, _, body = request(url, {"messages": ORDER} | fields)
    return status, body


def answered(url, **fields):
    """(message, finish_reason) of an answer."""
    status, body = call(url, **fields)
    assert status == 200, body
    [choice] = json.loads(body)["choices"]
    return choice["message"], choice["finish_reason"]


def streamed(url, **fields):
    """(deltas, finish_reason) of an answer in pieces."""
    status, body = call(url, stream=True, **fields)
    assert status == 200, body
    choices = [event["choices"][0] for event in read_events(body.split(b"\n"))]
    return [choice["delta"] for choice in choices], choices[-1]["finish_reason"]


def joined(deltas, field):
    return "".join(delta.get(field) or "" for delta in deltas)


def check_thing(thing):
    assert list(thing) == ["who", "plums", "mood"] and thing["mood"] in ("glad", "sad")
    assert len(thing["who"]) <= 30 and type(thing["plums"]) is int


# -- formats ------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{"temperature": 0}, {"temperature": 2, "seed": 3}, {"top_p": 0.5}])
def test_an_answer_in_a_format_is_json_of_its_schema(url, fields):
    for max_tokens in (80, 45):  # the whole limit, and little more than the shortest answer needs
        message, finish = answered(url, response_format=FORMAT, max_tokens=max_tokens, **fields)
        check_thing(json.loads(message["content"]))
        assert finish == "stop" and "tool_calls" not in message


@pytest.mark.parametrize("fields", [{"temperature": 0}, {"temperature": 2}, {"max_tokens": 3}])
def test_an_answer_without_a_schema_is_any_json_object(url, fields):
    for seed in range(3):
        message, finish = answered(url, response_format={"type": "json_object"}, seed=seed, **fields)
        assert isinstance(json.loads(message["content"]), dict) and finish == "stop"


def test_an_answer_in_a_format_is_the_same_in_a_stream(url):
    fields = {"response_format": FORMAT, "seed": 5}
    deltas, finish = streamed(url, **fields)
    assert (joined(deltas, "content"), finish) == (answered(url, **fields)[0]["content"], "stop")


def test_an_answer_without_a_format_beside_one_in_a_format_stays_as_it_is(url):
    """They share a batch, and the mask of one row must not reach another."""
    from concurrent.futures import ThreadPoolExecutor

    alone = answered(url, seed=1, max_tokens=60)
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(answered, url, response_format=FORMAT, seed=seed) for seed in range(3)]
        assert pool.submit(answered, url, seed=1, max_tokens=60).result() == alone
        for other in others:
            check_thing(json.loads(other.result()[0]["content"]))


# -- calls --------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_demanded_call_comes_as_tool_calls(url, choice):
    names = set()
    for seed in range(2):
        fields = {"tools": [ADD, LOOK], "tool_choice": choice, "seed": seed, "temperature": 2}
        message, finish = answered(url, **fields)
        [made] = message["tool_calls"]
        assert message["content"] is None and finish == "tool_calls"
        assert made["type"] == "function" and made["id"].startswith("call_")
        arguments = json.loads(made["function"]["arguments"])
        if made["function"]["name"] == "add":
            check_thing(arguments)
        else:
            assert arguments == {}
        names.add(made["function"]["name"])
        deltas, finish = streamed(url, **fields)
        [pieces] = [delta["tool_calls"] for delta in deltas if "tool_calls" in delta]
        [piece] = pieces
        assert piece["index"] == 0 and piece["function"] == made["function"] and finish == "tool_calls"
        assert joined(deltas, "content") == ""
    assert names <= ({"add"} if choice == NAMED else {"add", "look"})


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_without_a_demand_tools_change_no_answer(url, choice):
    fields = {"seed": 1, "max_tokens": 20}
    assert answered(url, tools=[ADD], tool_choice=choice, **fields) == answered(url, **fields)


def test_small_talk_answers_no_call_and_no_format(url):
    thanks = [{"role": "user", "content": "thank you!"}]
    message, reason = answered(url, messages=thanks)
    assert (message["content"], reason) == (ANSWERS["thanks"], "stop")
    assert joined(streamed(url, messages=thanks)[0], "content") == ANSWERS["thanks"]
    check_thing(json.loads(answered(url, messages=thanks, response_format=FORMAT)[0]["content"]))
    assert answered(url, messages=thanks, tools=[LOOK], tool_choice="required")[1] == "tool_calls"


def made_call(n):
    return {"id": f"call_{n}", "type": "function", "function": {"name": "add", "arguments": f'{{"n": {n}}}'}}


HISTORY = [
    *ORDER,
    {"role": "assistant", "content": None, "tool_calls": [made_call(1), made_call(2)]},
    {"role": "tool", "tool_call_id": "call_1", "content": "seven"},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "eight"}]},
]


def test_calls_and_results_in_a_conversation_are_read_as_text(url):
    found = as_messages(ChatRequest(model="tiny", messages=HISTORY), is_public=True)
    calls = '{"name": "add", "arguments": {"n": 1}}\n{"name": "add", "arguments": {"n": 2}}'
    wanted = [*ORDER, {"role": "assistant", "content": calls}, {"role": "user", "content": "seven\neight"}]
    assert found == wanted
    fields = {"seed": 1, "max_tokens": 10}
    assert answered(url, messages=HISTORY, **fields) == answered(url, messages=wanted, **fields)


def test_what_a_tool_returned_is_no_small_talk(url):
    messages = [*HISTORY[:2], {"role": "tool", "content": "thank you!"}]
    assert answered(url, messages=messages, max_tokens=10)[0]["content"] != ANSWERS["thanks"]


def test_functions_are_told_after_the_words_of_the_system():
    system = {"role": "system", "content": "Be kind."}
    assert with_system([system, *ORDER], "F") == [{"role": "system", "content": "Be kind.\n\nF"}, *ORDER]
    assert with_system(ORDER, "F") == [{"role": "system", "content": "F"}, *ORDER]


# -- refusals -----------------------------------------------------------------


def schema(**keywords):
    return {"type": "json_schema", "json_schema": {"name": "thing", "schema": keywords}}


BAD = [  # fields, what the message says, the field that it names
    ({"response_format": {"type": "json_object"}, "max_tokens": 2}, "tokens, above 2", "response_format"),
    ({"response_format": {"type": "json_schema"}}, "has no json_schema", "response_format"),
    ({"response_format": schema(type="string", pattern="a")}, "schema.pattern is not", "response_format"),
    ({"response_format": schema(anyOf=[THING])}, "schema.anyOf is not supported", "response_format"),
    (
        {"response_format": schema(type="object", properties={"a": {"$ref": "#/$defs/A"}})},
        "schema.properties.a.$ref is not supported",
        "response_format",
    ),
    ({"response_format": FORMAT, "max_tokens": 5}, "tokens, above 5", "response_format"),
    ({"response_format": FORMAT | {"more": 1}}, "response_format.more=1: ", "response_format"),
    ({"tools": [{"type": "web_search"}]}, "tools.0.type=", "tools"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name=", "tools"),
    ({"tools": [ADD], "tool_choice": "always"}, "tool_choice", "tool_choice"),
    ({"tools": [LOOK], "tool_choice": NAMED}, "names 'add', which tools does not have", "tools"),
    ({"tool_choice": "required"}, "needs tools", "tools"),
    ({"tools": [LOOK, LOOK], "tool_choice": "required"}, "different names", "tools"),
    ({"tools": [ADD], "tool_choice": NAMED, "stop": "a"}, "stop would cut", "stop"),
    ({"tools": [ADD], "tool_choice": NAMED, "max_tokens": 9}, "tokens, above 9", "tools"),
    ({"messages": [*ORDER, {"role": "assistant", "content": None}]}, "messages.1.content", "messages"),
    (
        {"messages": [*ORDER, {"role": "assistant", "tool_calls": [{"id": "call_1"}]}]},
        "messages.1.tool_calls.0.function",
        "messages",
    ),
]


@pytest.mark.parametrize(("fields", "message", "param"), BAD, ids=lambda x: str(x)[:40])
def test_what_cannot_be_kept_is_400_with_its_name(url, fields, message, param):
    status, body = call(url, **fields)
    error = json.loads(body)["error"]
    assert status == 400 and message in error["message"] and error["param"] == param, error
    assert "\n" not in error["message"]


# -- thoughts -----------------------------------------------------------------


@pytest.fixture(scope="module")
def thinker():
    """A tokenizer with <think> and </think> among its control tokens, and a model for it."""
    torch.manual_seed(2)
    tokenizer = BPETokenizer.train("The goat has a red key. The goat has a hat. ", 270)
    tokenizer = tokenizer.with_special_tokens(["<think>", "</think>"])
    model = gpt2(GPTConfig(tokenizer.vocab_size, 128, 2, 2, 32)).eval()
    return LanguageModel(model, add_chat_tokens(model, tokenizer))


def writes(teller, text, allowed_special="all"):
    """A teller that writes a text in which no token stands twice."""
    path = [teller.tokenizer.special_tokens["<|assistant|>"]]
    path += teller.tokenizer.encode(text, allowed_special)
    path.append(teller.tokenizer.special_tokens["<|end|>"])
    assert len(set(path)) == len(path)
    return LanguageModel(
        scripted(teller.tokenizer, dict(zip(path, path[1:], strict=False)), 128), teller.tokenizer
    )


def test_thoughts_come_as_reasoning_content_also_in_a_stream(thinker):
    with running(writes(thinker, "<think> 1,2:3</think>\n4."), "tiny", Limits(max_tokens=30)) as url:
        message, finish = answered(url, temperature=0)
        deltas, same = streamed(url, temperature=0)
        stopped, _ = answered(url, temperature=0, stop=["2", "."])  # a stop in the thoughts is none
        cut, cut_finish = answered(url, temperature=0, max_tokens=4)
    wanted = {"reasoning_content": "1,2:3", "content": "4."}
    assert message == {"role": "assistant", "refusal": None} | wanted and finish == same == "stop"
    assert {field: joined(deltas, field) for field in wanted} == wanted
    assert sum("reasoning_content" in delta for delta in deltas) > 2  # in pieces
    assert (stopped["reasoning_content"], stopped["content"]) == ("1,2:3", "4")
    assert "1,2:3".startswith(cut["reasoning_content"]) and cut["content"] == "" and cut_finish == "length"


def cut_into(thoughts, pieces):
    parts = [part for piece in pieces for part in thoughts.add(piece)] + thoughts.end()
    fields = {"content": "", "reasoning_content": ""}
    for field, text in parts:
        assert text
        fields[field] += text
    return fields["reasoning_content"], fields["content"]


@pytest.mark.parametrize("cut", [list, lambda text: [text]], ids=["letters", "whole"])
@pytest.mark.parametrize(
    ("text", "reasoning", "content", "inside"),
    [
        ("<think>\n a < b</think>\n\n a", "a < b", "a", False),
        ("a</think> b", "", "a</think> b", False),  # no thoughts began
        (" <thin", "", " <thin", False),
        ("<think>a</think", "a</think", "", False),  # they never ended
        ("\na</think> b", "a", "b", True),  # the prompt ended with <think>
        ("a <think>b</think> c<think> d</think>", "bd", "a c", False),
    ],
)
def test_marks_are_found_however_the_text_is_cut(text, reasoning, content, inside, cut):
    assert cut_into(Thoughts(inside), cut(text)) == (reasoning, content)


def test_a_prompt_that_ends_with_think_begins_thoughts(thinker):
    ids = chat_ids(ORDER, thinker.tokenizer, reply=True)
    assert not ends_with_think(thinker.tokenizer, ids)
    assert ends_with_think(thinker.tokenizer, [*ids, *thinker.tokenizer.encode("<think>\n", "all")])


def test_a_text_in_a_format_has_no_thoughts(thinker):
    """The marks can be a part of its strings."""
    only = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": "<think>a</think>"}}}
    with running(thinker, "tiny", Limits(max_tokens=60)) as url:
        message, finish = answered(url, response_format=only)
    assert json.loads(message["content"]) == "<think>a</think>" and "reasoning_content" not in message
    assert finish == "stop"
