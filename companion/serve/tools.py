"""Tools and formats in requests: what a client may ask for, and the constraint under which it is written.

A call that is demanded is written as {"name": …, "arguments": …}, under a constraint, and comes back as
tool_calls. No model of the course was trained to decide by itself that it calls a function.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from companion.serve.formats import Choice, json_object, json_schema

Name = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]


class Strict(BaseModel):
    """An object without other fields than its own."""

    model_config = ConfigDict(strict=True, extra="forbid")


class NamedSchema(Strict):
    """A JSON schema with its name. `strict` changes nothing: a schema is always kept."""

    name: Name
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    """The format of an answer: text, any JSON object, or JSON after a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    def grammar(self):
        """Return the grammar of the answer, or None for any text.

        Raises:
            ValueError: If there is no schema, or one that cannot be kept.
        """
        if self.type == "text":
            return None
        if self.type == "json_object":
            return json_object()
        if self.json_schema is None:
            raise ValueError("response_format has no json_schema; give it a name and a schema")
        return json_schema(self.json_schema.schema_, "response_format.json_schema.schema")


class Function(Strict):
    """What can be called."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    """A tool of a request. There are no others than functions."""

    type: Literal["function"]
    function: Function


class FunctionName(Strict):
    """The name of the function that must be called."""

    name: str


class NamedTool(Strict):
    """The tool that must be called."""

    type: Literal["function"]
    function: FunctionName


class CalledFunction(BaseModel):
    """A call's function, and its arguments as a JSON text."""

    model_config = ConfigDict(strict=True)

    name: str
    arguments: str


class ToolCall(BaseModel):
    """A call in an earlier message of the assistant."""

    model_config = ConfigDict(strict=True)

    function: CalledFunction

    def text(self) -> str:
        """Return the call in the form in which a model writes it here."""
        return f'{{"name": {json.dumps(self.function.name)}, "arguments": {self.function.arguments}}}'


def demanded(tools: Sequence[Tool], choice: str | NamedTool | None) -> list[Function]:
    """Return the functions of which one must be called. Without a demand there are none.

    Raises:
        ValueError: If a call is demanded of a function that the request does not have.
    """
    functions = [tool.function for tool in tools]
    if isinstance(choice, NamedTool):
        functions = [function for function in functions if function.name == choice.function.name]
        if not functions:
            raise ValueError(f"tool_choice names {choice.function.name!r:.60}, which tools does not have")
        return functions[:1]
    if choice != "required":
        return []
    if len({function.name for function in functions}) < max(len(functions), 1):
        raise ValueError("tool_choice='required' needs tools with different names")
    return functions


def calls_grammar(functions: Sequence[Function]) -> Choice:
    """Return the grammar of a call of one of these functions.

    Raises:
        ValueError: If a function's parameters have no schema that can be kept.
    """
    calls = []
    for function in functions:
        parameters = function.parameters or {"type": "object"}
        if parameters.get("type") != "object":
            raise ValueError(f"the parameters of {function.name} must have the type 'object'")
        arguments = json_schema(parameters, f"{function.name}.parameters")
        calls.append((f'{{"name": "{function.name}", "arguments": '.encode(), arguments, b"}"))
    return Choice(calls)


def offer(functions: Sequence[Function]) -> str:
    """Return the functions as a text for the model."""
    lines = [json.dumps(function.model_dump(exclude_none=True), ensure_ascii=False) for function in functions]
    form = '{"name": ..., "arguments": ...}'
    return "\n".join([f"Answer with a call of a function, in the form {form}. The functions:", *lines])


def tool_call(text: str) -> dict:
    """Return a call that a model wrote as OpenAI's API writes it."""
    call = json.loads(text)
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    return {
        "id": f"call_{uuid.uuid4().hex}",
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }
