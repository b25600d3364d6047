"""companion finetune: its kinds, each a module with add_, plan_, do_ and report_finetune."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

from companion.commands import classify_command, instruct, reward

KINDS = {"classify": classify_command, "instructions": instruct, "rewards": reward}


def add(parser) -> None:
    kinds = parser.add_subparsers(
        dest="kind",
        required=True,
        metavar="kind",
        description="a model (default: the shipped one) that goes on learning, as:",
    )
    for module in KINDS.values():
        module.add_finetune(kinds)


def plan(args, held: ExitStack) -> SimpleNamespace:
    from companion.runtime.storage.model_names import check_floats, is_public

    if not is_public(args.model) and (args.model / "config.json").is_file():
        check_floats("--model", args.model)
    kind = KINDS[args.kind]
    return SimpleNamespace(kind=kind, plan=kind.plan_finetune(args, held))


def do(plan: SimpleNamespace) -> Any:
    return plan.kind.do_finetune(plan.plan)


def report(plan: SimpleNamespace, found: Any) -> None:
    plan.kind.report_finetune(plan.plan, found)
