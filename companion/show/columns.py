"""Text in columns of a terminal: names, bars, shapes, and a map of weights."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

SHADES = " ░▒▓█"
"""Five shades, from no weight to all of it."""

LIMITS = (0.05, 0.25, 0.5, 0.75)
"""The weights from which each of the others is drawn."""

MASKED = "·"
"""What stands where a token may not look."""

LABEL = 10
"""Columns that a token takes in a table."""


def spell(token: bytes | str) -> str:
    """A token's text, or its bytes in hex where they are no text: b" key" -> " key", b"\\xe6" -> "<e6>"."""
    try:
        text = token.decode() if isinstance(token, bytes) else token
    except UnicodeDecodeError as error:
        return f"<{error.object.hex(' ')}>"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def places(text: str) -> int:
    """How many columns of a terminal a text takes: two for a Chinese sign, none for a combining accent."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def fit(text: str, width: int) -> str:
    """A text in exactly so many columns: cut, or filled up with spaces."""
    if places(text) > width:
        while places(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - places(text))


def bar(share: float, length: int) -> str:
    """A share of 1 as a bar of at most `length` columns."""
    return SHADES[-1] * round(share * length)


def shape(*sizes: int) -> str:
    """A shape as PyTorch prints it, with commas in large numbers: (1,024, 128)."""
    return f"({', '.join(f'{size:,}' for size in sizes)}{',' if len(sizes) == 1 else ''})"


def grid(weights: Sequence[Sequence[float]], names: Sequence[str], width: int) -> Iterator[str]:
    """Draw a causal map in lines of text.

    The weights are in per cent if each token can have four columns, otherwise in shades of one column. The
    names of the columns are written downward.

    Args:
        weights: The map, (T, T).
        names: T names of tokens.
        width: Largest number of columns of a line.

    Yields:
        The lines.

    Raises:
        ValueError: If there are more tokens than columns.
    """
    T = len(names)
    room = width - LABEL - 3
    if room < T:
        raise ValueError(f"TEXT has {T} tokens, and a map has room for {max(room, 0)} here; shorten it")
    step = 4 if 4 * T <= room else 1
    if step == 4:
        yield f"in per cent; {MASKED} is masked, because it comes later"
    else:
        levels = ", ".join(f"{sign} from {limit:.0%}" for limit, sign in zip(LIMITS, SHADES[1:], strict=True))
        yield f"{levels}; {MASKED} is masked, because it comes later"
    shown = [name.strip() or "␣" for name in names]
    yield from downward(shown, step)
    for i in range(T):
        cells = [cell(weight, step) for weight in weights[i][: i + 1]]
        masked = MASKED.rjust(step) * (T - i - 1)
        yield f"{fit(f'{i} {shown[i]}', LABEL + 2)} {''.join(cells)}{masked}".rstrip()


def downward(names: Iterable[str], step: int) -> Iterator[str]:
    """Names from top to bottom, each `step` columns wide, all ending in the same line."""
    columns = []
    for name in names:
        signs = [sign for sign in name if places(sign) in (1, min(step, 2))]
        columns.append(signs[:LABEL])
    height = max(map(len, columns))
    for y in range(height):
        line = " " * (LABEL + 3)
        for column in columns:
            above = height - len(column)
            sign = column[y - above] if y >= above else " "
            line += " " * (step - places(sign)) + sign
        yield line.rstrip()


def cell(weight: float, step: int) -> str:
    """A weight in `step` columns: as a number, or as a shade."""
    if step == 4:
        return f"{100 * weight:4.0f}"
    return SHADES[sum(weight >= limit for limit in LIMITS)]
