"""Expressions that are kept as text, because they are many: expressions.txt beside this file.

A section has in each line an expression, or several with ` ~ ` between. `common` has the others' imports.
"""

from typing import Any

from support.cases import texts

SECTIONS = {name: text.splitlines() for name, text in texts(__file__).items()}
COMMON = {}
exec("\n".join(SECTIONS["common"]), COMMON)


def values_of(line: str, names: dict[str, Any]) -> list[Any]:
    """What the expressions of a line give; they see these names and those of the section `common`."""
    return [eval(expression, COMMON | names) for expression in line.split(" ~ ")]


def named(section: str) -> dict[str, str]:
    """The {name: expression} of a section in which each line has a name."""
    return dict(line.split(": ", 1) for line in SECTIONS[section])
