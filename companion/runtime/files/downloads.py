"""Texts and weights that need a network the first time: fetched whole, checked, and kept."""

import hashlib
import os
import shutil
import tomllib
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

from filelock import FileLock, Timeout

TABLES = tomllib.loads(Path(__file__).with_name("downloads.toml").read_text("utf-8"))
DOWNLOADS = {name: tuple(table.values()) for name, table in TABLES["files"].items()}
"""By name: address, bytes, SHA-256."""
GPT2_WEIGHTS = tuple(TABLES["gpt2"].values())
"""The same of GPT-2 small."""
HUB = {name: tuple(table.values()) for name, table in TABLES["hub"].items()}
"""Corpora of the hub, by name: repository, revision, files."""
WAIT = 600  # seconds to wait for another process that fetches the same file


def cache_folder() -> Path:
    """Where downloads are kept: the folder that COMPANION_CACHE names, else ~/.cache/companion."""
    return Path(os.environ.get("COMPANION_CACHE", "~/.cache/companion")).expanduser()


def fetch(name: str) -> Path:
    """The file of one of DOWNLOADS, fetched into the cache unless it is there."""
    return download(*DOWNLOADS[name], cache_folder() / f"{name}.txt")


def download(url: str, n_bytes: int, sha256: str, path: Path) -> Path:
    """Fetch a file of n_bytes with this SHA-256 into path, unless it is there; return path.

    What arrives waits beside it, as NAME.part, until it is whole and right; after a cut connection the next
    call goes on from there. Two processes at once fetch it once: the second waits for the first. Raises
    ConnectionError for no network, a cut connection, and a file of another size or with other bytes.
    Source: RFC 9110, sections 14.2 (Range) and 15.3.7 (206 Partial Content).
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=WAIT):
            return path if path.exists() else _fetch(url, n_bytes, sha256, path)
    except Timeout:
        text = f"is being downloaded by another process for {WAIT} s; wait for its end, or end it"
        raise ConnectionError(f"{path} {text}") from None


def _fetch(url: str, n_bytes: int, sha256: str, path: Path) -> Path:
    """Fetch what is missing of NAME.part, check it, and give it its name."""
    part = path.with_name(path.name + ".part")
    size = part.stat().st_size if part.exists() else 0
    if size < n_bytes:
        _receive(url, n_bytes, part, size)
        size = part.stat().st_size
    if size < n_bytes:
        rule = f"was cut off after {size:,} of {n_bytes:,} bytes"
        raise ConnectionError(f"{url} {rule}; try again to go on there")
    with open(part, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if size != n_bytes or digest != sha256:
        part.unlink()
        rule = f"{size:,} bytes with the SHA-256 {digest[:16]}…, not {n_bytes:,} with {sha256[:16]}…"
        raise ConnectionError(f"{url} sent another file: {rule}; removed, try again")
    return part.replace(path)


def _receive(url: str, n_bytes: int, part: Path, size: int) -> None:
    """Append to part what the server sends from byte `size` on, if it promises a file of n_bytes."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={size}-"} if size else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            size = size if response.status == 206 else 0  # 206: the rest of it; 200: all, from the start
            promised = response.headers["Content-Length"]
            if promised is not None and size + int(promised) != n_bytes:
                rule = f"it has {size + int(promised):,} bytes, not {n_bytes:,}"
                raise ConnectionError(f"another file is there: {rule}")
            with open(part, "ab" if size else "wb") as file:
                shutil.copyfileobj(_AtMost(response, n_bytes - size + 1), file)
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise ConnectionError(f"{url} failed ({error}); check the network and try again") from None


class _AtMost:
    """The first `left` bytes of a response: one that never ends must not fill the disk."""

    def __init__(self, response, left: int):
        self.response, self.left = response, left

    def read(self, n: int) -> bytes:
        data = self.response.read(min(n, self.left))
        self.left -= len(data)
        return data
