"""Requests in OpenAI's chat-completions protocol, which pydantic checks before any work is done.

Nothing that a client sends is used as a path, a URL or code.

Reference:
    OpenAI API reference, "Create chat completion".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from companion.instructions import chat_ends
from companion.runtime.generation.sampling_arguments import SMALLEST_TEMPERATURE
from companion.serve.constraint import Constraint, vocabulary_of
from companion.serve.tools import (
    Function,
    NamedTool,
    ResponseFormat,
    Tool,
    ToolCall,
    calls_grammar,
    demanded,
    offer,
)
from companion.serving import Request
from companion.tokenization import BPETokenizer


@dataclass(frozen=True)
class Limits:
    """What a server gives to one client, and to all of them."""

    slots: int = 8  # answers that are generated together
    waiting: int = 32  # requests that wait for a slot; further ones get 429
    seconds: float = 300.0  # for a request, from its arrival to its last token
    body: int = 256 * 1024  # bytes of a request
    max_tokens: int = 512  # of an answer, and the default


class Refused(Exception):
    """A request that gets no answer.

    Args:
        status: The HTTP status.
        message: What is wrong, and what to do.
        param: The field that is wrong.
        code: OpenAI's short name of the error.
    """

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> dict:
        """Return OpenAI's error object."""
        if self.status == 429:
            kind = "rate_limit_error"
        elif self.status >= 500:
            kind = "server_error"
        else:
            kind = "invalid_request_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def closing() -> Refused:
    """Return the error of a request that the end of the server cuts off."""
    return Refused(503, "the server is closing; try again later")


class TextPart(BaseModel):
    """A part of a message. The models of the server read text alone."""

    model_config = ConfigDict(strict=True)

    type: Literal["text"] = "text"
    text: str


class Message(BaseModel):
    """A message of a conversation. A public model's chat template may read further fields."""

    model_config = ConfigDict(strict=True, extra="allow")

    role: str
    content: str | list[TextPart]
    tool_calls: list[ToolCall] | None = Field(None, max_length=20)

    @model_validator(mode="before")
    @classmethod
    def calls_need_no_content(cls, fields: Any) -> Any:
        """Give a message with calls an empty content, if it has none."""
        if isinstance(fields, dict) and fields.get("tool_calls") and fields.get("content") is None:
            return fields | {"content": ""}
        return fields

    def as_dict(self, is_public: bool) -> dict:
        """Return the message with one text. Clients send all fields of an answer back, also empty ones.

        Calls become a text, and what a tool returned becomes a message of the user.
        """
        fields = {name: value for name, value in self.model_dump().items() if value not in (None, [], {})}
        if isinstance(self.content, str):
            fields["content"] = self.content
        else:
            fields["content"] = "".join(part.text for part in self.content)
        if self.tool_calls:
            fields["content"] += "\n".join(call.text() for call in self.tool_calls)
            del fields["tool_calls"]
        if self.role == "tool":
            fields["role"] = "user"
            fields.pop("tool_call_id", None)
        if self.role == "developer" and not is_public:
            fields["role"] = "system"
        return fields


class StreamOptions(BaseModel):
    """Options of a streamed answer."""

    include_usage: bool | None = None


StopText = Annotated[str, Field(min_length=1, max_length=200)]


class ChatRequest(BaseModel):
    """The fields of a request. A field that is null counts as absent."""

    model_config = ConfigDict(strict=True, extra="forbid")

    model: str
    messages: list[Message] = Field(min_length=1, max_length=200)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: StopText | Annotated[list[StopText], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = Field(None, max_length=64)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None

    # These fields change no answer.
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    parallel_tool_calls: Any = None

    # The server cannot serve these fields. It accepts the values that ask for nothing.
    audio: None = None
    frequency_penalty: Literal[0] | None = None
    function_call: Literal["none", "auto"] | None = None
    functions: list | None = Field(None, max_length=0)
    logit_bias: dict | None = Field(None, max_length=0)
    logprobs: Literal[False] | None = None
    modalities: list[Literal["text"]] | None = None
    n: Literal[1] | None = None
    prediction: None = None
    presence_penalty: Literal[0] | None = None
    reasoning_effort: Literal["none"] | None = None
    top_logprobs: Literal[0] | None = None
    verbosity: Literal["medium"] | None = None
    web_search_options: None = None

    @property
    def stops(self) -> list[str]:
        """The texts that end the answer."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def must_call(self) -> bool:
        """Whether the answer is a call of a function."""
        return self.tool_choice == "required" or isinstance(self.tool_choice, NamedTool)

    @property
    def format_field(self) -> str:
        """The field that gives the answer its format."""
        return "tools" if self.must_call else "response_format"

    @property
    def with_usage(self) -> bool:
        """Whether a streamed answer ends with the numbers of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)


