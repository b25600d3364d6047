"""A text of any size into tokens, by several processes.

One process reads. It drops what it has seen before, and cuts the rest into batches, by their bytes alone.
Whoever is free refuses documents by the rules and tokenizes the others; the first process appends their
tokens in order. So the folder has the same bytes whatever the number of processes.

Memory: for each process a few batches; and, of a million documents that are not the same, 80 MB of digests.
"""

import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from companion.runtime.data.filters import deduplicated, digest, refused_by
from companion.runtime.data.prepared import PARTS, Stream, finish
from companion.runtime.files.atomic import claim, staged

BATCH_BYTES = 2**20  # UTF-8 bytes of the text that a process takes at a time
SAMPLE_BYTES = 2**24


Batch = tuple[bool, list[tuple[float, str]]]
"""What a process takes at a time: whether it is the text's first, and documents, each with its digest as a
fraction of the largest (see filters.digest)."""


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
    the text grows. Of the first batch the shortest document is held out, too.

    Args:
        folder: Folder to write to.
        documents: The texts.
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
    work = partial(encode, tokenizer=tokenizer, stream=stream, val_fraction=val_fraction)
    n_different = 0
    left_out: Counter = Counter()
    n_bytes = dict.fromkeys(PARTS, 0)
    with claim(folder), staged(folder) as new:
        with ExitStack() as opened:
            files = {name: opened.enter_context(open(new / f"{name}.bin", "wb")) for name in PARTS}
            batches = batches_of(documents, left_out)
            for (_, batch), (tokens, sizes, refused) in encoded(batches, work, processes):
                n_different += len(batch)
                left_out.update(refused)
                for name, file in files.items():
                    file.write(tokens[name])
                    n_bytes[name] += sizes[name]
                on_batch(sum(len(document.encode()) for _, document in batch))
        n_read = n_different + left_out["duplicate"]
        if not all(n_bytes.values()):
            read = f"of {n_read:,} documents {n_read - left_out.total():,} are left"
            raise ValueError(f"{read} ({counted(left_out)}), which is too few for two splits")
        about = {"source": source, "n_read": n_read, "left_out": dict(sorted(left_out.items()))}
        return finish(new, tokenizer, about, n_bytes)


def batches_of(documents: Iterable[str], left_out: Counter) -> Iterator[Batch]:
    """Yield the text in batches of at least BATCH_BYTES, each document once; one at least.

    Args:
        documents: The texts.
        left_out: Here the others are counted, as duplicates.
    """
    seen: set[bytes] = set()
    is_first, batch, n_bytes = True, [], 0
    for document in documents:
        known = digest(document)
        if known in seen:
            left_out["duplicate"] += 1
            continue
        seen.add(known)
        if n_bytes >= BATCH_BYTES:
            yield is_first, batch
            is_first, batch, n_bytes = False, [], 0
        batch.append((int.from_bytes(known) / 2**64, document))
        n_bytes += len(document.encode())
    yield is_first, batch


def encode(
    batch: Batch, tokenizer: Any, stream: Stream, val_fraction: float
) -> tuple[dict[str, np.ndarray], dict[str, int], Counter]:
    """Return the tokens of each part, the bytes of its text, and what was left out of a batch."""
    is_first, documents = batch
    left_out: Counter = Counter()
    kept = []
    for place, document in documents:
        if refused := refused_by(document):
            left_out[refused] += 1
        else:
            kept.append((place, document))
    held = [place < val_fraction for place, _ in kept]
    if is_first and kept:
        sizes = [len(document) for _, document in kept]
        held[sizes.index(min(sizes))] = True
    tokens, n_bytes = {}, {}
    for name in PARTS:
        part = [kept[i][1] for i in range(len(kept)) if held[i] == (name == "val")]
        pieces = list(stream(part, tokenizer))
        tokens[name] = np.concatenate(pieces if is_first else [pieces[0][:0], *pieces[1:]])
        n_bytes[name] = sum(len(document.encode()) + 1 for document in part)
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
                batch, future = waiting.popleft()
                yield batch, future.result()
        yield from ((batch, future.result()) for batch, future in waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def start(work: Callable[[Batch], tuple]) -> None:
    """Prepare a process: it keeps its tokenizer, and Ctrl-C is for the one that reads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    globals()["WORK"] = work


def in_process(batch: Batch) -> tuple:
    """Do the work of a process of the pool."""
    return globals()["WORK"](batch)


def sample_of(documents: Iterable[str], n_bytes: int | None = None) -> list[str]:
    """Return the first documents that stay, about n_bytes of text: what a tokenizer is trained on.

    Args:
        documents: The texts.
        n_bytes: Bytes of the sample. The default is SAMPLE_BYTES.

    Raises:
        ValueError: If no document is left.
    """
    n_bytes = n_bytes or SAMPLE_BYTES
    sample, left_out = [], Counter()
    for document in deduplicated(documents):
        if refused := refused_by(document):
            left_out[refused] += 1
            continue
        sample.append(document)
        n_bytes -= len(document.encode())
        if n_bytes <= 0:
            break
    if not sample:
        raise ValueError(f"of {left_out.total()} documents none is left: {counted(left_out)}; take more text")
    return sample


def counted(left_out: dict[str, int]) -> str:
    """Return how many documents were left out for what, the most frequent first."""
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {name}" for name, n in ordered) or "none left out"
