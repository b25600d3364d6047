"""companion serve: a model that answers over HTTP, in OpenAI's chat-completions protocol."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from companion import load
from companion.cli._parsing import Alias, Range
from companion.cli._shared import ANSWERER, HubOptions, check_answers, in_url, tells_of_the_village
from companion.serve.lists import Lists

TOKEN = "COMPANION_TOKEN"


@dataclass(kw_only=True)
class Options(HubOptions):
    """Serve a model over HTTP in the protocol of OpenAI's API.

    Args:
        model: As for generate. Default: the assistant that comes with the course.
        name: Name of the model in requests. Default: the name of its folder.
        host: Address to listen at; 0.0.0.0 lets other computers in.
        port: Port to listen at; 0 takes a free one.
        token: Secret that each client must send (default: none). Other users of this computer can see what
            you type here, so better set the environment variable COMPANION_TOKEN.
        slots: Number of answers that are generated together.
        waiting: Number of requests that may wait; further ones get status 429.
        max_tokens: Largest number of tokens in an answer, and the number if a request does not say.
        max_body: Largest number of bytes in a request.
        seconds: Longest time for a request, including waiting, in seconds.

    Example:
        companion serve --port 8000
    """

    model: Annotated[Path, Alias("--checkpoint")] = ANSWERER
    name: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Range(0, 65_535)] = 8000
    token: str | None = None
    slots: Annotated[int, Range(1, 1024)] = 8
    waiting: Annotated[int, Range(1, 100_000)] = 32
    max_tokens: Annotated[int, Range(1, 1_000_000)] = 512
    max_body: Annotated[int, Range(1024, 100_000_000)] = 262_144
    seconds: Annotated[float, Range(0.1, 86_400)] = 300.0


def run(options: Options) -> None:
    try:
        from companion.serve.chat_requests import Limits
        from companion.serve.server import LOCAL, hosts_of, make_app, open_socket, serve
    except ImportError as error:
        raise ImportError(f"the server needs {error.name}: pip install -e '.[serve]'") from None
    token = os.environ.get(TOKEN) if options.token is None else options.token
    if token is not None and (not token.strip() or not token.isascii() or token != token.strip()):
        raise ValueError(f"--token (or {TOKEN}) must be ASCII characters without spaces around; take others")
    with open_socket(options.host, options.port) as bound:
        teller = load(options.model, options.device, revision=options.revision, fast=True)
        check_answers(options.model, teller)
        limits = Limits(options.slots, options.waiting, options.seconds, options.max_body, options.max_tokens)
        name = options.name or options.model.resolve().name
        of_village = tells_of_the_village(options.model, teller.tokenizer)
        answers = Lists().answer_text if of_village else None
        app = make_app(teller, name, limits, token, hosts_of(options.host), answers)
        host, port = bound.getsockname()[:2]
        place = in_url(host)
        print(f"{name} answers at http://{place}:{port}/v1 (Ctrl-C ends it)", flush=True)
        print(f"How to ask it, with an example: http://{place}:{port}/docs", flush=True)
        if token is None and options.host not in LOCAL:
            open_to = f"Anyone who can reach {place} can use this server."
            print(f"{open_to} Set {TOKEN} to a secret to keep others out.", file=sys.stderr)
        serve(app, bound)
    print("Stopped.")
