"""The page /docs of the server: what can be asked, with a command to try. It loads nothing from elsewhere."""

import json
from html import escape

from companion.serve.questions import Limits

ENDPOINTS = (
    ("POST /v1/chat/completions", "answers a conversation; the body is JSON, as in OpenAI's API"),
    ("GET /v1/models", "lists the one model that is served"),
    ("GET /v1/models/NAME", "describes that model"),
    ("GET /health", "says whether the server works; needs no token"),
    ("GET /docs", "this page"),
)
FIELDS = (
    ("model", "the name of the model; required"),
    ("messages", "the conversation, a list of objects with role and content; required"),
    ("max_tokens", "largest number of tokens in the answer, also as max_completion_tokens"),
    (
        "temperature",
        "0 always takes the most probable token, 2 is the largest (default: the model's, else 1)",
    ),
    ("top_p", "sample from the most probable tokens that together have this probability"),
    ("seed", "the same seed gives the same answer"),
    ("stop", "a text, or up to four, at which the answer ends"),
    ("stream", "true to get the answer in pieces, as server-sent events"),
)


def docs_page(name: str, url: str, limits: Limits, needs_token: bool) -> str:
    """The page as HTML."""
    messages = [{"role": "user", "content": "Tell a story about the baker Mara and a red kite."}]
    body = json.dumps({"model": name, "temperature": 0.7, "seed": 1, "messages": messages})
    quoted = body.replace("'", "'\\''")
    token = " -H 'Authorization: Bearer TOKEN'" if needs_token else ""
    curl = f"curl {url}/v1/chat/completions -H 'Content-Type: application/json'{token} -d '{quoted}'"

    def rows(entries: tuple) -> str:
        cells = (f"<tr><th><code>{escape(a)}</code></th><td>{escape(b)}</td></tr>" for a, b in entries)
        return f"<table>{''.join(cells)}</table>"

    said = (
        f"An answer has at most {limits.max_tokens:,} tokens, and a request may take {limits.seconds:g}"
        f" seconds. {limits.slots} answers are generated together, and {limits.waiting} requests may wait."
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(name)}: how to ask this server</title><style>
:root {{color-scheme:light dark}}
body {{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em}}
pre {{overflow:auto;padding:.8em;border:1px solid GrayText;border-radius:6px}}
th {{text-align:left;font-weight:normal;vertical-align:top;padding-right:1em}}
</style></head><body>
<h1>How to ask this server</h1>
<p>It serves the model <b>{escape(name)}</b> in the chat-completions protocol of OpenAI's API. Clients for
that protocol work with the base URL <code>{escape(url)}/v1</code>.</p>
<h2>Try it</h2><pre tabindex="0">{escape(curl)}</pre>
<h2>Paths</h2>{rows(ENDPOINTS)}
<h2>Fields of a question</h2>{rows(FIELDS)}
<p>{escape(said)}</p>
</body></html>
"""
