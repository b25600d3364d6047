"""Commands in processes of their own, as a reader would type them."""

import os
import subprocess
import sys
from collections.abc import Sequence


def companion_in(processes: int, words: Sequence) -> None:
    """Run `companion` with these words; with more than one process, under torchrun, and wait for its end.

    Its output is kept back; RuntimeError, with what it said went wrong, where the command fails.
    """
    together = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(together if processes > 1 else []), "-m", "companion", *map(str, words)]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "USE_LIBUV": "0"}  # Windows' PyTorch has no libuv
    done = subprocess.run(command, env=settings, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        ours = [line for line in said if line.startswith("companion")]  # torchrun adds a table of its own
        raise RuntimeError((ours or said or [f"companion ended with status {done.returncode}"])[0])
