"""``python -m companion.village`` writes the shipped splits, or other stories."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

from companion.village.machine import DATA, SPLITS, tell


def write_stories(path: Path, texts: Iterable[str]) -> None:
    """Write stories to a file: one a line, an empty line between two, the same bytes on every machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8", newline="\n")


def write_splits(folder: Path) -> None:
    """Write the shipped splits and their checksums into `folder`."""
    sums = []
    for split, (seed, stories) in SPLITS.items():
        path = folder / f"{split}.txt"
        write_stories(path, tell(seed, stories))
        sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8", newline="\n")


def main(argv: list[str] | None = None) -> int:
    """The command line: write the shipped splits, or other stories."""
    parser = argparse.ArgumentParser(
        prog="python -m companion.village",
        description="Write the shipped splits, byte for byte; with --stories or --seed, stories.txt instead.",
        epilog="example: python -m companion.village --stories 20000 --seed 4 --out my-stories",
    )
    parser.add_argument("--stories", type=int, help="how many stories to write (default: 1000 with --seed)")
    parser.add_argument("--seed", type=int, help="seed of the stories (default: 4; the splits have 1, 2, 3)")
    parser.add_argument("--out", type=Path, default=DATA / "village", help="folder (default: %(default)s)")
    args = parser.parse_args(argv)
    if args.stories is None and args.seed is None:
        write_splits(args.out)
        print(f"{', '.join(SPLITS)} and SHA256SUMS are in {args.out}")
        return 0
    stories = 1000 if args.stories is None else args.stories
    if stories < 1:
        print(f"--stories {stories} must be at least 1", file=sys.stderr)
        return 2
    path = args.out / "stories.txt"
    write_stories(path, tell(4 if args.seed is None else args.seed, stories))
    print(f"{stories} stories are in {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
