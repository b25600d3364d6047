"""The commands of the command line. Each has a file here, which is imported when its command is asked for.

commands.toml has their texts and options. Of a command's functions *add*, where it has one, adds options
that need more than that file knows; *plan* finds whatever can be wrong before any work is begun; *do* works;
*report* prints.
"""

import tomllib
from importlib import import_module, resources
from typing import Any

from companion.runtime.command_line.options import add_options
from companion.runtime.command_line.steps import Command

TABLES = tomllib.loads(resources.files(__name__).joinpath("commands.toml").read_text("utf-8"))
"""What commands.toml says of each command, and of the options in common."""
COMMON = TABLES.pop("common")


def add_table(parser, table: dict, **values: Any) -> None:
    """Add the options of a command's table; values: what stands in braces there."""
    from companion.village import DATA

    add_options(parser, table["options"], COMMON, values | {"DATA": DATA})


def add_kinds(parsers, table: dict) -> None:
    """Add to the subparsers of a command those of its kinds, with their options."""
    for name, kind in table["kinds"].items():
        add_table(parsers.add_parser(name, help=kind["about"], description=kind["about"]), kind)


def _command(name: str, table: dict) -> Command:
    """The command that a table describes."""

    def later(file: str, function: str):
        return lambda *args: getattr(import_module(f"companion.commands.{file}"), function)(*args)

    def add(parser) -> None:
        module = import_module(f"companion.commands.{table['module']}")
        if hasattr(module, "add"):
            module.add(parser)
        else:
            add_table(parser, table)

    work = table.get("work", table["module"])
    steps = [later(table["module"], "plan"), later(work, "do"), later(work, "report")]
    return Command(table["about"], table["example"], add, *steps, shared=table.get("shared", False))


COMMANDS = {name: _command(name, table) for name, table in TABLES.items()}
