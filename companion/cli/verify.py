"""companion verify: a public model in our parts, against transformers."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from companion import load
from companion.cli._parsing import Positional
from companion.generation import LanguageModel, generate
from companion.models import names as model_names
from companion.models import verification
from companion.models.verification import Finding


@dataclass(kw_only=True)
class Options:
    """Check that a public model computes the same here as in transformers.

    Args:
        model: A folder, a GGUF file, smollm2, or the name of a model on the hub. Default: gpt2, which
            downloads 548 MB the first time.
        revision: Branch, tag or commit of a model on the hub. Default: the newest.
        against: What transformers loads. Default: the same files as we do.

    Example:
        companion verify gpt2
    """

    model: Annotated[Path, Positional()] = Path("gpt2")
    revision: str | None = None
    against: Path | None = None


def run(options: Options) -> None:
    with ExitStack() as held:
        plan = make_plan(options, held)
        report(plan, do(plan))


@dataclass
class VerifyPlan:
    """A model to compare with what transformers makes of it."""

    name: str  # the model, as the command line named it
    teller: LanguageModel
    ids: list[int]  # the prompt, cut so that both sides can continue it
    ours: Path  # the folder that our parts read
    theirs: Path  # the folder that transformers reads


def make_plan(args: Options, held: ExitStack) -> VerifyPlan:
    verification.peer()
    ours = model_names.folder_of(args.model, args.revision)
    teller = load(ours, device="cpu", fast=True)
    against = args.against or ours
    if not model_names.is_public(against):
        rule = (
            "is no folder in Hugging Face's layout, as companion export hf writes it, no GGUF file"
            " and no model of the hub"
        )
        raise ValueError(f"transformers cannot read {against}: it {rule}; name one with --against")
    theirs = model_names.folder_of(against)
    room = max(1, teller.model.config.context_length - verification.N_TOKENS)
    ids = [*teller.begin, *teller.tokenizer.encode(verification.PROMPT)][:room]
    return VerifyPlan(args.model.as_posix(), teller, ids, ours, theirs)


def do(plan: VerifyPlan) -> list[Finding]:
    """The three findings."""
    teller = plan.teller
    found = [verification.hash_of_weights(plan.ours, plan.name)]

    def likeliest(rows, n: int):
        cache = teller.make_cache(teller.model.config, len(rows))
        return generate(teller.model, rows, n, temperature=0, cache=cache)

    return [*found, *verification.compare(teller.model, plan.ids, likeliest, plan.theirs)]


def report(plan: VerifyPlan, found: list[Finding]) -> None:
    for finding in found:
        print(f"{ {True: 'right', False: 'WRONG', None: '     '}[finding.right] }  {finding.line}")
    wrong = sum(finding.right is False for finding in found)
    if wrong:
        raise RuntimeError(f"{wrong} of {len(found)} differ, so {plan.name} is another model")
