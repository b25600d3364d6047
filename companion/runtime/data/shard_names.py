"""Which names stand for texts that are read one document at a time: shards, and corpora of the hub."""

import glob
from collections.abc import Callable, Sequence
from pathlib import Path

from companion.runtime.files.atomic import expand_user
from companion.runtime.files.downloads import HUB
from companion.runtime.text.documents import CORPORA

SHARDS = (".jsonl", ".jsonl.gz", ".parquet")


def find_shards(names: Sequence[str], leave_out: Callable[[str], object]) -> list[str]:
    """The shards that names stand for, in order; none where none of them is one.

    names: files, folders, patterns such as "part-*.jsonl", and names of HUB. Of a folder, all shards below it
    by path, hidden ones left out. leave_out: called with one line about a folder's files that are no shards.
    """
    shards, others = [], []
    for name in names:
        if name in HUB or name in CORPORA:
            (shards if name in HUB else others).append(name)
            continue
        path = expand_user(name)
        paths = [path] if name.strip() else []
        if glob.has_magic(name) and not path.exists():
            paths = [Path(found) for found in sorted(glob.glob(str(path), recursive=True))]
            if not paths:
                raise ValueError(f"{name} matches no file; mend the pattern")
        for path in paths:
            if is_shard(path) and not path.exists():
                raise ValueError(f"{path} is not there; mend the name")
            found = _below(path, leave_out) if path.is_dir() else [path] * is_shard(path)
            shards += map(str, found)
            others += [] if found else [name]
        others += [] if paths else [name]
    if shards and others:
        rule = f"is no shard ({', '.join(SHARDS)}), and {shards[0]} is"
        raise ValueError(f"{others[0]} {rule}; prepare them apart")
    return shards


def name_of(name: str, first: str) -> str:
    """What to call the text of a name: "a" for a.jsonl.gz, "part" for part/*.jsonl; first: its first file."""
    path = expand_user(first if glob.has_magic(name) else name).resolve()
    if glob.has_magic(name):
        path = path.parent
    return path.name if path.is_dir() or name in HUB else path.name.split(".")[0]


def is_shard(path: Path) -> bool:
    """Whether this is named like a file of many documents."""
    return path.name.lower().endswith(SHARDS)


def _below(folder: Path, leave_out: Callable[[str], object]) -> list[Path]:
    """The shards below a folder, by path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [p for p in files if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    shards = [path for path in files if is_shard(path)]
    if shards and (others := [path for path in files if path not in set(shards)]):
        leave_out(f"what is no shard in {folder} (files: {len(others):,}, such as {others[0].name})")
    return shards
