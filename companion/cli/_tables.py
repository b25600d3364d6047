"""Plain tables for people: columns that are aligned, and nothing else drawn."""

import textwrap
from collections.abc import Sequence


def table(
    rows: Sequence[Sequence[str]], heads: Sequence[str] = (), right: Sequence[int] = (), width: int = 0
) -> list[str]:
    """The lines of a table. right: numbers of the columns whose cells stand at the right, as numbers do.

    width: of the terminal. Text in the last column that is too long for it goes on below; 0: never.
    """
    lines = [list(heads), *map(list, rows)] if heads else [list(row) for row in rows]
    last = max(map(len, lines), default=1) - 1
    widths = [max((len(line[i]) for line in lines if i < len(line)), default=0) for i in range(last + 1)]
    room = max(20, width - sum(widths[:last]) - 2 * last) if width else 10**6
    made = []
    for line in lines:
        cells = []
        for i, cell in enumerate(line):
            cells.append(f"{cell:>{widths[i]}}" if i in right else f"{cell:{widths[i]}}")
        if len(line) <= last or last in right:
            made.append("  ".join(cells).rstrip())
            continue
        before = "".join(f"{cell}  " for cell in cells[:last])
        first, *more = textwrap.wrap(line[last], room, break_long_words=False, break_on_hyphens=False) or [""]
        made.append(f"{before}{first}".rstrip())
        made += [f"{'':{len(before)}}{part}" for part in more]
    return made


def flattened(entries: dict, before: str = "") -> list[tuple[str, str]]:
    """Names and values of a dict as cells of a table; those of a dict inside as outer.inner."""
    found = []
    for name, value in entries.items():
        if isinstance(value, dict):
            found += flattened(value, f"{before}{name}.")
        else:
            shown = f"{value:,}" if type(value) is int and name != "seed" else str(value)
            found.append((f"{before}{name}", shown))
    return found
