"""The page /docs of the server: what can be asked, with a command to try. It loads nothing from elsewhere."""

import json
from html import escape
from pathlib import Path
from string import Template

from companion.serve.questions import Limits


def docs_page(name: str, url: str, limits: Limits, needs_token: bool) -> str:
    """The page as HTML; name: what clients call the model."""
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
