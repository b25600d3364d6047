"""Tables of inputs that are kept beside their test."""

import json
from pathlib import Path


def cases(test_file: str) -> dict[str, list | dict]:
    """The tables of a test module, {name: table}, from the JSON file of the module's name beside it."""
    return json.loads(Path(test_file).with_suffix(".json").read_text(encoding="utf-8"))
