"""A text of any size into numbered shards of tokens, by several processes, and on from where a kill left it.

One process reads. It drops what it has seen before, and cuts the rest into chunks, by their bytes alone. A
chunk becomes a shard: whoever is free refuses documents by the rules, tokenizes the others and writes them.
So a shard depends on the text and never on who made it, or when: the folder has the same bytes whatever the
number of processes, and however often it was killed. Run again, it reads the text again, and tokenizes what
is missing.

Memory: for each process a chunk and its tokens, for the reader two chunks (half a gigabyte each, as measured
with GPT-2's tokenizer, 226 MB of it PyTorch's); and, of a million documents that are not the same, 80 MB of
digests (see rules.deduplicated).
"""

import hashlib
import io
import json
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from threading import current_thread, main_thread

import numpy as np

from companion.runtime.data.filters import RULES, deduplicated, digest, name_of, refused_by
from companion.runtime.data.prepared import BEGUN, PARTS, Stream, as_json, shard_files, sum_of, sweep
from companion.runtime.files.arguments import as_documents, number, whole_number
from companion.runtime.files.atomic import claim, staged, write_atomic
from companion.runtime.text.fingerprints import tokenizer_fingerprint

SHARD_BYTES = 2**26  # UTF-8 bytes of the text that becomes a shard: some 15 million tokens, 30 MB
SAMPLE_BYTES = 2**24
FORMAT = 1
"""To be raised when the same text makes other shards, by other rules, say: then none is taken from before."""


@dataclass
class Chunk:
    """What becomes a shard."""

    index: int
    documents: list[str] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)  # what tells each document from others
    duplicates: int = 0  # that were left out before them
    n_bytes: int = 0
    key: str = ""  # the same for chunks that make the same shard


@dataclass(frozen=True)
class Job:
    """What is the same for all chunks. stream, load: as in write_shards."""

    folder: Path
    source: str
    tokenizer: str
    val_fraction: float
    rules: Sequence[Callable]
    stream: Stream
    load: Callable


def write_shards(
    folder: str | Path,
    documents: Iterable[str],
    tokenizer,
    stream: Stream,
    load: Callable,
    source: str = "",
    val_fraction: float = 0.01,
    processes: int = 1,
    shard_bytes: int = SHARD_BYTES,
    rules: Sequence[Callable] = RULES,
    on_shard: Callable[[int], object] = lambda n_bytes: None,
) -> dict:
    """Write documents as a folder of numbered shards, which read_prepared opens; return its meta.json.

    A document that repeats another (see filters.digest) is left out, and so is one that a rule refuses. A
    document is held out if its digest, as a fraction of the largest, is below val_fraction: it stays so when
    the text grows. Of the first shard at least one is, and one is not.

    stream, load: token_stream and Tokenizer.load of the chapters; like rules, they are sent to the processes
    by name. on_shard: called with the bytes of the text of each shard that is whole.

    What is whole lies in the folder's `.begun` until all is: after an error or a kill, the same call goes on
    with it, also on a text that has grown at its end.
    """
    if isinstance(documents, (str, bytes)):
        as_documents(documents)  # raises TypeError
    tokenizer.check_end()
    number("val_fraction", val_fraction, "a number between 0 and 1", lambda value: 0 < value < 1)
    whole_number("processes", processes)
    whole_number("shard_bytes", shard_bytes)
    known = tokenizer_fingerprint(tokenizer)
    with claim(folder):
        with staged(folder, BEGUN) as new:
            tokenizer.save(new / "tokenizer.json")
            job = Job(new, source, known, val_fraction, tuple(rules), stream, load)
            abouts = {}
            for index, n_bytes, about in _shards(job, documents, shard_bytes, processes):
                abouts[index] = about
                on_shard(n_bytes)
            abouts = [abouts[index] for index in sorted(abouts)]
            meta = _meta(job, abouts, tokenizer.vocab_size)
            write_atomic(new / "meta.json", as_json(meta))
            names = {"tokenizer.json", "meta.json"}
            names |= {name for index in range(len(abouts)) for name in shard_files(index).values()}
            for path in new.iterdir():  # of a text that was begun and changed; of a write that was cut off
                if path.name not in names:
                    path.unlink()
        sweep(folder, names)
    return meta


