"""Processes that run a piece of this package."""

import os
import subprocess
import sys
from pathlib import Path


def start_child(code: str, **pipes: int) -> subprocess.Popen:
    """Start Python with some code. It has a group of its own, so that Ctrl-C does not reach it."""
    alone: dict = {"process_group": 0}
    if os.name == "nt":
        alone = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH")]))
    more = {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1", "TOKENIZERS_PARALLELISM": "false"}
    return subprocess.Popen([sys.executable, "-c", code], env=os.environ | more, **pipes, **alone)
