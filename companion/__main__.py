"""The command `companion`, and `python -m companion`."""

import sys


def main() -> int:
    """The status of the command line; Ctrl-C while it is read in is one line, too."""
    try:
        from companion.cli import main as command_line

        return command_line()
    except KeyboardInterrupt:
        print("companion: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