def sample_of(documents: Iterable[str], n_bytes: int = SAMPLE_BYTES) -> list[str]:
    """The first documents that stay, some n_bytes of UTF-8 together: what a tokenizer is trained on."""
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
        why = f": {said(left_out)}" if left_out else ""
        raise ValueError(f"of {left_out.total():,} documents none is left{why}; take more text")
    return sample


def _meta(job: Job, abouts: list[dict], vocab_size: int) -> dict:
    """What is said of the whole. ValueError where a split would be empty."""
    left_out = Counter()
    for about in abouts:
        left_out.update(about["left_out"])
    parts = {part: sum_of([about[part] for about in abouts]) for part in PARTS}
    n_read = sum(about["n_read"] for about in abouts)
    if min(about["n_documents"] for about in parts.values()) == 0:
        shutil.rmtree(job.folder, ignore_errors=True)
        kept = sum(about["n_documents"] for about in parts.values())
        why = f" ({said(left_out)})" if left_out else ""
        rule = "and both splits need one; take more text, or another val_fraction"
        raise ValueError(f"of {n_read:,} documents {kept:,} are left{why}, {rule}")
    return {
        **{"source": job.source, "vocab_size": vocab_size, "dtype": abouts[0]["dtype"]},
        **{"tokenizer": job.tokenizer, "shards": len(abouts), "n_read": n_read},
        "left_out": dict(sorted(left_out.items())),
        **parts,
    }


def said(left_out: dict[str, int]) -> str:
    """How many were left out for what, the most frequent first."""
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {name}" for name, n in ordered)


def _shards(job: Job, documents, shard_bytes: int, processes: int) -> Iterator[tuple[int, int, dict]]:
    """(number, bytes of the text, what is said of it) for each shard, as they become whole."""
    found: list[tuple[int, int, dict]] = []

    def missing() -> Iterator[Chunk]:
        for chunk in _chunks(job, documents, shard_bytes):
            about = _whole(job.folder, chunk)
            if about is None and (about := _whole(job.folder.parent, chunk)):  # of a run that came to its end
                for name in shard_files(chunk.index).values():
                    (job.folder / name).unlink(missing_ok=True)
            if about is None:
                yield chunk
            else:
                found.append((chunk.index, chunk.n_bytes, about))

    for done in _in_processes(missing(), job, processes):
        yield from found
        found.clear()
        yield done
    yield from found


def _chunks(job: Job, documents: Iterable[str], shard_bytes: int) -> Iterator[Chunk]:
    """The text in pieces of at least shard_bytes, each document once; at least one, which may be empty."""
    same = repr((FORMAT, job.source, job.tokenizer, job.val_fraction, [name_of(rule) for rule in job.rules]))
    seen: set[bytes] = set()

    def started(index: int):
        return Chunk(index), hashlib.sha256(f"{same} {index}".encode())

    chunk, key = started(0)
    for document in documents:
        if (known := digest(document)) in seen:
            chunk.duplicates += 1
            continue
        seen.add(known)
        data = document.encode()
        if chunk.n_bytes >= shard_bytes:
            chunk.key = f"{key.hexdigest()}-{chunk.duplicates}"
            yield chunk
            chunk, key = started(chunk.index + 1)
        key.update(b"%d " % len(data) + data)
        chunk.documents.append(document)
        chunk.digests.append(known)
        chunk.n_bytes += len(data)
    chunk.key = f"{key.hexdigest()}-{chunk.duplicates}"
    yield chunk


def _whole(folder: Path, chunk: Chunk) -> dict | None:
    """What is said of the shard of this chunk, if it is in a folder, and whole."""
    names = shard_files(chunk.index)
    with suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads((folder / names["about"]).read_text(encoding="utf-8"))
        if about["key"] != chunk.key:
            return None
        for part in PARTS:
            for file, sha256 in ((part, "sha256"), (f"{part}_starts", "starts_sha256")):
                with open(folder / names[file], "rb") as data:
                    if hashlib.file_digest(data, "sha256").hexdigest() != about[part][sha256]:
                        return None
        return about
    return None


def _writer(job: Job) -> Callable[[Chunk], tuple[int, int, dict]]:
    """From a chunk to its shard, with a tokenizer of this process's own."""
    return partial(_write_shard, job, job.load(job.folder / "tokenizer.json"))


