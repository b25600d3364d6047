"""A text of any size into tokens, by several processes, and on from where a kill left it.

One process reads. It drops what it has seen before, and cuts the rest into batches, by their bytes alone.
Whoever is free refuses documents by the rules and tokenizes the others; the first process appends their
tokens in order. So the folder has the same bytes whatever the number of processes, and however often it was
killed.

Memory: for each process a few batches; and, of a million documents that are not the same, 80 MB of digests.
"""

import hashlib
import json
import os
import shutil
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from companion.runtime.data.filters import deduplicated, digest, refused_by
from companion.runtime.data.prepared import BEGUN, PARTS, STATE, Stream, finish
from companion.runtime.files.atomic import claim, read_json_or_empty, staged, write_atomic
from companion.runtime.text.tokenizer import tokenizer_fingerprint

BATCH_BYTES = 2**20  # UTF-8 bytes of the text that a process takes at a time
SAVE_EVERY = 64  # batches after which a run that is killed goes on: some 15 million tokens
SAMPLE_BYTES = 2**24
WORK: Callable[["Batch"], tuple]  # what a process of the pool does: see start


@dataclass
class Batch:
    """Documents that a process takes at a time.

    Args:
        first: Whether it is the text's first.
        documents: The texts.
        digests: For each, a number from 0 to 1: see filters.digest.
        duplicates: Number of documents that were left out before or between them.
        n_bytes: Bytes of the texts.
    """

    first: bool
    documents: list[str] = field(default_factory=list)
    digests: list[float] = field(default_factory=list)
    duplicates: int = 0
    n_bytes: int = 0


def write_large(
    folder: str | Path,
    documents: Iterable[str],
    tokenizer: Any,
    stream: Stream,
    source: str = "",
    val_fraction: float = 0.01,
    processes: int = 1,
    on_batch: Callable[[int], object] = lambda n_bytes: None,
) -> dict:
    """Write documents as a folder that read_prepared opens; return its meta.json.

    A document that repeats another (see filters.digest) is left out, and so is one that a rule refuses. A
    document is held out if its digest, as a fraction of the largest, is below val_fraction: it stays so when
    the text grows. Of the first batch at least one is, and one is not. After an error or a kill, the same
    call goes on with what is written, also on a text that has grown at its end.

    Args:
        folder: Folder to write to.
        documents: The texts, which may be iterated over twice.
        tokenizer: Any tokenizer that has <|endoftext|>.
        stream: Chapter 2's token_stream; sent to the processes by name.
        source: Where the text is from, for meta.json.
        val_fraction: Share that is held out.
        processes: How many tokenize.
        on_batch: Called with the bytes of the text of each batch that is written.

    Raises:
        ValueError: If a split would be empty, or the tokenizer has no <|endoftext|>.
    """
    tokenizer.check_end()
    same = {"source": source, "tokenizer": tokenizer_fingerprint(tokenizer), "val_fraction": val_fraction}
    with claim(folder), staged(folder, BEGUN) as new:
        batches, state = begin(new, documents, same)
        work = partial(encode, tokenizer=tokenizer, stream=stream, val_fraction=val_fraction)
        left_out = Counter(state["left_out"])
        files = {name: open(new / f"{name}.bin", "ab") for name in PARTS}
        try:
            for batch, (tokens, n_bytes, refused) in encoded(batches, work, processes):
                state["n_batches"] += 1
                state["n_read"] += len(batch.documents) + batch.duplicates
                state["key"] = key_after(state["key"], batch)
                left_out.update(refused)
                for name, file in files.items():
                    file.write(tokens[name])
                    state["n_bytes"][name] += n_bytes[name]
                if state["n_batches"] % SAVE_EVERY == 0:
                    save(new, state | {"left_out": left_out}, files)
                on_batch(batch.n_bytes)
        finally:
            for file in files.values():
                file.close()
        if not all(state["n_bytes"].values()):
            shutil.rmtree(new, ignore_errors=True)
            read = f"of {state['n_read']:,} documents {state['n_read'] - left_out.total():,} are left"
            raise ValueError(f"{read} ({counted(left_out)}), which is too few for two splits")
        about = {"source": source, "n_read": state["n_read"], "left_out": dict(sorted(left_out.items()))}
        (new / STATE).unlink(missing_ok=True)
        return finish(new, tokenizer, about, state["n_bytes"])


def begin(new: Path, documents: Iterable[str], same: dict) -> tuple[Iterator[Batch], dict]:
    """Return the batches that are to be encoded and how far the text is, with the files cut off there.

    Args:
        new: The folder of what was begun.
        documents: The texts.
        same: What must be as it was before.
    """
    state = read_json_or_empty(new / STATE)
    if same.items() <= state.items():
        batches = batches_of(documents)
        key = ""
        for batch in islice(batches, state["n_batches"]):
            key = key_after(key, batch)
        if key == state["key"]:
            for name in PARTS:
                os.truncate(new / f"{name}.bin", state["sizes"][name])
            return batches, state
    for path in new.iterdir():
        path.unlink()
    fresh = {"n_batches": 0, "n_read": 0, "key": "", "left_out": {}, "n_bytes": dict.fromkeys(PARTS, 0)}
    return batches_of(documents), same | fresh


