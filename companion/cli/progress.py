"""companion progress: which exercises of the course are right."""

from dataclasses import dataclass

from companion.cli._shared import table
from companion.exercises.checker import all_numbers, progress_file, read_progress
from companion.exercises.report import NOT_YET, RIGHT


@dataclass(kw_only=True)
class Options:
    """Show which exercises you have solved, chapter by chapter.

    The outcomes are those of your last checks. They are kept in runs/progress.json; without that file,
    everything begins anew.

    Example:
        companion progress
    """


def run(options: Options) -> None:
    outcomes = read_progress(progress_file())
    rows = [("chapter", "right", "of", "not yet")]
    all_right = 0
    total = 0
    for chapter, numbers in all_numbers().items():
        right = sum(outcomes.get(number) == RIGHT for number in numbers)
        not_yet = [number for number in numbers if outcomes.get(number) == NOT_YET]
        rows.append((str(chapter), str(right), str(len(numbers)), ", ".join(not_yet)))
        all_right += right
        total += len(numbers)
    print(table(rows, right=(0, 1, 2)))
    print(f"\n{all_right} of {total} exercises are right.")
