"""Random batches from a token file larger than memory: what the process takes meanwhile. Linux only.

    python benchmarks/memmap.py                              # twice the machine's memory: two minutes
    python benchmarks/memmap.py --gigabytes 1 --batches 50   # a small one

The file is sparse: it has its full length and takes no room on the disk; what is read from it are zeros,
in pages as real as any. Two figures count. Memory of its own is what the process asked for and nobody else
can have. Mapped pages are the parts of the file that it touched; the system takes them back when needed.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from companion.datasets import random_batches


def memory() -> dict[str, int]:
    """Bytes that this process has of its own, has mapped from files, and the most of both together so far."""
    names = {"RssAnon": "own", "RssFile": "mapped", "VmHWM": "peak"}
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return {names[name]: 1024 * int(fields[name].split()[0]) for name in names}


def measure(size: int, batches: int, folder: Path) -> dict[str, float]:
    """Draw batches of 8 rows of 256 tokens from a sparse file of size bytes; returns each figure's growth."""
    file = folder / "tokens.bin"
    file.touch()
    os.truncate(file, size)
    tokens = np.memmap(file, np.uint16, mode="r")
    drawn = random_batches(tokens, 8, 256, torch.Generator().manual_seed(0))
    next(drawn)
    before, begin = memory(), time.perf_counter()
    for _ in range(batches):
        x, y = next(drawn)
        assert x.shape == y.shape == (8, 256)
    after = memory()
    growth = {name: after[name] - before[name] for name in before}
    return growth | {"tokens": len(tokens), "seconds": time.perf_counter() - begin}


def main() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--gigabytes", type=float, default=2 * total / 1e9, help="(default: twice the memory)"
    )
    parser.add_argument("--batches", type=int, default=1000, help="(default: 1000)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = int(args.gigabytes * 1e9) // 2 * 2
        found = measure(size, args.batches, Path(folder))
    print(f"memory        {total / 1e9:9.1f} GB")
    print(f"file          {size / 1e9:9.1f} GB, {found['tokens']:,} tokens")
    print(f"batches       {args.batches:9,} in {found['seconds']:.1f} s")
    for name in ("own", "mapped", "peak"):
        print(f"{name:13} {found[name] / 1e6:+9.1f} MB")


if __name__ == "__main__":
    main()
