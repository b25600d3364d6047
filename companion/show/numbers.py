"""Numbers as the chapters print them: the same on every processor."""

import math


def power_above(difference: float, least: float = 1e-7) -> str:
    """A difference between two computations, rounded up to a power of ten: 4.8e-07 is "1e-06".

    Its digits depend on the processor, its power of ten mostly does not. least: what smaller ones are taken
    for; 1e-07 is about what float32 itself rounds a number near 1 by.
    Raises ValueError for a negative number, infinity or NaN.
    """
    if not 0 <= difference < math.inf:
        raise ValueError(f"difference={difference} must be a finite number, 0 or more; take its abs()")
    return f"{10.0 ** math.ceil(math.log10(max(difference, least)) - 1e-9):g}"
