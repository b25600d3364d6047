"""companion finetune rewards --checker: a program rewards right answers, or each true step (chapter 25)."""

from collections.abc import Callable
from typing import Any

from companion.cli._learning import Rewards, ask_for_steps, trainer_of, with_interval
from companion.cli._shared import check_thinks, take
from companion.evaluation import wilson_interval
from companion.generation import LanguageModel
from companion.reasoning import RLVR
from companion.runtime.terminal import waiting
from companion.village.reasoning import StepQuestion, step_questions
from companion.village.steps import answer_reward, step_reward

ASKED = 200  # questions to measure with
NUMBERS = range(1, 9)  # numbers of steps
DEFAULTS = {"switch": "grpo", "steps": 80, "lr": 3e-4, "prompts": 16, "size": 8, "asked": ASKED}
UPDATES = 2  # steps with the texts of one draw
CHECKERS: dict[str, Callable[[StepQuestion, str], float]] = {"answer": answer_reward, "steps": step_reward}


def by_checker(options: Any, teller: LanguageModel) -> Rewards:
    """A program rewards the answers to questions that need steps."""
    check_thinks(options.model, teller)
    take(options, DEFAULTS)
    n_questions = min(options.steps * options.prompts, 20_000)
    questions = step_questions(n_questions, options.seed + 100, NUMBERS)
    reward = CHECKERS[options.checker]
    sizes = options.size, options.prompts, UPDATES
    game = RLVR(teller, questions, reward, options.switch, *sizes, options.seed)
    trainer = trainer_of(options, teller.model, game.batches, game.loss)
    learned = f"the checker of {options.checker}, {options.switch}"
    return trainer, lambda loss: f"reward {game.rewards.mean():.2f}", learned


def print_steps(asked: int, figures: dict[str, dict]) -> None:
    """Print what was measured before and after."""
    print(f"Measured on {asked:,} new questions of one to eight steps, before and after:")
    for when, row in figures.items():
        right = with_interval(row, "right", "right interval")
        proved = with_interval(row, "proved", "proved interval")
        print(f"  {when:6}  {right}  {proved}  tokens {row['tokens']:.1f}")


def measured_steps(teller: LanguageModel, options: Any) -> dict:
    """The shares of new questions answered rightly, at temperature 0, and also proved by the steps."""
    questions = step_questions(options.asked, options.seed + 7000, NUMBERS)
    with waiting(f"Asking {options.asked:,} questions"):
        right, proved, tokens = ask_for_steps(teller, questions)
    found: dict[str, Any] = {"questions": options.asked, "tokens": tokens / options.asked}
    for kind, n in (("right", right), ("proved", proved)):
        found[kind] = n / options.asked
        found[f"{kind} interval"] = list(wilson_interval(n, options.asked))
    return found
