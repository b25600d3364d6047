"""A server that speaks OpenAI's chat-completions protocol over HTTP: one model, one thread that runs it.

`make_app` is the web application; `serve` runs it until Ctrl-C, `running` beside a notebook or a test. Every
request is bounded, in bytes, tokens, time and number; a client that goes away frees its slot. Other threads
read the questions (reading.py), and connections that ask nothing are closed (connections.py).
"""

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from queue import Full
from types import SimpleNamespace

from companion.runtime.text.end_tokens import answer_decoder
from companion.serve.questions import Limits, Question, Refused, Until, check_model, closing, read_question
from companion.serve.reading import Readers
from companion.serving import Engine, Request, chunk, completion, event, usage

INSTALL = "pip install -e '.[serve]'"
LOCAL = ("127.0.0.1", "localhost", "::1")
BODY_SECONDS, GRACE = 10.0, 5.0


def need_libraries() -> None:
    """Raises ImportError, in one line, where FastAPI or uvicorn is missing."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ImportError(f"the server needs {error.name}: {INSTALL}") from None


class Answer:
    """A request on its way through the engine, as pieces of text for the thread that asked.

    deadline: when it must be done, by time.monotonic(). name: its id. finish: None; at the end OpenAI's word
    for why it ended.
    """

    def __init__(self, question: Question, tokenizer, deadline: float):
        self.question, self.name, self.finish = question, f"chatcmpl-{uuid.uuid4().hex}", None
        self.tokens, loop = asyncio.Queue(), asyncio.get_running_loop()
        self.decoder, self.until = answer_decoder(tokenizer), Until(question.stops)

        def put(token: int | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self.tokens.put_nowait, token)

        self.request = Request(
            question.tokens,
            question.max_new_tokens,
            question.ends,
            question.options,
            question.seed,
            put,
            deadline,
        )

    def give_up(self) -> None:
        """Free its slot, or its place in the queue. Nothing happens if it is done."""
        self.request.deadline = float("-inf")

    def used(self) -> tuple[int, int]:
        """Tokens of the prompt, and those that were drawn, the end included."""
        return len(self.question.tokens), len(self.request.drawn)

    async def pieces(self) -> AsyncIterator[str]:
        """The answer's text, as it comes. Raises Refused for one that cannot be finished."""
        while (token := await self.tokens.get()) is not None:
            if token in self.question.ends:
                continue
            if text := self.until.add(self.decoder.add(token)):
                yield text
            if self.until.done:
                self.finish = "stop"
                self.give_up()
                return
        if self.request.finish not in ("stop", "length"):
            raise _unfinished(self.request.finish)
        self.finish = self.request.finish
        rest = self.until.add(self.decoder.end())
        self.finish = "stop" if self.until.done else self.finish
        if rest := rest + self.until.end():
            yield rest


def _unfinished(why: str) -> Refused:
    if why == "late":
        return Refused(504, "the answer was not whole in time; ask for fewer max_tokens, or later")
    if why == "closed":
        return closing()
    return Refused(500, "the model failed; the server's log says how")


async def read_body(http, limits: Limits) -> bytes:
    """A request's body. Raises Refused for one that is too long (413) or too slow (408)."""
    too_long = Refused(413, f"the body has more than {limits.body:,} bytes; send less")
    length = http.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > limits.body:
        raise too_long
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in http.stream():
                size += len(part)
                if size > limits.body:
                    raise too_long
                parts.append(part)
    except TimeoutError:
        raise Refused(408, f"the body did not come within {BODY_SECONDS:g} seconds") from None
    return b"".join(parts)


