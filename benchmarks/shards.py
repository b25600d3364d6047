"""A text of lines of JSON into numbered shards: megabytes of text a second, with one process and with more.

    python benchmarks/shards.py                              # 128 MB, one and two processes
    python benchmarks/shards.py --megabytes 500 --processes 1 4 8 --rounds 1

The text is Python's manual and the village's stories, again and again, each document with a number before it.
The ways take turns, and the median of the rounds counts. "Reading" is what the one process does that reads:
lines, digests, chunks; "rules" is refused_by. Other processes take two seconds or more to begin, as they
import torch: "then" is the speed from the first whole shard on.
"""

import argparse
import itertools
import json
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from companion.datasets import load_text, token_stream
from companion.runtime.data.filters import refused_by
from companion.runtime.data.shards import Job, _chunks, write_shards
from companion.runtime.data.streams import Documents
from companion.tokenization import BPETokenizer, Tokenizer
from companion.village import load_split


def write_text(path: Path, megabytes: float, shards: int = 4) -> int:
    """Lines of JSON, some megabytes of text in so many files; returns the bytes of the text."""
    documents, size = itertools.cycle([*load_text("pydoc"), *load_split("train")]), 0
    for shard in range(shards):
        with open(path / f"{shard}.jsonl", "w", encoding="utf-8") as file:
            while size < megabytes * 1e6 * (shard + 1) / shards:
                text = f"{size}: {next(documents)}"
                file.write(json.dumps({"text": text}) + "\n")
                size += len(text.encode())
    return size


def seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def written(folder: Path, documents: Documents, tokenizer, processes: int, shard_bytes: int) -> tuple:
    """(megabytes a second, the same from the first whole shard on) of write_shards."""
    done = [(time.perf_counter(), 0)]
    write_shards(
        *(folder, documents, tokenizer, token_stream, Tokenizer.load),
        processes=processes,
        shard_bytes=shard_bytes,
        on_shard=lambda n_bytes: done.append((time.perf_counter(), n_bytes)),
    )
    end, sizes = time.perf_counter(), [n_bytes / 1e6 for _, n_bytes in done]
    return sum(sizes) / (end - done[0][0]), sum(sizes[2:]) / (end - done[1][0])


def measure(megabytes: float, processes: list[int], rounds: int, shard_mb: float) -> dict[str, float]:
    """Megabytes a second, by what was done."""
    found, shard_bytes = defaultdict(list), int(shard_mb * 1e6)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        size = write_text(root, megabytes) / 1e6
        documents = Documents([str(path) for path in sorted(root.glob("*.jsonl"))])
        sample = load_text("pydoc") + load_split("train")[:500]
        tokenizer = BPETokenizer.train(sample, 4096)
        job = Job(root, "", "", 0.1, (), token_stream, Tokenizer.load)
        for number in range(rounds):
            took = seconds(lambda: [None for _ in _chunks(job, documents, shard_bytes)])
            found["reading"].append(size / took)
            took = seconds(lambda: [refused_by(document) for document in sample])
            found["rules"].append(sum(len(text.encode()) for text in sample) / 1e6 / took)
            for n in processes:
                whole, then = written(root / f"{n}-{number}", documents, tokenizer, n, shard_bytes)
                found[f"processes: {n}"].append(whole)
                found[f"processes: {n}, then"].append(then)
                shutil.rmtree(root / f"{n}-{number}")
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=128, help="of text (default: 128)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    parser.add_argument("--shard", type=float, default=8, help="megabytes of text in a shard (default: 8)")
    args = parser.parse_args()
    for name, speed in measure(args.megabytes, args.processes, args.rounds, args.shard).items():
        print(f"{name:20} {speed:6.1f} MB/s")


if __name__ == "__main__":
    main()
