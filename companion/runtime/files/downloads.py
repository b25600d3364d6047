"""Texts and weights that are fetched from the network the first time, checked, and kept."""

import os
import sys
import tomllib
from http.client import HTTPException
from pathlib import Path

from companion.runtime.terminal import is_terminal

TABLES = tomllib.loads(Path(__file__).with_name("downloads.toml").read_text("utf-8"))
DOWNLOADS = {name: (table["url"], table["sha256"]) for name, table in TABLES["files"].items()}
"""By name: address, SHA-256."""
GPT2_WEIGHTS = (TABLES["gpt2"]["url"], TABLES["gpt2"]["sha256"])
"""The same of GPT-2 small."""
HUB = {name: tuple(table.values()) for name, table in TABLES["hub"].items()}
"""Corpora of the hub, by name: repository, revision, files."""


def cache_folder() -> Path:
    """Where downloads are kept: the folder that COMPANION_CACHE names, else ~/.cache/companion."""
    return Path(os.environ.get("COMPANION_CACHE", "~/.cache/companion")).expanduser()


def fetch(name: str) -> Path:
    """Return the file of one of DOWNLOADS, fetched into the cache unless it is there."""
    return download(*DOWNLOADS[name], cache_folder() / f"{name}.txt")


def download(url: str, sha256: str, path: Path) -> Path:
    """Fetch a file with this SHA-256 into path, unless it is there; return path.

    Raises:
        ConnectionError: If there is no network, the connection was cut, or the file is another one.
    """
    from torch.hub import download_url_to_file

    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        try:
            download_url_to_file(url, str(path), sha256, progress=is_terminal(sys.stderr))
        except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: another SHA-256
            raise ConnectionError(f"{url} failed ({error}); check the network and try again") from None
    return path
