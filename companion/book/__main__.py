"""The command line: ``python -m companion.book new|sync|check|site|repository``."""

import argparse
import sys
from pathlib import Path

from companion.book import BookError
from companion.book.manifest import Book, new_chapter


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its status: 0, 1 for a difference or a failing cell, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m companion.book", description="The book's machinery.")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the repository (default: here)")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="add a chapter to book.toml, with a skeleton of its text")
    new.add_argument("name", help="such as 09_caching")
    sync = commands.add_parser("sync", help="run edited texts; write their notebooks, modules and rungs")
    sync.add_argument("chapters", nargs="*", help="numbers or names, such as 01 (default: all)")
    sync.add_argument("--prose", action="store_true", help="only prose changed: keep outputs, run nothing")
    commands.add_parser("check", help="name what differs between texts, notebooks, modules and rungs")
    site = commands.add_parser("site", help="build the web book from the notebooks as they are")
    site.add_argument("--out", type=Path, default=Path("site"), help="the folder to replace (default: site)")
    repository = commands.add_parser("repository", help="name the repository, wherever the course names it")
    repository.add_argument("address", help='https://github.com/owner/name, or "" for none')
    options = parser.parse_args(arguments)
    try:
        book = Book.read(options.root)
        if options.command == "new":
            print(new_chapter(book, options.name))
        elif options.command == "sync":
            from companion.book.sync import sync as sync_chapters

            sync_chapters(book, options.chapters, run=not options.prose)
        elif options.command == "site":
            from companion.book.site import build_site

            print(build_site(book, book.root / options.out))
        elif options.command == "repository":
            from companion.book.elsewhere import set_repository

            print(set_repository(book, options.address))
        else:
            from companion.book.check import check

            differences = check(book)
            print(*differences or [f"{len(book.chapters)} chapters, no difference"], sep="\n")
            return 1 if differences else 0
    except (BookError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
