"""A server that speaks OpenAI's chat-completions protocol over HTTP: one model, one thread that runs it.

`make_app` is the web application. `serve` runs it until Ctrl-C, `running` beside a notebook or a test. Every
request is bounded, in bytes, tokens, time and number, and a client that goes away frees its slot. Other
threads read the questions (reading.py), and silent connections are closed (connections.py).
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from html import escape
from pathlib import Path
from queue import Full
from string import Template

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.requests import ClientDisconnect

from companion.instructions import chat_ids
from companion.runtime.text.hugging_face import PublicTokenizer
from companion.serve.answering import Answer, Events, fixed_answer
from companion.serve.chat_requests import Limits, Refused, check_model, read_question
from companion.serve.connections import MAX_CONNECTIONS, Gate, QuietProtocol, error_response
from companion.serve.reading import ChatProcess
from companion.serving import Engine, completion

LOCAL = ("127.0.0.1", "localhost", "::1")
BODY_SECONDS = 10.0  # that a client has to send a body
GRACE = 5.0  # seconds that running answers have when the server closes


async def read_body(http: Request, limits: Limits) -> bytes:
    """Return a request's body.

    Raises:
        Refused: If the body is too long (413) or too slow (408).
    """
    too_long = Refused(413, f"the body has more than {limits.body:,} bytes; send less")
    if int(http.headers.get("content-length", 0)) > limits.body:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in http.stream():
                body += part
                if len(body) > limits.body:
                    raise too_long
    except TimeoutError:
        raise Refused(408, f"the body did not come within {BODY_SECONDS:g} seconds") from None
    return bytes(body)


async def unless_gone(http: Request, work):
    """Return what some work returns.

    Raises:
        ClientDisconnect: If the client goes away. The work is then cancelled.
    """

    async def gone() -> None:
        while (await http.receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise ClientDisconnect
        return tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()


def make_app(
    teller,
    name: str,
    limits: Limits,
    token: str | None,
    hosts: tuple[str, ...],
    from_lists: Callable[[str], str | None] | None,
):
    """Return the web application: a FastAPI with /v1/models, /v1/chat/completions, /health and /docs.

    Args:
        teller: A LanguageModel that learned to answer.
        name: What clients call the model.
        limits: The limits of the server.
        token: The token that clients must send, except for /health. If None, they need no token.
        hosts: Names by which the server may be called. Without any, each name is right.
        from_lists: Returns the answer to a message that needs no model, or None. If from_lists is None, the
            model answers every message.
    """
    engine = Engine(teller.reader(), limits.slots, limits.waiting)
    readers = ThreadPoolExecutor(1, "reader")
    tokenizer = teller.tokenizer
    process = ChatProcess(tokenizer) if isinstance(tokenizer, PublicTokenizer) else None
    write = process.chat if process else partial(chat_ids, tokenizer=tokenizer, reply=True)
    this_model = {"id": name, "object": "model", "created": int(time.time()), "owned_by": "companion"}

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        engine.start()
        if process:
            readers.submit(process.start)
        yield
        engine.close()
        await asyncio.to_thread(engine.join, GRACE)
        await asyncio.to_thread(readers.shutdown, cancel_futures=True)

    # FastAPI's own pages would load scripts from another host.
    app = FastAPI(lifespan=lifespan, redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Gate, token=token, hosts=hosts)
    app.state.engine = engine
    app.state.process = process

    @app.exception_handler(Refused)
    async def refused(http: Request, error: Refused):
        return error_response(error)

    @app.exception_handler(Exception)
    async def failed(http: Request, error: Exception):
        return error_response(Refused(500, "the server failed; its log says how"))

    @app.exception_handler(ClientDisconnect)
    async def gone(http: Request, error: ClientDisconnect):
        return Response(status_code=400)  # which nobody reads

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def nothing_here(http: Request, error):
        paths = "POST /v1/chat/completions, GET /v1/models, GET /v1/models/NAME, GET /health"
        message = f"there is nothing here; try {paths}, or read GET /docs"
        response = error_response(Refused(error.status_code, message))
        response.headers.update(error.headers or {})  # Allow: what a path can be asked
        return response

    @app.head("/health")
    @app.get("/health")
    async def health():
        return {"status": "ok" if engine.is_alive() else "stopped"}

    @app.get("/docs")
    async def docs(http: Request):
        url = f"http://{http.headers.get('host', 'localhost')}"
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(docs_page(name, url, limits, token is not None), headers=headers)

    @app.get("/v1/models")
    async def models():
        return {"object": "list", "data": [this_model]}

    @app.get("/v1/models/{model:path}")
    async def model(model: str):
        check_model(model, name)
        return this_model

    @app.post("/v1/chat/completions")
    async def chat_completions(http: Request):
        kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":  # a web page of another site cannot send this unasked
            raise Refused(415, "the body must come as Content-Type: application/json")
        deadline = time.monotonic() + limits.seconds
        body = await read_body(http, limits)
        loop = asyncio.get_running_loop()
        given = (body, tokenizer, teller.model.config, name, limits, write)
        work = loop.run_in_executor(readers, read_question, *given)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                asked, request = await unless_gone(http, work)
        except TimeoutError:
            raise Refused(504, "the messages were not read in time; shorten them, or ask later") from None
        last = asked.messages[-1]
        said = None
        if from_lists and last.role == "user" and request.allowed is None:
            message = last.as_dict(tokenizer.is_public)["content"]
            said = await asyncio.to_thread(from_lists, message)
        if said is not None:
            return fixed_answer(asked, said, name, len(request.tokens))
        answer = Answer(asked, request, tokenizer, deadline)
        try:
            engine.submit(request)
        except Full as error:
            raise Refused(429, f"{error}; try again in a second", code="queue_full") from None
        if asked.stream:
            return Events(answer, name, limits.seconds + GRACE)
        try:
            message = await unless_gone(http, answer.message())
        finally:
            answer.give_up()
        reply = completion(answer.name, name, message["content"], answer.finish, answer.used())
        reply["choices"][0]["message"] |= message
        return JSONResponse(reply)

    return app


def docs_page(name: str, url: str, limits: Limits, needs_token: bool) -> str:
    """Return the page /docs: what a client can ask, with an example. It loads nothing from elsewhere."""
    messages = [{"role": "user", "content": "Tell a story about the baker Mara and a red kite."}]
    body = json.dumps({"model": name, "temperature": 0.7, "seed": 1, "messages": messages})
    quoted = body.replace("'", "'\\''")
    token = " -H 'Authorization: Bearer TOKEN'" if needs_token else ""
    curl = f"curl {url}/v1/chat/completions -H 'Content-Type: application/json'{token} -d '{quoted}'"
    page = Template(Path(__file__).with_name("docs.html").read_text("utf-8"))
    return page.substitute(
        name=escape(name),
        url=escape(url),
        curl=escape(curl),
        max_tokens=f"{limits.max_tokens:,}",
        seconds=f"{limits.seconds:g}",
        slots=limits.slots,
        waiting=limits.waiting,
    )


# -- running it -------------------------------------------------------------


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens, so that a wrong host or port is found before a model is loaded."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"--host={host} --port={port} cannot be opened ({error}); take another") from None


def hosts_of(host: str) -> tuple[str, ...]:
    """Return the names by which a server on this host may be called: on this machine's own, only these."""
    return LOCAL if host in LOCAL else ()