async def unless_gone(http, work):
    """What some work returns; None, and the work is cancelled, once the client has gone away."""

    async def gone() -> None:
        while (await http.receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else None
    finally:
        for task in tasks:
            task.cancel()


def make_app(teller, name: str, limits: Limits, token: str | None = None, hosts: tuple[str, ...] = ()):
    """The web application: a FastAPI with /v1/models, /v1/chat/completions, /health and /docs.

    teller: a LanguageModel that learned to answer. name: what clients call it. token: asked of every client,
    but for /health; None, of nobody. hosts: names by which it may be called; none given, any.
    """
    from fastapi import FastAPI
    from fastapi import Request as Http
    from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
    from starlette.requests import ClientDisconnect

    from companion.serve.connections import Gate, error_response
    from companion.serve.docs_page import docs_page

    engine, began = Engine(teller.reader(), limits.slots, limits.waiting), int(time.time())
    readers = Readers(teller.tokenizer)
    asked = SimpleNamespace(model=teller.model, tokenizer=readers.tokenizer)

    @asynccontextmanager
    async def alive(app: FastAPI):
        engine.start()
        readers.start()
        yield
        engine.close()
        await asyncio.to_thread(engine.join, GRACE)
        await asyncio.to_thread(readers.close)

    # FastAPI's own pages would load scripts from another host.
    closed = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = FastAPI(lifespan=alive, redirect_slashes=False, **closed)
    app.add_middleware(Gate, limits=limits, token=token, hosts=hosts)
    app.state.engine = engine

    def begin_to_close() -> None:
        """End what is being read now, and answers shortly before uvicorn would cut them off."""
        readers.end()
        asyncio.get_running_loop().call_later(GRACE - 1, engine.close)

    app.state.begin_to_close = begin_to_close

    class Events(StreamingResponse):
        """Server-sent events, sent within the request's time; whatever happens, the slot is freed."""

        def __init__(self, answer: Answer):
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            super().__init__(events(answer, name), headers=headers, media_type="text/event-stream")
            self.answer = answer

        async def __call__(self, scope, receive, send) -> None:
            try:
                async with asyncio.timeout(limits.seconds + GRACE):
                    await super().__call__(scope, receive, send)
            finally:
                self.answer.give_up()

    @app.exception_handler(Refused)
    async def refused(http: Http, error: Refused):
        return error_response(error)

    @app.exception_handler(Exception)
    async def failed(http: Http, error: Exception):
        return JSONResponse(Refused(500, "the server failed; its log says how").body(), 500)

    @app.exception_handler(ClientDisconnect)
    async def gone(http: Http, error: ClientDisconnect):
        return Response(status_code=400)  # which nobody reads

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def nothing_here(http: Http, error):
        there = (
            "POST /v1/chat/completions, GET /v1/models, GET /v1/models/NAME, GET /health, or read GET /docs"
        )
        return error_response(Refused(error.status_code, f"there is nothing here; try {there}"))

    @app.get("/health")
    async def health():
        return {"status": "ok" if engine.is_alive() else "stopped"}

    @app.get("/docs")
    async def docs(http: Http):
        url = f"http://{http.headers.get('host', 'localhost')}"
        safe = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(docs_page(name, url, limits, token is not None), headers=safe)

    this_model = {"id": name, "object": "model", "created": began, "owned_by": "companion"}

    @app.get("/v1/models")
    async def models():
        return {"object": "list", "data": [this_model]}

    @app.get("/v1/models/{model:path}")
    async def model(model: str):
        check_model(model, name)
        return this_model

    async def read(body: bytes, http: Http, deadline: float) -> Question:
        """As read_question, in a reader's thread. Raises ClientDisconnect if the client does not wait."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(readers.threads, read_question, body, asked, name, limits)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                question = await unless_gone(http, work)
        except TimeoutError:
            raise Refused(504, "the messages were not read in time; shorten them, or ask later") from None
        if question is None:
            raise ClientDisconnect
        return question

    @app.post("/v1/chat/completions")
    async def chat_completions(http: Http):
        kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":  # a web page of another site cannot send this unasked
            raise Refused(415, "the body must come as Content-Type: application/json")
        deadline = time.monotonic() + limits.seconds
        question = await read(await read_body(http, limits), http, deadline)
        answer = Answer(question, teller.tokenizer, deadline)
        try:
            engine.submit(answer.request)
        except Full as error:
            raise Refused(429, f"{error}; try again in a second", code="queue_full") from None
        except (ValueError, TypeError) as error:
            raise Refused(400, str(error)) from None
        if question.stream:
            return Events(answer)
        try:
            text = await unless_gone(http, whole(answer))
        finally:
            answer.give_up()
        return JSONResponse(completion(answer.name, name, text or "", answer.finish, answer.used()))

    return app


async def whole(answer: Answer) -> str:
    """The text of an answer."""
    return "".join([piece async for piece in answer.pieces()])


async def events(answer: Answer, model: str) -> AsyncIterator[bytes]:
    """An answer as server-sent events: who speaks, the pieces, why it ended, and the word [DONE]."""
    yield event(chunk(answer.name, model, {"role": "assistant", "content": ""}))
    try:
        async for piece in answer.pieces():
            yield event(chunk(answer.name, model, {"content": piece}))
    except Refused as error:
        yield event(error.body())
        return
    yield event(chunk(answer.name, model, {}, answer.finish))
    if answer.question.with_usage:
        last = chunk(answer.name, model, {})
        yield event(last | {"choices": [], "usage": usage(*answer.used())})
    yield event("[DONE]")


# -- running it -------------------------------------------------------------


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens, so that what is wrong with host or port is found before a model is loaded."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()  # who connects from now on waits, and is not turned away
    except (OSError, UnicodeError) as error:
        bound.close()
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"--host={host} --port={port} cannot be opened ({why}); take another") from None
    return bound


def hosts_of(host: str) -> tuple[str, ...]:
    """The names by which a server on this host may be called: on this machine's own, only these."""
    return LOCAL if host in LOCAL else ()


def uvicorn_server(app, limits: Limits):
    """A uvicorn server for an app, with bounds on what is open at once and on the time to close."""
    import uvicorn

    from companion.serve.connections import SPARE, QuietProtocol

    protocol = type("Protocol", (QuietProtocol,), {"most": limits.connections + SPARE})
    config = uvicorn.Config(
        app,
        http=protocol,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(GRACE),
        server_header=False,
        ws="none",
    )

    class Server(uvicorn.Server):
        async def shutdown(self, sockets=None) -> None:
            app.state.begin_to_close()
            await super().shutdown(sockets)

    return Server(config)


def serve(app, bound: socket.socket, limits: Limits) -> None:
    """Answer until Ctrl-C; what is running then has five seconds to end."""
    with suppress(KeyboardInterrupt):
        uvicorn_server(app, limits).run(sockets=[bound])


@contextmanager
def running(
    teller, name: str = "model", limits: Limits | None = None, token: str | None = None
) -> Iterator[str]:
    """`with running(teller) as url:` serves on 127.0.0.1, at a free port, in a thread, as long as inside."""
    limits = limits or Limits()
    bound = open_socket("127.0.0.1", 0)
    server = uvicorn_server(make_app(teller, name, limits, token, LOCAL), limits)
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
    """The values of server-sent events, up to [DONE]. lines: of the answer, bytes or str."""
    for line in lines:
        text = line.decode() if isinstance(line, bytes) else line
        if text.startswith("data: ") and text.strip() != "data: [DONE]":
            yield json.loads(text[6:])
