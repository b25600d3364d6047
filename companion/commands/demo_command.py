"""companion demo: a part of the model at work on a sentence."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from companion import load
from companion.commands import TABLES, add_table
from companion.show.demo import PARTS, TEXT, Subject, drawable_signs


@dataclass
class DemoPlan:
    """A part of the model to show at work on a sentence."""

    show: Callable[[Subject], Iterator[str]]  # draws the part, line by line
    subject: Subject


def add(parser):
    parts = parser.add_subparsers(
        dest="part",
        required=True,
        metavar="part",
        title="parts",
        description=f'What to show. Give a TEXT of your own, or read this one by default: "{TEXT}"',
    )
    table = TABLES["demo"]["options"]
    for name, show in PARTS.items():
        part = parts.add_parser(name, help=show.__doc__, description=show.__doc__)
        part.set_defaults(layer=None, head=None)
        of_part = {key: entry for key, entry in table.items() if key not in ("layer", "head")}
        add_table(part, {"options": table if name == "attention" else of_part}, text=TEXT)


def plan(args, held: ExitStack) -> DemoPlan:
    text = " ".join(args.text) if args.text else TEXT
    if not text.strip():
        raise ValueError("TEXT is empty; type a few words, or nothing at all for a sentence of the village")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("TEXT holds bytes that are no UTF-8; type it again")
    teller = load(args.model, device=args.device)
    try:
        tokens = teller.encode(text)
    except ValueError as error:
        raise ValueError(f"TEXT: {error}".replace("TEXT: prompt has", "TEXT has")) from None
    width = shutil.get_terminal_size().columns
    signs = drawable_signs(sys.stdout.encoding)
    subject = Subject(teller.model, teller.tokenizer, text, tokens, width, signs, args.layer, args.head)
    return DemoPlan(PARTS[args.part], subject)


def do(plan: DemoPlan) -> list[str]:
    return list(plan.show(plan.subject))


def report(plan: DemoPlan, lines: list[str]) -> None:
    print("\n".join(lines))
