"""companion progress: which exercises of the course are right."""

from dataclasses import dataclass
from typing import Annotated

from companion.cli._parsing import Positional
from companion.cli._shared import table
from companion.exercises.checker import all_titles, progress_file, read_progress
from companion.exercises.report import NOT_YET, RIGHT


@dataclass(kw_only=True)
class Options:
    """Show which exercises you have solved, chapter by chapter, or those of one chapter.

    What was right once stays right. The outcomes are kept in runs/progress.json; without that file,
    everything begins anew.

    Args:
        chapter: A chapter, whose exercises are shown with their titles. Default: the whole course.

    Example:
        companion progress 2
    """

    chapter: Annotated[int | None, Positional()] = None


def run(options: Options) -> None:
    titles = all_titles()
    outcomes = read_progress(progress_file())
    if options.chapter is None:
        print_course(titles, outcomes)
    elif options.chapter in titles:
        print_chapter(titles[options.chapter], outcomes)
    else:
        known = ", ".join(map(str, titles))
        raise ValueError(f"CHAPTER={options.chapter} has no exercises; these have: {known}")


def print_chapter(titles: dict[str, str], outcomes: dict[str, str]) -> None:
    """A line for each exercise of a chapter."""
    rows = [("exercise", "title", "")]
    for number, title in titles.items():
        rows.append((number, title, outcomes.get(number, "")))
    right = sum(outcomes.get(number) == RIGHT for number in titles)
    print(table(rows))
    print(f"\n{right} of {len(titles)} exercises are right.")


def print_course(titles: dict[int, dict[str, str]], outcomes: dict[str, str]) -> None:
    """A line for each chapter, and the first exercise that is left."""
    rows = [("chapter", "right", "of", "not yet")]
    left = []
    for chapter, of_chapter in titles.items():
        wrong = [number for number in of_chapter if outcomes.get(number) != RIGHT]
        not_yet = [number for number in wrong if outcomes.get(number) == NOT_YET]
        n_right = len(of_chapter) - len(wrong)
        rows.append((str(chapter), str(n_right), str(len(of_chapter)), ", ".join(not_yet)))
        left += [f"{number} {of_chapter[number]}" for number in wrong]
    total = sum(map(len, titles.values()))
    print(table(rows, right=(0, 1, 2)))
    print(f"\n{total - len(left)} of {total} exercises are right.")
    if left:
        print(f"The first of the others: {left[0]}")