def save(new: Path, state: dict, files: dict[str, Any]) -> None:
    """Write how far the text is, when its tokens are on the disk."""
    for file in files.values():
        file.flush()
        os.fsync(file.fileno())
    sizes = {name: file.tell() for name, file in files.items()}
    write_atomic(new / STATE, json.dumps(state | {"sizes": sizes}))


def batches_of(documents: Iterable[str]) -> Iterator[Batch]:
    """Yield the text in batches of at least BATCH_BYTES, each document once; one at least."""
    seen: set[bytes] = set()
    batch = Batch(first=True)
    for document in documents:
        known = digest(document)
        if known in seen:
            batch.duplicates += 1
            continue
        seen.add(known)
        if batch.n_bytes >= BATCH_BYTES:
            yield batch
            batch = Batch(first=False)
        batch.documents.append(document)
        batch.digests.append(int.from_bytes(known) / 2**64)
        batch.n_bytes += len(document.encode())
    yield batch


def key_after(key: str, batch: Batch) -> str:
    """Return the same key for the same batches in the same order."""
    return hashlib.sha256(repr((key, batch.duplicates, batch.documents)).encode()).hexdigest()


def encode(
    batch: Batch, tokenizer: Any, stream: Stream, val_fraction: float
) -> tuple[dict[str, np.ndarray], dict[str, int], Counter]:
    """Return the tokens of each part, the bytes of its text, and what was left out of a batch."""
    left_out: Counter = Counter()
    if batch.duplicates:
        left_out["duplicate"] = batch.duplicates
    kept = []
    for document, place in zip(batch.documents, batch.digests, strict=True):
        refused = refused_by(document)
        if refused:
            left_out[refused] += 1
        else:
            kept.append((place, document))
    limit = val_fraction
    if batch.first and kept:
        places = [place for place, _ in kept]
        limit = max(limit, np.nextafter(min(places), 1))  # one at least is held out
        limit = min(limit, max(places))  # and one at least is not
    held = [place < limit for place, _ in kept]
    parts: dict[str, list[str]] = {name: [] for name in PARTS}
    for (_, document), is_held in zip(kept, held, strict=True):
        parts["val" if is_held else "train"].append(document)
    tokens = {}
    n_bytes = {}
    for name, documents in parts.items():
        pieces = list(stream(documents, tokenizer))
        if not batch.first:
            pieces[0] = pieces[0][:0]  # of a text, the first batch alone has the token that begins it
        tokens[name] = np.concatenate(pieces)
        n_bytes[name] = sum(len(document.encode()) + 1 for document in documents)
    return tokens, n_bytes, left_out


def encoded(batches: Iterable[Batch], work: Callable[[Batch], tuple], processes: int) -> Iterator[tuple]:
    """Yield each batch with what work returns of it, in order; at most three a process are in memory."""
    if processes == 1:
        yield from ((batch, work(batch)) for batch in batches)
        return
    waiting: deque = deque()
    pool = ProcessPoolExecutor(processes, get_context("spawn"), start, (work,))
    try:
        for batch in batches:
            waiting.append((batch, pool.submit(in_process, batch)))
            if len(waiting) > 3 * processes:
                oldest, future = waiting.popleft()
                yield oldest, future.result()
        yield from ((batch, future.result()) for batch, future in waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def start(work: Callable[[Batch], tuple]) -> None:
    """Prepare a process: it keeps its tokenizer, and Ctrl-C is for the one that reads."""
    global WORK
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    WORK = work


def in_process(batch: Batch) -> tuple:
    """Do the work of a process of the pool."""
    return WORK(batch)


def sample_of(documents: Iterable[str]) -> list[str]:
    """Return the first documents that stay, about SAMPLE_BYTES of text: what a tokenizer is trained on.

    Raises:
        ValueError: If no document is left.
    """
    sample = []
    left_out: Counter = Counter()
    n_bytes = 0
    for document in deduplicated(documents):
        refused = refused_by(document)
        if refused:
            left_out[refused] += 1
            continue
        sample.append(document)
        n_bytes += len(document.encode())
        if n_bytes >= SAMPLE_BYTES:
            break
    if not sample:
        raise ValueError(f"of {left_out.total()} documents none is left: {counted(left_out)}; take more text")
    return sample


def counted(left_out: dict[str, int]) -> str:
    """Return how many documents were left out for what, the most frequent first."""
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {name}" for name, n in ordered) or "none left out"
