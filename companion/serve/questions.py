"""What a client may ask in OpenAI's chat-completions protocol, checked field by field before any work.

Source: the OpenAI API reference, "Create chat completion". Nothing a client sends is a path, a URL or code.
"""

import hmac
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from companion.instructions import chat_ends, chat_ids
from companion.runtime.data.conversations import as_messages, system_joined
from companion.runtime.files.arguments import replace_surrogates
from companion.runtime.generation.sampling_settings import SMALLEST_TEMPERATURE
from companion.tokenization import BPETokenizer

BODY, MESSAGES, STOPS, STOP_LENGTH = 256 * 1024, 200, 4, 200


@dataclass(frozen=True)
class Limits:
    """What a server gives to one client, and to all of them."""

    slots: int = 8  # answers that are drawn together
    waiting: int = 32  # requests that wait for a slot; more get 429
    seconds: float = 60.0  # for a request, from its arrival to its last token
    body: int = BODY  # bytes of a request
    max_tokens: int = 512  # of an answer, and the default
    connections: int = 512  # requests that are answered at once; more get 503


class Refused(Exception):
    """A request that gets no answer: its HTTP status, and what OpenAI's error object says."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict:
        """OpenAI's error object; half a character that a client sent is spelled out, as JSON has none."""
        kind = "invalid_request_error" if self.status < 500 and self.status != 429 else "server_error"
        kind = "rate_limit_error" if self.status == 429 else kind
        param = self.param and _spelled_out(self.param)
        return {
            "error": {"message": _spelled_out(str(self)), "type": kind, "param": param, "code": self.code}
        }


def closing() -> Refused:
    """What a request is told that the end of the server cuts off."""
    return Refused(503, "the server is closing; try again later")


