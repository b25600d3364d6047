"""Tables and texts that are inputs of a test module, kept beside it."""

import json
import re
from pathlib import Path


def cases(module: str) -> dict[str, list | dict]:
    """The tables of a module, {name: table}, from the JSON file of its name."""
    return json.loads(Path(module).with_suffix(".json").read_text(encoding="utf-8"))


def texts(module: str) -> dict[str, str]:
    """The texts of a module, {name: text}, from the text file of its name: each follows a line `== name`."""
    content = Path(module).with_suffix(".txt").read_text(encoding="utf-8")
    _, *parts = re.split(r"^== (.+)\n", content, flags=re.MULTILINE)
    return {name: text.strip("\n") + "\n" for name, text in zip(parts[::2], parts[1::2], strict=True)}
