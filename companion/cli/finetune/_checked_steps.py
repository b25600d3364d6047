"""companion finetune rewards --checker: a program rewards right answers, or each true step (chapter 25)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from companion import load
from companion.cli._learning import ask_for_steps, learn_and_measure, output_of, trainer_of, with_interval
from companion.cli._parsing import refuse, take
from companion.cli._shared import check_thinks
from companion.evaluation import wilson_interval
from companion.generation import LanguageModel
from companion.models.names import check_floats, folder_of, origin_of
from companion.reasoning import RLVR
from companion.runtime.terminal import as_typed, waiting
from companion.village.reasoning import StepQuestion, step_questions
from companion.village.steps import answer_reward, step_reward

ASKED = 200  # questions to measure with
NUMBERS = range(1, 9)  # numbers of steps
DEFAULTS = {"switch": "grpo", "steps": 80, "lr": 3e-4, "prompts": 16, "size": 8, "asked": ASKED}
UPDATES = 2  # steps with the texts of one draw
CHECKERS: dict[str, Callable[[StepQuestion, str], float]] = {"answer": answer_reward, "steps": step_reward}


def run(options: Any) -> None:
    """Train the model with a checker's rewards, and measure it before and after."""
    refuse(options, ["data", "method", "mixed", "average", "beta"], "does not work with --checker")
    output = output_of(options, "rewards")
    folder = folder_of(options.model)
    check_floats("--model", folder)
    teller = load(folder, options.device, fast=True)
    check_thinks(options.model, teller)
    take(options, DEFAULTS)
    n_questions = min(options.steps * options.prompts, 20_000)
    questions = step_questions(n_questions, options.seed + 100, NUMBERS)
    reward = CHECKERS[options.checker]
    game = RLVR(
        teller, questions, reward, options.switch, options.size, options.prompts, UPDATES, options.seed
    )

    def progress(_: float) -> str:
        return f"reward {game.rewards.mean():.2f}"

    about = {
        "init": origin_of(options.model, folder),
        "learned": f"the checker of {options.checker}, {options.switch}",
    }
    trainer = trainer_of(options, teller.model, game.batches, game.loss)
    measure = partial(measured, teller, options)
    figures = learn_and_measure(options, teller, output, trainer, progress, about, measure)
    print(f"Measured on {options.asked:,} new questions of one to eight steps, before and after:")
    for when, row in figures.items():
        right = with_interval(row, "right", "right interval")
        proved = with_interval(row, "proved", "proved interval")
        print(f"  {when:6}  {right}  {proved}  tokens {row['tokens']:.1f}")
    print(f"In {output}: the model, and report.json. To ask it:\n")
    print(f"  {as_typed('companion', 'chat', '--think', '--model', output)}")


def measured(teller: LanguageModel, options: Any) -> dict:
    """The shares of new questions answered rightly, at temperature 0, and also proved by the steps."""
    questions = step_questions(options.asked, options.seed + 7000, NUMBERS)
    with waiting(f"Asking {options.asked:,} questions"):
        right, proved, tokens = ask_for_steps(teller, questions)
    found: dict[str, Any] = {"questions": options.asked, "tokens": tokens / options.asked}
    for kind, n in (("right", right), ("proved", proved)):
        found[kind] = n / options.asked
        found[f"{kind} interval"] = list(wilson_interval(n, options.asked))
    return found
