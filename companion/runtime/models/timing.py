"""How long a piece of work takes here, for choices that depend on the processor."""

import time
from collections.abc import Callable

__all__ = ["seconds"]


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of a few runs of work(), in seconds; what else the machine does only lengthens one.

    Raises ValueError for repeats below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats} must be at least 1; try 3")
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
