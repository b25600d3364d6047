"""Texts and weights that are fetched from the network the first time, checked, and kept."""

import hashlib
import os
import shutil
import tomllib
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

from filelock import FileLock

TABLES = tomllib.loads(Path(__file__).with_name("downloads.toml").read_text("utf-8"))
DOWNLOADS: dict[str, tuple[str, int, str]] = {
    name: tuple(table.values()) for name, table in TABLES["files"].items()
}
"""By name: address, bytes, SHA-256."""
GPT2_WEIGHTS = tuple(TABLES["gpt2"].values())
"""The same of GPT-2 small."""
HUB = {name: tuple(table.values()) for name, table in TABLES["hub"].items()}
"""Corpora of the hub, by name: repository, revision, files."""


def cache_folder() -> Path:
    """Where downloads are kept: the folder that COMPANION_CACHE names, else ~/.cache/companion."""
    return Path(os.environ.get("COMPANION_CACHE", "~/.cache/companion")).expanduser()


def fetch(name: str) -> Path:
    """Return the file of one of DOWNLOADS, fetched into the cache unless it is there."""
    return download(*DOWNLOADS[name], cache_folder() / f"{name}.txt")


def download(url: str, n_bytes: int, sha256: str, path: Path) -> Path:
    """Fetch a file of n_bytes with this SHA-256 into path, unless it is there; return path.

    What arrives is kept beside it as NAME.part. After a cut connection the next call continues from there.

    Raises:
        ConnectionError: If there is no network, the connection was cut, or the file is another one.

    Reference:
        RFC 9110, sections 14.2 (Range) and 15.3.7 (206 Partial Content).
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):  # another process may fetch the same file
        if path.exists():
            return path
        size = part.stat().st_size if part.exists() else 0
        if size < n_bytes:
            _receive(url, part, size)
            size = part.stat().st_size
        if size < n_bytes:
            raise ConnectionError(f"{url} was cut off after {size:,} of {n_bytes:,} bytes; try again")
        with open(part, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256:
            part.unlink()
            rule = f"sent a file with the SHA-256 {digest[:16]}…, not {sha256[:16]}…"
            raise ConnectionError(f"{url} {rule}; it was removed, try again")
        return part.replace(path)


def _receive(url: str, part: Path, size: int) -> None:
    """Append to part what the server sends from byte `size` on, or write all if it sends all."""
    headers = {"Range": f"bytes={size}-"} if size else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:
            with open(part, "ab" if response.status == 206 else "wb") as file:
                shutil.copyfileobj(response, file)
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise ConnectionError(f"{url} failed ({error}); check the network and try again") from None