def _spelled_out(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


@dataclass(frozen=True)
class Question:
    """A request, checked: ids of the prompt, and how to go on."""

    tokens: list[int]
    max_new_tokens: int
    ends: tuple[int, ...]  # ids that end the answer
    options: dict
    seed: int | None
    stops: tuple[str, ...]  # texts that end it
    stream: bool
    with_usage: bool


def check_token(given: str | None, token: str | None) -> None:
    """Raises Refused, 401, unless the Authorization header brings the server's token, if it has one.

    Compared in a time that does not tell how many characters were right.
    """
    if token is None:
        return
    scheme, _, value = (given or "").partition(" ")
    same = hmac.compare_digest(value.strip().encode("latin-1"), token.encode())
    if scheme.lower() != "bearer" or not same:
        raise Refused(401, "the token is missing or wrong; send it as Authorization: Bearer TOKEN",
                      code="invalid_api_key")  # fmt: skip


def check_host(given: str | None, hosts: tuple[str, ...]) -> None:
    """Raises Refused, 421, for a call by another name, if there are any names.

    A web page whose own name was made to lead to this machine (DNS rebinding) calls it by that name.
    """
    try:
        name = urlsplit(f"//{given}").hostname
    except ValueError:
        name = None
    if hosts and name not in hosts:
        raise Refused(421, f"this server is called {' or '.join(hosts)}, not {given!r:.40}")


def read_question(body: bytes, teller, name: str, limits: Limits) -> Question:
    """The question in a request's body.

    teller: has model and tokenizer. name: the one model that is served. Raises Refused for a body that is no
    JSON object (400), a field of another kind or out of its range (400), another model (404).
    """
    asked = _object(body)
    if not isinstance(asked.get("model"), str):
        raise Refused(400, f'model must be a text; this server has "{name}"', "model")
    check_model(asked["model"], name)
    asked = _without_idle(asked)
    context_length = teller.model.config.context_length
    try:
        messages = _messages(asked, teller.tokenizer)
        _check_length("at least ", _least_tokens(messages, teller.tokenizer), context_length)
        ids = chat_ids(messages, teller.tokenizer, reply=True)
    except (ValueError, TypeError) as error:
        raise Refused(400, str(error), "messages") from None
    _check_length("", len(ids), context_length)
    wanted = "max_tokens" if asked.get("max_completion_tokens") is None else "max_completion_tokens"
    new = _number(asked, wanted, 1, limits.max_tokens, whole=True)
    options = dict(teller.tokenizer.sampling)  # the model's own, where the request says nothing
    options.pop("repetition_penalty", None)  # which a shared batch cannot apply
    temperature = _number(asked, "temperature", 0, 2, options.get("temperature", 1.0))
    options["temperature"] = 0 if temperature < SMALLEST_TEMPERATURE else temperature
    if (top_p := _number(asked, "top_p", 0, 1)) is not None:
        options["top_p"] = max(top_p, 1e-9)  # 0, as OpenAI allows, keeps the likeliest token
    return Question(
        tokens=ids,
        max_new_tokens=min(new or limits.max_tokens, context_length + 1 - len(ids)),
        ends=chat_ends(teller.tokenizer, teller.model.config.vocab_size),
        options=options,
        seed=_number(asked, "seed", 0, 2**63 - 1, whole=True),
        stops=_stops(asked),
        stream=_flag(asked, "stream"),
        with_usage=_with_usage(asked),
    )


def check_model(asked: str, name: str) -> None:
    """Raises Refused, 404, for another model than the one that is served."""
    if asked != name:
        message = f'no model {asked!r:.60} here; this server has "{name}"'
        raise Refused(404, message, "model", "model_not_found")


class Until:
    """Text up to the first of some stops, which comes in pieces: what could begin a stop is held back.

    add(piece): what can be said now. done: whether a stop was found. end(): what was held back.
    """

    def __init__(self, stops: tuple[str, ...]):
        self.stops, self.held, self.done = stops, "", False

    def add(self, piece: str) -> str:
        text, self.held = self.held + piece, ""
        found = [place for stop in self.stops if (place := text.find(stop)) >= 0]
        if found:
            self.done = True
            return text[: min(found)]
        longest = max((n for stop in self.stops for n in range(1, len(stop)) if text.endswith(stop[:n])),
                      default=0)  # fmt: skip
        cut = len(text) - longest
        self.held = text[cut:]
        return text[:cut]

    def end(self) -> str:
        held, self.held = self.held, ""
        return held


# -- fields -----------------------------------------------------------------

_READ = {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop"}
_READ |= {"stream", "stream_options", "n"}
_IDLE = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}
_IDLE |= {"prompt_cache_retention", "parallel_tool_calls"}
"""Fields that change no answer."""
_OFF = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""Fields that this server cannot serve, each with the values, beside null, that ask for nothing."""
_OFF_IN_MESSAGES = ({}, [], None)
"""What a field of a message says that is not there: clients send back all fields that an answer had."""


def _object(body: bytes) -> Mapping:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON ({' '.join(str(error).split()):.100})") from None
    if not isinstance(asked, dict):
        raise Refused(400, "the body must be a JSON object, with model and messages")
    return asked


def _without_idle(asked: Mapping) -> dict:
    """The fields that ask for something. Raises Refused for one that is unknown or cannot be served."""
    left = {}
    for name, value in asked.items():
        if name in _IDLE or (name in _OFF and _is_off(name, value)):
            continue
        if name == "n":
            raise Refused(400, "n must be 1: ask once for each answer", "n")
        if name not in _READ:
            known = ", ".join(sorted(_READ))
            message = f"{name!r:.40} is not served here; leave it out. Known: {known}"
            raise Refused(400, message, f"{name:.40}")
        if value is not None:
            left[name] = value
    return left


def _is_off(name: str, value) -> bool:
    """Whether a value of a field in _OFF asks for nothing. In Python True is 1, and in JSON it is not."""
    is_flag = isinstance(value, bool)
    return value is None or any(value == off and is_flag == isinstance(off, bool) for off in _OFF[name])


def _messages(asked: Mapping, tokenizer) -> list[dict]:
    messages = asked.get("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= MESSAGES:
        raise ValueError(f"messages must be a list of 1 to {MESSAGES}, each with a role and a content")
    found = [_joined_parts(message) for message in messages]
    if tokenizer.is_public:  # its template knows its roles
        return found
    system = [
        one for one in found[:1] if isinstance(one, dict) and one.get("role") in ("system", "developer")
    ]
    first = [{**one, "role": "system"} for one in system]
    if len(found) > 1 and first:
        return system_joined(as_messages({"messages": first + found[1:]}, "messages"))
    return found


def _least_tokens(messages: Sequence, tokenizer) -> int:
    """The messages have at least so many tokens, told without cutting them; 0 where cutting is quick.

    Each byte counts as its part of the longest token that it is in, so that no token counts more than one.
    """
    if not isinstance(tokenizer, BPETokenizer):
        return 0
    longest = _longest(tokenizer)
    texts = [message.get("content") for message in messages if isinstance(message, dict)]
    often = Counter(b"".join(replace_surrogates(text).encode() for text in texts if isinstance(text, str)))
    return int(sum(n / longest[byte] for byte, n in often.items()))


@lru_cache(maxsize=4)
def _longest(tokenizer: BPETokenizer) -> dict[int, int]:
    """Byte -> the length of the longest token that it is in."""
    longest: dict[int, int] = {}
    for token in sorted(tokenizer.ids, key=len):
        longest |= dict.fromkeys(token, len(token))
    return longest


def _check_length(about: str, n: int, context_length: int) -> None:
    if n > context_length:
        most = f"above context_length={context_length}"
        message = f"messages have {about}{n:,} tokens, {most}; shorten them"
        raise Refused(400, message, "messages", "context_length_exceeded")


def _joined_parts(message):
    """A message without its idle fields, whose content, if it is a list of texts, is one text."""
    if not isinstance(message, dict):
        return message
    parts = message.get("content")
    message = {k: one for k, one in message.items() if k == "content" or one not in _OFF_IN_MESSAGES}
    if not isinstance(parts, list):
        return message
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("messages hold a part that is no text; this model reads text alone")
    return {**message, "content": "".join(texts)}


def _number(asked: Mapping, name: str, low, high, default=None, whole: bool = False):
    value = asked.get(name)
    if value is None:
        return default
    kinds = (int,) if whole else (int, float)
    right = isinstance(value, kinds) and not isinstance(value, bool)
    if not right or not low <= value <= high or not math.isfinite(value):
        kind = "a whole number" if whole else "a number"
        raise Refused(400, f"{name}={value!r:.40} must be {kind} from {low:,} to {high:,}", name)
    return value


def _flag(asked: Mapping, name: str) -> bool:
    value = asked.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refused(400, f"{name}={value!r:.40} must be true or false", name)
    return bool(value)


def _with_usage(asked: Mapping) -> bool:
    options = asked.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise Refused(400, "stream_options must be an object", "stream_options")
    wanted = _flag(options, "include_usage")
    if wanted and not asked.get("stream"):
        raise Refused(400, "stream_options must be left out: it goes with stream: true", "stream_options")
    return wanted


def _stops(asked: Mapping) -> tuple[str, ...]:
    stops = asked.get("stop")
    stops = [] if stops is None else [stops] if isinstance(stops, str) else stops
    right = isinstance(stops, list) and len(stops) <= STOPS
    if not right or not all(isinstance(one, str) and 0 < len(one) <= STOP_LENGTH for one in stops):
        rule = f"a text, or a list of up to {STOPS}, of 1 to {STOP_LENGTH} characters each"
        raise Refused(400, f"stop must be {rule}", "stop")
    return tuple(stops)
