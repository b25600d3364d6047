"""Models to offer, and the app as its command starts it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[3]
SECONDS = 300
"""How long the app may take to start or to end: on a busy machine, more than a minute."""


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """A folder with the shipped models, a slow one, one that is cut off, a classifier."""
    import torch

    from companion.gpt import GPTConfig, gpt2
    from companion.serve.classifying import make_example
    from companion.tokenization import BPETokenizer
    from companion.training import save_checkpoint

    folder = tmp_path_factory.mktemp("app") / "models"
    for name in ("village", "answerer"):
        shutil.copytree(ROOT / "data" / "models" / name, folder / name)
    torch.manual_seed(1)
    tokenizer = BPETokenizer.train("Once there was a key. " * 9, 270)
    save_checkpoint(folder / "slow", gpt2(GPTConfig(tokenizer.vocab_size, 512, 24, 8, 512)), tokenizer)
    shutil.copytree(ROOT / "data" / "models" / "village", folder / "torn")
    weights = (folder / "torn" / "model.safetensors").read_bytes()
    (folder / "torn" / "model.safetensors").write_bytes(weights[:1000])
    reader = make_example().reader
    reader.save(folder / "messages", {"classes": reader.classes})
    return folder


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]


@pytest.fixture(scope="session")
def address(models) -> Iterator[str]:
    """The address of the running app."""
    port, log = free_port(), models.parent / "log"
    command = [sys.executable, "-m", "companion", "app", "--models", str(models), "--port", str(port)]
    with log.open("wb") as output:
        # with an empty home: what somebody set for Streamlit does not count
        environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(models.parent)}
        server = subprocess.Popen(command, cwd=models.parent, env=environment, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + SECONDS
            while True:
                assert server.poll() is None and time.monotonic() < deadline, log.read_text("utf-8")
                try:
                    with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                        assert answer.read() == b"ok"
                        break
                except URLError:
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            assert server.wait(SECONDS) == 0, log.read_text("utf-8")
