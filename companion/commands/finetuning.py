"""companion finetune: its kinds, each a module with plan_, do_ and report_finetune."""

from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType

from companion.commands import TABLES, add_kinds, classify_command, instruct, reward
from companion.commands.classify_command import ClassifierPlan, ClassifierResult
from companion.commands.instruct import InstructPlan
from companion.commands.reward import RewardPlan
from companion.runtime.storage.model_names import check_floats, is_public

KINDS = {"classify": classify_command, "instructions": instruct, "rewards": reward}


@dataclass
class FinetunePlan:
    """A kind of finetune, and the plan that this kind made."""

    kind: ModuleType  # one of KINDS
    plan: ClassifierPlan | InstructPlan | RewardPlan


def add(parser) -> None:
    kinds = parser.add_subparsers(
        dest="kind",
        required=True,
        metavar="kind",
        title="kinds",
        description="What the model is trained to do. By default it is the storyteller that comes with the"
        " course. companion finetune KIND --help describes the options.",
    )
    add_kinds(kinds, TABLES["finetune"])


def plan(args: Namespace, held: ExitStack) -> FinetunePlan:
    if not is_public(args.model) and (args.model / "config.json").is_file():
        check_floats("--model", args.model)
    kind = KINDS[args.kind]
    return FinetunePlan(kind, kind.plan_finetune(args, held))


def do(plan: FinetunePlan) -> ClassifierResult | dict:
    return plan.kind.do_finetune(plan.plan)


def report(plan: FinetunePlan, found: ClassifierResult | dict) -> None:
    plan.kind.report_finetune(plan.plan, found)
