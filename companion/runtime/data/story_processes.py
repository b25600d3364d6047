"""The village's new stories, told by several processes at once: the same stories, in the same order.

A seed's stories come one after the other out of one generator. Where its state before some of them is known
(`companion.village.places`), another process begins there; other seeds have one process. Each is a program
of its own, which imports the village alone, and writes a story a line.
"""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from companion import village

AT_ONCE = 500  # so many stories are told sooner here than another process begins
CHILD = "from companion.runtime.data.story_processes import send; send({seed}, {first}, {n})"


class Telling:
    """n new stories of a seed, which other processes tell from now on; a `with` around it ends them."""

    def __init__(self, n: int, seed: int):
        self.n, self.seed = n, seed
        bounds = [0, *(number for number in village.places(seed) if number < n), n]
        self.tellers: list[Teller] = []
        try:
            for first, end in itertools.pairwise(bounds) if n > AT_ONCE else ():
                self.tellers.append(Teller(seed, first, end - first))
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error) -> None:
        self.end()

    def end(self) -> None:
        """End the processes."""
        for teller in self.tellers:
            teller.end()

    def stories(self) -> list[str]:
        """All of them, when they are told; until then a bar, if the terminal is one."""
        from tqdm import tqdm

        if not self.tellers:
            return village.fresh_stories(self.n, self.seed)
        with tqdm(total=self.n, unit=" stories", desc="Telling", leave=False, disable=None) as bar:
            while running := [teller for teller in self.tellers if not teller.done()]:
                bar.update(sum(len(teller.told) for teller in self.tellers) - bar.n)
                running[0].reader.join(0.1)
        return [text for teller in self.tellers for text in teller.told]


def start_child(code: str, **pipes: int) -> subprocess.Popen:
    """Start Python with some code. It has a group of its own, so that Ctrl-C does not reach it."""
    alone: dict = {"process_group": 0}
    if os.name == "nt":
        alone = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH")]))
    more = {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1", "TOKENIZERS_PARALLELISM": "false"}
    return subprocess.Popen([sys.executable, "-c", code], env=os.environ | more, **pipes, **alone)


class Teller:
    """A process that tells n stories, and the thread that gathers them in `told`."""

    def __init__(self, seed: int, first: int, n: int):
        self.n, self.told, self.errors = n, [], ""
        code = CHILD.format(seed=seed, first=first, n=n)
        self.process = start_child(
            code, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.told.append(line.decode("utf-8").rstrip("\r\n"))
        self.errors = self.process.stderr.read().decode("utf-8", "replace")

    def done(self) -> bool:
        """Whether all is told. RuntimeError where the process ended before that."""
        if self.reader.is_alive():
            return False
        if status := self.process.wait():
            why = next(reversed(self.errors.strip().splitlines()), f"status {status}")
            raise RuntimeError(f"a process that tells the village's stories ended early ({why}); try again")
        return True

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


def send(seed: int, first: int, n: int) -> None:
    """What the process does: its stories to stdout, a hundred at a time, so that somebody sees them come."""
    stories = village.fresh(seed, first)
    for sent in range(0, n, 100):
        some = itertools.islice(stories, min(100, n - sent))
        sys.stdout.buffer.write("".join(f"{text}\n" for text in some).encode("utf-8"))
        sys.stdout.buffer.flush()
