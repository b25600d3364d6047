"""The answer to a request, as one JSON text or as events that are sent while it is drawn."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress

from fastapi.responses import JSONResponse, Response, StreamingResponse

from companion.serve.chat_requests import ChatRequest, Refused, closing
from companion.serve.thoughts import Thoughts, ends_with_think, n_begun, thinking_decoder
from companion.serve.tools import tool_call
from companion.serving import chunk, completion, event, usage


class StopTexts:
    """Text up to the first of some stops. The text comes in pieces.

    Args:
        stops: The texts that end the answer.

    Attributes:
        held: Text at the end of the pieces so far that could begin a stop.
        done: Whether a stop was found.
    """

    def __init__(self, stops: list[str]):
        self.stops = stops
        self.held = ""
        self.done = False

    def add(self, piece: str) -> str:
        """Return the text that can be sent now."""
        text = self.held + piece
        places = [text.find(stop) for stop in self.stops if stop in text]
        if places:
            self.done = True
            self.held = ""
            return text[: min(places)]
        n_known = len(text) - n_begun(text, self.stops)
        self.held = text[n_known:]
        return text[:n_known]

    def end(self) -> str:
        """Return the text that was held back."""
        held = self.held
        self.held = ""
        return held


class Answer:
    """A request on its way through the engine, as pieces of text for the thread that asked.

    Args:
        asked: The fields of the request.
        request: The same for the engine.
        tokenizer: The tokenizer of the model.
        deadline: When the answer must be finished, in seconds of time.monotonic().

    Attributes:
        name: The id of the answer.
        finish: None until the end. Then "stop", "length" or "tool_calls".
    """

    def __init__(self, asked, request, tokenizer, deadline: float):
        self.asked = asked
        self.request = request
        self.name = f"chatcmpl-{uuid.uuid4().hex}"
        self.finish: str | None = None
        self.decoder = thinking_decoder(tokenizer)
        self.thoughts = None  # a text in a format has none, and may hold the marks
        if request.allowed is None:
            self.thoughts = Thoughts(ends_with_think(tokenizer, request.tokens))
        self.stop_texts = StopTexts(asked.stops)
        self.tokens = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        request.put = self.put
        request.deadline = deadline

    def put(self, token: int | None) -> None:
        """Take a token from the thread of the engine."""
        with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
            self.loop.call_soon_threadsafe(self.tokens.put_nowait, token)

    def give_up(self) -> None:
        """Free the slot, or the place in the queue. Nothing happens if the answer is done."""
        self.request.deadline = float("-inf")

    def used(self) -> tuple[int, int]:
        """Return how many tokens the prompt has, and how many were drawn, the end included."""
        return len(self.request.tokens), len(self.request.drawn)

    def parts(self, text: str, last: bool = False) -> list[tuple[str, str]]:
        """Return what is known after a further text, each part with its field. A stop ends the content.

        Args:
            text: The text.
            last: Whether no other text follows.
        """
        if self.thoughts is None:
            parts = [("content", text)]
        else:
            parts = self.thoughts.add(text)
            if last:
                parts += self.thoughts.end()
        found = []
        for field, part in parts:
            if field == "content":
                part = self.stop_texts.add(part)
            found.append((field, part))
            if self.stop_texts.done:
                break
        if last:
            found.append(("content", self.stop_texts.end()))
        return [(field, part) for field, part in found if part]

    async def pieces(self) -> AsyncIterator[tuple[str, str]]:
        """Yield the answer's text as it comes: each piece with its field, content or reasoning_content.

        Raises:
            Refused: If the answer cannot be finished.
        """
        while True:
            token = await self.tokens.get()
            if token is None:
                break
            if token in self.request.stop:
                continue
            for part in self.parts(self.decoder.add(token)):
                yield part
            if self.stop_texts.done:
                self.finish = "stop"
                self.give_up()
                return
        if self.request.finish == "late":
            raise Refused(504, "the answer was not whole in time; ask for fewer max_tokens, or later")
        if self.request.finish == "closed":
            raise closing()
        if self.request.finish not in ("stop", "length"):
            raise Refused(500, "the model failed; the server's log says how")
        rest = self.parts(self.decoder.end(), last=True)
        self.finish = "stop" if self.stop_texts.done else self.request.finish
        for part in rest:
            yield part

    async def message(self) -> dict:
        """Return the fields of the whole message that the model wrote."""
        fields = {"content": ""}
        async for field, piece in self.pieces():
            fields[field] = fields.get(field, "") + piece
        if self.asked.must_call:
            self.finish = "tool_calls"
            return {"content": None, "tool_calls": [tool_call(fields["content"])]}
        return fields

    async def events(self, model: str) -> AsyncIterator[bytes]:
        """Yield server-sent events: who speaks, the pieces, why the answer ended, and the word [DONE]."""
        content = None if self.asked.must_call else ""
        yield event(chunk(self.name, model, {"role": "assistant", "content": content}))
        try:
            if self.asked.must_call:  # it is sent when it is whole
                [call] = (await self.message())["tool_calls"]
                yield event(chunk(self.name, model, {"tool_calls": [{"index": 0} | call]}))
            else:
                async for field, piece in self.pieces():
                    yield event(chunk(self.name, model, {field: piece}))
        except Refused as error:
            yield event(error.body())
            return
        yield event(chunk(self.name, model, {}, self.finish))
        if self.asked.with_usage:
            yield event(chunk(self.name, model, {}) | {"choices": [], "usage": usage(*self.used())})
        yield event("[DONE]")


class Events(StreamingResponse):
    """The events of an answer, sent within a time. Whatever happens, the slot is freed."""

    def __init__(self, answer: Answer, model: str, seconds: float):
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(answer.events(model), headers=headers, media_type="text/event-stream")
        self.answer = answer
        self.seconds = seconds

    async def __call__(self, scope, receive, send) -> None:
        try:
            async with asyncio.timeout(self.seconds):
                await super().__call__(scope, receive, send)
        finally:
            self.answer.give_up()


def fixed_answer(asked: ChatRequest, said: str, name: str, n_prompt: int) -> Response:
    """Return an answer that no model wrote, in the form of one that it did."""
    answer_name = f"chatcmpl-{uuid.uuid4().hex}"
    used = (n_prompt, 0)
    if not asked.stream:
        return JSONResponse(completion(answer_name, name, said, "stop", used))
    events = [event(chunk(answer_name, name, {"role": "assistant", "content": said}))]
    events.append(event(chunk(answer_name, name, {}, "stop")))
    if asked.with_usage:
        events.append(event(chunk(answer_name, name, {}) | {"choices": [], "usage": usage(*used)}))
    events.append(event("[DONE]"))
    return Response(b"".join(events), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