def _write_shard(job: Job, tokenizer, chunk: Chunk) -> tuple[int, int, dict]:
    """Write the files of a shard, its json last."""
    left_out = Counter({"duplicate": chunk.duplicates} if chunk.duplicates else {})
    kept: list[tuple[float, str]] = []
    for document, known in zip(chunk.documents, chunk.digests, strict=True):
        if refused := refused_by(document, job.rules):
            left_out[refused] += 1
        else:
            kept.append((int.from_bytes(known) / 2**64, document))
    limit = job.val_fraction
    if chunk.index == 0 and kept:  # then one at least is on either side
        places = [place for place, _ in kept]
        limit = min(max(limit, np.nextafter(min(places), 1)), max(places))
    parts = {
        "train": [document for place, document in kept if place >= limit],
        "val": [document for place, document in kept if place < limit],
    }
    names = shard_files(chunk.index)
    (job.folder / names["about"]).unlink(missing_ok=True)  # from here on it is not whole
    about = {"key": chunk.key, "source": job.source, "tokenizer": job.tokenizer}
    about |= {"n_read": len(chunk.documents) + chunk.duplicates, "left_out": dict(sorted(left_out.items()))}
    for part, documents in parts.items():
        pieces = list(job.stream(documents, tokenizer))
        about["dtype"] = str(pieces[0].dtype)
        pieces = pieces if chunk.index == 0 else pieces[1:]  # <|endoftext|> comes first in the first alone
        tokens = np.concatenate([*pieces, np.empty(0, about["dtype"])])
        starts = np.cumsum([len(piece) for piece in pieces], dtype=np.int64) - 1
        data, places = tokens.tobytes(), _npy(starts)
        write_atomic(job.folder / names[part], data)
        write_atomic(job.folder / names[f"{part}_starts"], places)
        n_bytes = sum(len(document.encode()) + 1 for document in documents)
        about[part] = {"n_tokens": len(tokens), "n_documents": len(documents), "n_bytes": n_bytes}
        about[part]["sha256"] = hashlib.sha256(data).hexdigest()
        about[part]["starts_sha256"] = hashlib.sha256(places).hexdigest()
    write_atomic(job.folder / names["about"], as_json(about))
    return chunk.index, chunk.n_bytes, about


def _npy(array: np.ndarray) -> bytes:
    """An array as a file of NumPy's."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


# -- several processes -----------------------------------------------------------------


def _in_processes(chunks: Iterable[Chunk], job: Job, processes: int) -> Iterator[tuple[int, int, dict]]:
    """What _write_shard returns of each chunk, in the order in which they are done; here, for one process.

    No more chunks are taken than there are processes, and one more.
    """
    if processes == 1:
        write = _writer(job)
        yield from map(write, chunks)
        return
    workers, idle, busy = {}, [], []
    try:
        for chunk in chunks:
            if not workers:
                workers = dict(_started(job) for _ in range(processes))
                idle = list(workers)
            while not idle:
                yield from _collected(workers, idle, busy)
            worker = idle.pop()
            try:
                worker.send(chunk)
            except OSError:
                raise _ended(workers[worker]) from None
            busy.append(worker)
        while busy:
            yield from _collected(workers, idle, busy)
    finally:
        for process in workers.values():
            process.terminate()
            process.join()


def _started(job: Job):
    """A connection to a new process, and the process."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, job), daemon=True)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if current_thread() is main_thread() else None
    try:
        process.start()  # it inherits that Ctrl-C is for the process that reads
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    theirs.close()  # now a process that ends closes the connection
    return ours, process


def _collected(workers: dict, idle: list, busy: list) -> Iterator[tuple[int, int, dict]]:
    """Wait until a worker is done; the results of those that are."""
    for worker in wait(busy):
        busy.remove(worker)
        try:
            result = worker.recv()
        except (EOFError, OSError):
            raise _ended(workers[worker]) from None
        if isinstance(result, BaseException):
            raise result
        idle.append(worker)
        yield result


def _ended(process) -> RuntimeError:
    """What is said of a process that is gone."""
    process.join()
    rule = "for want of memory, perhaps; run again to go on, with fewer --processes"
    return RuntimeError(f"a process that tokenized came to an end (exit code {process.exitcode}), {rule}")


def _serve(connection, job: Job) -> None:
    """Write a shard of each chunk that comes, until nobody is there who sends one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        write = None
        while True:
            chunk = connection.recv()
            try:
                write = write or _writer(job)
                result = write(chunk)
            except Exception as error:  # raised over there
                result = error
            connection.send(result)
