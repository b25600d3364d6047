"""The client that OpenAI publishes, talking with our server.

Needs pip install -e '.[serve,peers]'; then pytest -m gate tests/slow/peers.
"""

import json

import openai
import pytest

from companion import load
from companion.instructions import Chat
from companion.serve.chat_requests import Limits
from companion.serve.server import running
from companion.village import DATA

ORDER = [{"role": "user", "content": "Tell a story about the baker Mara and a red kite."}]


@pytest.fixture(scope="module")
def teller():
    return load(DATA / "models" / "answerer", "cpu")


@pytest.fixture(scope="module")
def client(teller):
    with running(teller, "answerer", Limits(slots=4), token="s3cret") as url:
        yield openai.OpenAI(base_url=f"{url}/v1", api_key="s3cret", max_retries=0)


def test_it_lists_the_model(client):
    assert [one.id for one in client.models.list()] == ["answerer"]
    assert client.models.retrieve("answerer") == client.models.list().data[0]
    with pytest.raises(openai.NotFoundError, match="no model 'other'"):
        client.models.retrieve("other")


def test_it_gets_what_chat_says(client, teller):
    answer = client.chat.completions.create(model="answerer", messages=ORDER, temperature=0, max_tokens=50)
    wanted = Chat(teller.model, teller.tokenizer).ask(ORDER[0]["content"], max_new_tokens=50)
    [choice] = answer.choices
    assert choice.message.content == wanted and choice.message.role == "assistant"
    assert choice.finish_reason == "length" and answer.usage.completion_tokens == 50
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")


def test_it_streams(client):
    asked = {"model": "answerer", "messages": ORDER, "seed": 5, "temperature": 0.8, "max_tokens": 40}
    answer = client.chat.completions.create(**asked)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *pieces, last = client.chat.completions.create(**asked, **options)
    assert "".join(one.choices[0].delta.content or "" for one in pieces) == answer.choices[0].message.content
    assert pieces[-1].choices[0].finish_reason == answer.choices[0].finish_reason
    assert last.usage == answer.usage and len(pieces) > 10


PLUMS = {"type": "object", "properties": {"plums": {"type": "integer"}}, "required": ["plums"]}


def test_it_gets_json_of_a_schema(client):
    form = {"type": "json_schema", "json_schema": {"name": "plums", "schema": PLUMS, "strict": True}}
    asked = {"model": "answerer", "messages": ORDER, "response_format": form, "seed": 1}
    [choice] = client.chat.completions.create(**asked).choices
    assert type(json.loads(choice.message.content)["plums"]) is int and choice.finish_reason == "stop"
    [choice] = client.chat.completions.create(**asked | {"response_format": {"type": "json_object"}}).choices
    assert isinstance(json.loads(choice.message.content), dict) and choice.finish_reason == "stop"


def test_it_gets_a_call_and_sends_back_what_the_function_returned(client):
    tools = [{"type": "function", "function": {"name": "give", "parameters": PLUMS}}]
    asked = {"model": "answerer", "tools": tools, "tool_choice": "required", "temperature": 0}
    [choice] = client.chat.completions.create(messages=ORDER, **asked).choices
    [call] = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls" and call.function.name == "give"
    assert type(json.loads(call.function.arguments)["plums"]) is int
    with client.chat.completions.stream(messages=ORDER, **asked) as pieces:
        [streamed] = pieces.get_final_completion().choices
    assert streamed.message.tool_calls[0].function.arguments == call.function.arguments
    result = {"role": "tool", "tool_call_id": call.id, "content": "Tom has two plums."}
    asked |= {"tool_choice": "auto", "max_tokens": 10}
    [choice] = client.chat.completions.create(messages=[*ORDER, choice.message, result], **asked).choices
    assert choice.message.content and choice.message.tool_calls is None


def test_it_knows_our_errors(client):
    with pytest.raises(openai.NotFoundError, match="no model 'other'"):
        client.chat.completions.create(model="other", messages=ORDER)
    with pytest.raises(openai.BadRequestError, match="temperature=2.5") as found:
        client.chat.completions.create(model="answerer", messages=ORDER, temperature=2.5)
    assert found.value.param == "temperature" and found.value.type == "invalid_request_error"
    with pytest.raises(openai.AuthenticationError, match="token"):
        client.with_options(api_key="other").models.list()
