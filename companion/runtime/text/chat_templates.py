"""Chat templates: the programs in Jinja by which public models write conversations, in a sandbox.

Nothing that a message holds can become a special token: see Guard.
"""

import json
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache

from companion.runtime.files.time_limits import Bounded, Ended, inside

INSTALL = "pip install huggingface_hub tokenizers jinja2"
PRIVATE = range(0xE000, 0xF900)
"""Characters that Unicode leaves to private use; no text that people write holds all 6,400."""
SECONDS = 10.0  # what a template has to write one conversation; real ones take a thousandth of a second


def private_character(text: str, not_in: Collection[str] = ()) -> str:
    """The first character for private use that a text does not hold. ValueError for one that holds all."""
    for code in PRIVATE:
        if chr(code) not in text and chr(code) not in not_in:
            return chr(code)
    raise ValueError("text holds every character of Unicode's private use area; leave one out")


class Guard:
    """Messages in which no special token's name can be found, and the way back.

    In each name in a message, the first character is replaced by a private one that stands for it; so are
    the beginning of a name at a message's end and the end of a name at its beginning, which the template
    could complete. messages: those for the template.
    """

    def __init__(self, names: Collection[str], template: str, messages: list[dict]):
        self.names, self.stands_for = names, {}
        self.taken = template + json.dumps(messages, ensure_ascii=False)
        self.messages = [self.guarded(message) for message in messages]

    def guarded(self, value):
        """A message, or what it holds, with every text in it guarded."""
        if isinstance(value, dict):
            return {name: self.guarded(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.guarded(one) for one in value]
        if not isinstance(value, str):
            return value
        places = {*self.found(value), *self.half_found(value)}
        return "".join(self.stand_in(c) if i in places else c for i, c in enumerate(value))

    def found(self, text: str) -> Iterator[int]:
        """Where names begin."""
        for name in self.names:
            place = text.find(name)
            while place >= 0:
                yield place
                place = text.find(name, place + 1)

    def half_found(self, text: str) -> Iterator[int]:
        """Where a text ends with the beginning of a name, or begins with its end, white space aside."""
        ends = {len(text), len(text.rstrip())}
        starts = {0, len(text) - len(text.lstrip())}
        for name in self.names:
            for cut in range(1, len(name)):
                yield from (end - cut for end in ends if text.endswith(name[:cut], 0, end))
                yield from (start for start in starts if text.startswith(name[cut:], start))

    def stand_in(self, character: str) -> str:
        """The private character for this one."""
        for private, meant in self.stands_for.items():
            if meant == character:
                return private
        private = private_character(self.taken, self.stands_for)
        self.stands_for[private] = character
        return private

    def restored(self, text: str) -> str:
        """A text with the characters that the private ones stand for."""
        return text.translate(str.maketrans(self.stands_for))


def check_messages(messages) -> list[dict]:
    """The messages as a list. ValueError for what is no list of {"role": …, "content": …}."""
    form = 'a list such as [{"role": "user", "content": "Hi"}]'
    if not isinstance(messages, (list, tuple)) or not messages:
        raise ValueError(f"messages={messages!r:.40} must be {form}")
    for i, message in enumerate(messages):
        texts = isinstance(message, dict) and all(
            isinstance(message.get(k), str) for k in ("role", "content")
        )
        if not texts:
            raise ValueError(f"messages[{i}]={message!r:.40} must have a role and a content, as in {form}")
    return list(messages)


def render(template: str, variables: dict, messages: list[dict], name: str = "the chat template") -> str:
    """Write a conversation as a chat template says; name: what error messages call the template.

    A template is a program of somebody else's, which may loop for ever or fill the memory. It runs in a
    process that is ended then. Raises ValueError, in one line, for whatever goes wrong with it.
    """
    if inside():
        return render_here(template, variables, messages, name)
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise ImportError(f"chat templates need jinja2: {INSTALL}") from None
    try:
        return renderer().ask([template, variables, messages, name])
    except Ended as error:
        raise ValueError(f"{name} {error}; take another model") from None


@lru_cache(1)
def renderer() -> Bounded:
    """The process in which templates run."""
    return Bounded("companion.runtime.text.chat_templates:make_renderer", None, SECONDS)


def make_renderer(setup: None) -> Callable[[list], str]:
    """What that process answers with."""
    return lambda question: render_here(*question)


def render_here(template: str, variables: dict, messages: list[dict], name: str) -> str:
    """As render, in this process, and without a limit of time."""
    try:
        from jinja2 import TemplateSyntaxError
    except ImportError:
        raise ImportError(f"chat templates need jinja2: {INSTALL}") from None
    try:
        compiled, refused = compile_template(template)
    except TemplateSyntaxError as error:
        problem = " ".join(str(error.message).split())
        raise ValueError(f"{name} is broken in line {error.lineno}: {problem:.200}") from None
    except Exception as error:  # nested too deep for Jinja, or for Python
        problem = " ".join(str(error).split())
        raise ValueError(f"{name} cannot be read ({type(error).__name__}: {problem:.120})") from None
    try:
        return compiled.render(messages=messages, tools=None, documents=None, **variables)
    except refused as error:
        raise ValueError(f"{name} refuses these messages: {' '.join(str(error).split()):.500}") from None
    except Exception as error:  # a stranger's program, which may fail in any way
        problem = " ".join(str(error).split())
        raise ValueError(f"{name} failed ({type(error).__name__}: {problem:.120})") from None


@lru_cache(16)
def compile_template(template: str):
    """(template, exception that it raises when it refuses), in a sandbox set up as transformers does.

    Source: transformers, utils/chat_template_utils.py.
    """
    import datetime

    import jinja2
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

    class Refused(jinja2.TemplateError):
        pass

    class Generation(Extension):
        """{% generation %} … {% endgeneration %}, which marks what a model learns: here, what is inside."""

        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(
                line
            )

    class Namespace(jinja2.utils.Namespace):
        """Without attributes that could lead out of the sandbox."""

        def __init__(*args, **kwargs):
            self, *given = args
            attributes = dict(*given, **kwargs)
            for name in attributes:
                Namespace.check(name)
            jinja2.utils.Namespace.__init__(self, attributes)

        def __setitem__(self, name, value):
            Namespace.check(name)
            super().__setitem__(name, value)

        @staticmethod
        def check(name):
            if str(name).startswith("_"):
                raise SecurityError(f"a namespace cannot hold {name!r}")

    class Dict:
        """dict, as a function alone."""

        def __call__(self, *args, **kwargs):
            return dict(*args, **kwargs)

    def raise_exception(message):
        raise Refused(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    options = {"trim_blocks": True, "lstrip_blocks": True, "extensions": [Generation, loopcontrols]}
    environment = ImmutableSandboxedEnvironment(**options)
    environment.filters["tojson"] = tojson
    environment.globals |= {"raise_exception": raise_exception, "namespace": Namespace, "dict": Dict()}
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return environment.from_string(template), Refused
