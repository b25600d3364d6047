"""Commands in processes of their own, as a reader would type them."""

import os
import subprocess
import sys
from collections.abc import Sequence


def companion_in(processes: int, words: Sequence) -> None:
    """Run `companion` with these words; with more than one process, under torchrun, and wait for its end.

    Its output is kept back; RuntimeError, with the last line of it, where the command fails.
    """
    together = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(together if processes > 1 else []), "-m", "companion", *map(str, words)]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "USE_LIBUV": "0"}  # Windows' PyTorch has no libuv
    done = subprocess.run(command, env=settings, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise RuntimeError(f"companion {' '.join(map(str, words))} failed: {said[-1] if said else 'no word'}")