class Server(uvicorn.Server):
    """uvicorn's server for an application of make_app."""

    def __init__(self, app: FastAPI):
        config = uvicorn.Config(
            app,
            http=QuietProtocol,
            log_level="warning",
            access_log=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=int(GRACE),
            server_header=False,
            ws="none",
        )
        super().__init__(config)
        self.state = app.state

    async def shutdown(self, sockets=None) -> None:
        """End what is being read now, and answers shortly before uvicorn would cut them off."""
        if self.state.process:
            self.state.process.close()
        asyncio.get_running_loop().call_later(GRACE - 1, self.state.engine.close)
        await super().shutdown(sockets)


def serve(app: FastAPI, bound: socket.socket) -> None:
    """Answer until Ctrl-C. Running answers then have five seconds to end."""
    with suppress(KeyboardInterrupt):
        Server(app).run(sockets=[bound])


@contextmanager
def running(
    teller,
    name: str = "model",
    limits: Limits | None = None,
    token: str | None = None,
    from_lists: Callable[[str], str | None] | None = None,
) -> Iterator[str]:
    """`with running(teller) as url:` serves on 127.0.0.1, at a free port, in a thread, as long as inside."""
    bound = open_socket("127.0.0.1", 0)
    server = Server(make_app(teller, name, limits or Limits(), token, LOCAL, from_lists))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(2 * GRACE)
        bound.close()


def read_events(lines) -> Iterator[dict]:
    """Yield the values of server-sent events, up to [DONE]. The lines are bytes."""
    for line in lines:
        text = line.decode()
        if text.startswith("data: ") and text.strip() != "data: [DONE]":
            yield json.loads(text[6:])
