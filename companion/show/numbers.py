"""Numbers as the chapters print them: the same on every processor."""

import math


def power_above(difference: float) -> str:
    """A difference between two float32 computations, rounded up to a power of ten: 4.8e-07 is "1e-06".

    Its digits depend on the processor, its power of ten mostly does not. Below 1e-07, about what float32
    itself rounds a number near 1 by, it is "1e-07".
    Raises ValueError for a negative number, infinity or NaN.
    """
    if not 0 <= difference < math.inf:
        raise ValueError(f"difference={difference} must be a finite number, 0 or more; take its abs()")
    return f"{10.0 ** math.ceil(math.log10(max(difference, 1e-7)) - 1e-9):g}"
