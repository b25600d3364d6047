"""companion serve: a model that answers over HTTP, in OpenAI's chat-completions protocol."""

import os
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from fastapi import FastAPI

from companion import load
from companion.commands.naming import ANSWERER, add_device, add_model_and_revision, check_answers, in_url
from companion.runtime.command_line.options import as_word, integer, number
from companion.serve.questions import Limits
from companion.serve.server import LOCAL, hosts_of, make_app, need_libraries, open_socket, serve

TOKEN = "COMPANION_TOKEN"
SECONDS = 300.0
"""Eight answers of 512 tokens at once by SmolLM2-135M took over a minute on one core."""


@dataclass
class ServePlan:
    """An app to serve, at a socket that listens already."""

    app: FastAPI
    bound: socket.socket
    limits: Limits
    name: str  # what clients call the model
    token: str | None  # what a client must send; None: nothing
    host: str  # the address, as --host named it


def add(parser) -> None:
    add_model_and_revision(parser, default=ANSWERER, said="the assistant that comes with the course")
    parser.add_argument("--name", help="name of the model in requests (default: the name of its folder)")
    parser.add_argument(
        "--host",
        type=as_word,
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 lets other computers in (default: 127.0.0.1, only this computer)",
    )
    parser.add_argument(
        "--port",
        type=integer(0, 65535),
        default=8000,
        help="port to listen at; 0 takes a free one (default: 8000)",
    )
    parser.add_argument(
        "--token",
        help="secret that each client must send (default: none). Other users of this computer can see what"
        f" you type here, so better set the environment variable {TOKEN}",
    )
    bounds = [
        ("slots", 1, 1024, 8, "number of answers that are generated together"),
        ("waiting", 1, 10**5, 32, "number of requests that may wait; further ones get status 429"),
        (
            "max-tokens",
            1,
            10**6,
            512,
            "largest number of tokens in an answer, and the number if a request does not say",
        ),
        ("max-body", 1024, 10**8, 256 * 1024, "largest number of bytes in a request"),
    ]
    for name, low, high, default, about in bounds:
        kind = integer(low, high)
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{about} (default: {default:,})")
    parser.add_argument(
        "--seconds",
        type=number(0.1, 86_400),
        default=SECONDS,
        help=f"longest time for a request, including waiting, in seconds (default: {SECONDS:g})",
    )
    add_device(parser)


def plan(args, held: ExitStack) -> ServePlan:
    need_libraries()
    token = os.environ.get(TOKEN) if args.token is None else args.token
    if token is not None and (not token.strip() or not token.isascii() or token != token.strip()):
        raise ValueError(f"--token (or {TOKEN}) must be ASCII characters without spaces around; take others")
    bound = held.enter_context(open_socket(args.host, args.port))
    teller = load(args.model, device=args.device, revision=args.revision)
    check_answers(args.model, teller)
    limits = Limits(args.slots, args.waiting, args.seconds, args.max_body, args.max_tokens)
    name = args.name or args.model.resolve().name
    app = make_app(teller, name, limits, token, hosts_of(args.host))
    return ServePlan(app, bound, limits, name, token, args.host)


def do(plan: ServePlan) -> None:
    host, port = plan.bound.getsockname()[:2]
    place = in_url(host)
    print(f"{plan.name} answers at http://{place}:{port}/v1 (Ctrl-C ends it)", flush=True)
    print(f"How to ask it, with an example: http://{place}:{port}/docs", flush=True)
    if plan.token is None and plan.host not in LOCAL:
        print(
            f"Anyone who can reach {place} can use this server. Set {TOKEN} to a secret to keep others out.",
            file=sys.stderr,
        )
    serve(plan.app, plan.bound, plan.limits)


def report(plan: ServePlan, result: None) -> None:
    print("Stopped.")