def read_question(
    body: bytes, tokenizer, config, name: str, limits: Limits, write: Callable[[list[dict]], list[int]]
) -> tuple[ChatRequest, Request]:
    """Read the body of a request.

    Args:
        body: What the client sent.
        tokenizer: The tokenizer of the model.
        config: The configuration of the model.
        name: The name of the one model that is served.
        limits: The limits of the server.
        write: Returns messages as token ids, as chat_ids does.

    Returns:
        The fields, and the request for the engine, which still lacks `put` and `deadline`.

    Raises:
        Refused: If a field is of another type or out of its range (400), or for another model (404).
    """
    try:
        asked = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise _refused(error) from None
    check_model(asked.model, name)
    functions, grammar = wanted_format(asked)
    messages = as_messages(asked, tokenizer.is_public)
    if functions and tokenizer.is_public:  # ours learned no functions, and their context is short
        messages = with_system(messages, offer(functions))
    if isinstance(tokenizer, BPETokenizer):  # it would take long to encode what is far too long
        n_bytes = sum(len(message["content"].encode()) for message in messages)
        longest_token = max(len(token) for token in tokenizer.ids)
        _check_length("at least ", n_bytes // longest_token, config.context_length)
    try:
        ids = write(messages)
    except ValueError as error:
        raise Refused(400, str(error), "messages") from None
    _check_length("", len(ids), config.context_length)

    max_tokens = asked.max_completion_tokens or asked.max_tokens or limits.max_tokens
    options = dict(tokenizer.sampling)  # the model's own, where the request has no setting
    options.pop("repetition_penalty", None)  # which a shared batch cannot apply
    options.setdefault("temperature", 1.0)
    if asked.temperature is not None:
        options["temperature"] = asked.temperature if asked.temperature >= SMALLEST_TEMPERATURE else 0
    if asked.top_p is not None:
        options["top_p"] = max(asked.top_p, 1e-9)  # 0, as OpenAI allows, keeps the likeliest token
    max_new_tokens = min(max_tokens, limits.max_tokens, config.context_length + 1 - len(ids))
    stop = chat_ends(tokenizer, config.vocab_size)
    request = Request(ids, max_new_tokens, stop, options, asked.seed)
    if grammar is not None:
        try:
            vocabulary = vocabulary_of(tokenizer, config.vocab_size)
            request.allowed = Constraint(grammar, vocabulary, stop, max_new_tokens)
        except ValueError as error:
            raise Refused(400, str(error), asked.format_field) from None
    return asked, request


def wanted_format(asked: ChatRequest) -> tuple[list[Function], Any]:
    """Return the functions of which one must be called, and the grammar of the answer or None.

    Raises:
        Refused: With status 400, if a function is missing, a schema cannot be kept, or stop would cut a call.
    """
    if asked.must_call and asked.stops:
        raise Refused(400, "stop would cut the call that is demanded; leave it out", "stop")
    try:
        functions = demanded(asked.tools or [], asked.tool_choice)
        if functions:
            return functions, calls_grammar(functions)
        if asked.response_format:
            return [], asked.response_format.grammar()
    except ValueError as error:
        raise Refused(400, str(error), asked.format_field) from None
    return [], None


def as_messages(asked: ChatRequest, is_public: bool) -> list[dict]:
    """Return the messages of a request. What several tools returned in a row is one message of the user."""
    found = []
    previous = None
    for message in asked.messages:
        fields = message.as_dict(is_public)
        if message.role == "tool" and previous == "tool":
            found[-1]["content"] += "\n" + fields["content"]
        else:
            found.append(fields)
        previous = message.role
    return found


def with_system(messages: list[dict], text: str) -> list[dict]:
    """Return the messages with a text for the system at the end of its first message, or before all."""
    first = messages[0]
    if first["role"] in ("system", "developer"):
        return [first | {"content": f"{first['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def check_model(asked: str, name: str) -> None:
    """Check that a request names the model that is served.

    Raises:
        Refused: With status 404, if it names another model.
    """
    if asked != name:
        message = f'no model {asked!r:.60} here; this server has "{name}"'
        raise Refused(404, message, "model", "model_not_found")


def _check_length(about: str, n_tokens: int, context_length: int) -> None:
    if n_tokens > context_length:
        message = f"messages have {about}{n_tokens:,} tokens, above context_length={context_length}"
        raise Refused(400, f"{message}; shorten them", "messages", "context_length_exceeded")


def _refused(error: ValidationError) -> Refused:
    """Return the first error that pydantic found as a line with the field and its value."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return Refused(400, f"the body must be a JSON object: {first['msg']:.100}")
    field = ".".join(str(part) for part in first["loc"])
    value = "" if first["type"] == "missing" else f"={first['input']!r:.40}"
    return Refused(400, f"{field:.60}{value}: {first['msg']:.100}", f"{first['loc'][0]:.40}")
