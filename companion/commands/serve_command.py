"""companion serve: a model that answers over HTTP, in OpenAI's chat-completions protocol."""

import os
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from fastapi import FastAPI

from companion import load
from companion.commands.naming import check_answers, in_url
from companion.serve.questions import Limits
from companion.serve.server import LOCAL, hosts_of, make_app, need_libraries, open_socket, serve

TOKEN = "COMPANION_TOKEN"


@dataclass
class ServePlan:
    """An app to serve, at a socket that listens already."""

    app: FastAPI
    bound: socket.socket
    limits: Limits
    name: str  # what clients call the model
    token: str | None  # what a client must send; None: nothing
    host: str  # the address, as --host named it


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
