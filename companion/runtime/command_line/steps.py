"""Commands of three steps, their statuses, and errors of one line."""

import argparse
import platform
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata

from companion.runtime.command_line.terminal import one_line, screens, waiting
from companion.runtime.training import distributed


@dataclass
class Command:
    """What its help says, and its steps."""

    help: str
    example: str
    add: Callable  # (parser): adds its options
    plan: Callable  # (args, held): finds what is to be done, and every fault; held gives back what it claims
    do: Callable  # (plan): the work
    report: Callable  # (plan, result): prints what do returned
    shared: bool = False  # whether several processes may do it together; then the first alone reports


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        message = re.sub(r"^argument ([^/:\s]+)\S*: (?==)", r"\1", message)  # from a type in options.py
        for kind, words in (("int", "a whole number"), ("float", "a number")):
            invalid = rf"^argument (\S+): invalid {kind} value: (.+)"
            message = re.sub(invalid, rf"\1=\2 must be {words}", message)
        raise ValueError(f"{message}; see {self.prog} --help")


class Version(argparse.Action):
    """An option that says in one line what is installed, and imports none of it."""

    def __call__(self, parser, *rest):
        ours, torch = metadata.version("companion"), metadata.version("torch")
        print(f"companion {ours}, PyTorch {torch}, Python {platform.python_version()}")
        parser.exit()


def run(work: Callable[[], None]) -> int:
    """Do some work; 0 when all went well, 2 for bad input, 1 for what only the run shows, 130 for Ctrl-C.

    A command that saves what it has at Ctrl-C (train, finetune rewards) ends well: 0.
    What goes wrong is one line. Output that nobody reads any more (`| head -1`) is not wrong.
    """
    with screens() as (out, _):
        status = attempt(work)
        out.flush()
        if out.broken is not None and not isinstance(out.broken, BrokenPipeError):
            status = failed(out.broken, 1)
        distributed.leave()
    return status


def attempt(work: Callable[[], None]) -> int:
    """The status of some work."""
    try:
        work()
    except SystemExit as stop:
        return stop.code or 0
    except KeyboardInterrupt as stop:
        return failed(stop if str(stop) else KeyboardInterrupt("stopped"), 130)
    except (ValueError, TypeError, FileNotFoundError, ImportError) as error:
        return failed(error, 2)
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        return failed(unopened(error), 2)
    except (OSError, RuntimeError, MemoryError) as error:
        return failed(error, 1)
    return 0


def unopened(error: OSError) -> OSError:
    """An error that says which path cannot be read or written and what to do, if it names one."""
    if error.filename is None:
        return error
    may = "give yourself the right to, or " if isinstance(error, PermissionError) else ""
    return OSError(f"{error.filename} cannot be read or written ({error.strerror}); {may}name another")


def failed(error: BaseException, status: int) -> int:
    """Print in one line what was wrong; return the status."""
    print(f"companion: {one_line(error)}", file=sys.stderr, flush=True)
    return status


def carry_out(commands: dict[str, Command], argv: list[str], about: str) -> None:
    """The three steps of the command that the arguments name."""
    shared = argv[0] in commands and commands[argv[0]].shared
    if not distributed.enter(argv[0], shared):
        return
    parser = Parser(
        prog="companion",
        description=about,
        epilog="companion COMMAND --help describes the options of a command.",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="show the installed versions and exit")
    children = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="command", parser_class=Parser
    )
    asked = parser
    for name, command in commands.items():
        about_child = f"{command.help[0].upper()}{command.help[1:]}."
        child = children.add_parser(
            name, help=command.help, description=about_child, epilog=f"example: {command.example}"
        )
        if argv[0] == name:
            command.add(child)
            asked = child
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        asked.error(f"unrecognized arguments: {' '.join(unknown)}")
    command = commands[args.command]
    with ExitStack() as held:
        with waiting("Loading"):
            plan = command.plan(args, held)
        with waiting("Working"):
            result = command.do(plan)
        if distributed.is_main():
            command.report(plan, result)
