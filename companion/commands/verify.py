"""companion verify: a public model in our parts, against transformers."""

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

from companion.runtime.command_line.options import path_of


def add(parser):
    parser.add_argument(
        "model",
        nargs="?",
        type=path_of("model"),
        default=Path("gpt2"),
        help="folder, or model of the hub (default: gpt2, 548 MB the first time)",
    )
    parser.add_argument("--revision", help="of the hub's model: branch, tag or commit (default: the newest)")
    parser.add_argument(
        "--against",
        type=path_of("--against"),
        help="what transformers reads (default: the same files as our parts)",
    )


def plan(args, held: ExitStack) -> SimpleNamespace:
    from companion import load
    from companion.runtime.storage import model_names, verification

    verification.peer()
    ours = model_names.folder_of(args.model, args.revision)
    teller, against = load(ours, device="cpu"), args.against or ours
    if not model_names.is_public(against):
        rule = (
            "is no folder in Hugging Face's layout, as companion export hf writes it, and no model of the hub"
        )
        raise ValueError(f"transformers cannot read {against}: it {rule}; name one with --against")
    theirs = model_names.folder_of(against)
    room = max(1, teller.model.config.context_length - verification.N_TOKENS)
    ids = [*teller.begin, *teller.tokenizer.encode(verification.PROMPT)][:room]
    return SimpleNamespace(name=args.model.as_posix(), teller=teller, ids=ids, ours=ours, theirs=theirs)


def do(plan: SimpleNamespace) -> list:
    """The three findings."""
    from companion.generation import generate
    from companion.runtime.storage import verification

    teller, found = plan.teller, [verification.hash_of_weights(plan.ours, plan.name)]

    def likeliest(rows, n: int):
        cache = teller.make_cache(teller.model.config, len(rows))
        return generate(teller.model, rows, n, temperature=0, cache=cache)

    return [*found, *verification.compare(teller.model, plan.ids, likeliest, plan.theirs)]


def report(plan: SimpleNamespace, found: list) -> None:
    for finding in found:
        print(f"{ {True: 'right', False: 'WRONG', None: '     '}[finding.right] }  {finding.line}")
    if wrong := sum(finding.right is False for finding in found):
        raise RuntimeError(f"{wrong} of {len(found)} differ, so {plan.name} is another model")
