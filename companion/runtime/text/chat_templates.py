"""Chat templates: the programs in Jinja by which public models write conversations, in its sandbox."""

import datetime
import json
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import regex

from companion.runtime.files.arguments import replace_surrogates
from companion.runtime.terminal import joined_lines

GUARD = "\udfff"
"""Half a character, which `replace_surrogates` leaves in no text: it stands inside the names of special
tokens that somebody typed, until the special tokens of the template are found."""


def check_messages(messages: Any) -> list[dict]:
    """Return the messages as a list.

    Raises:
        ValueError: For what is no list of {"role": …, "content": …}.
    """
    form = 'a list such as [{"role": "user", "content": "Hi"}]'
    if not isinstance(messages, (list, tuple)) or not messages:
        raise ValueError(f"messages={messages!r:.40} must be {form}")
    for i, message in enumerate(messages):
        fields = [message.get(name) for name in ("role", "content")] if isinstance(message, dict) else [None]
        if not all(isinstance(field, str) for field in fields):
            raise ValueError(f"messages[{i}]={message!r:.40} must have a role and a content, as in {form}")
    return list(messages)


def guarded(messages: list[dict], names: Collection[str]) -> list[dict]:
    """Return messages with GUARD after the first character of each of these names in them."""
    starts = (regex.escape(name[0]) + f"(?={regex.escape(name[1:])})" for name in names)
    pattern = regex.compile("|".join(starts) or "(?!)")

    def inside(value):
        if isinstance(value, dict):
            return {key: inside(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [inside(inner) for inner in value]
        return pattern.sub(r"\g<0>" + GUARD, replace_surrogates(value)) if isinstance(value, str) else value

    return inside(messages)


def render(template: str, messages: list[dict], place: str = "", **variables: Any) -> str:
    """Write a conversation as a chat template does.

    Args:
        template: The program.
        messages: The conversation.
        place: The file that the template is from, for messages.
        variables: What else the template may use, such as bos_token.

    Raises:
        ValueError: In one line, if the template cannot be read, fails, or refuses these messages.
    """
    try:
        return compiled(template).render(messages=messages, tools=None, documents=None, **variables)
    except Exception as error:  # a program may fail in any way
        problem = f"{type(error).__name__}: {joined_lines(error).replace(GUARD, '')}"
        where = f" in {place}" if place else ""
        raise ValueError(f"the chat template{where} failed ({problem})") from None


@lru_cache(16)
def compiled(template: str) -> Any:
    """Return a template in the sandbox, with the functions that transformers gives to templates.

    Reference:
        transformers, utils/chat_template_utils.py.
    """
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """{% generation %} … {% endgeneration %} marks what a model learns; here it changes nothing."""

        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def raise_exception(message):
        raise TemplateError(message)

    def tojson(value, ensure_ascii=False, **options):  # Jinja's own escapes the signs of HTML
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    extensions = [Generation, loopcontrols]
    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    sandbox.filters["tojson"] = tojson
    sandbox.globals["raise_exception"] = raise_exception
    sandbox.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return sandbox.from_string(template)
