"""From an edited text to a finished chapter: notebook, module and rungs."""

import copy
from collections.abc import Iterable
from pathlib import Path

from nbformat import NotebookNode

from companion.book import BookError
from companion.book.execute import execute
from companion.book.export import export, package_line, ruff
from companion.book.manifest import Book, Chapter, hidden_by, replace_files
from companion.book.overviews import overview_files
from companion.book.text import (
    FOLDED,
    add_navigation,
    code_cells,
    keep_ids,
    read_notebook,
    read_text,
    tags,
    without_navigation,
    write_notebook,
)
from companion.runtime.storage.hub import INSTALLABLE, install_hint, is_installed

IGNORED = "nbval-ignore-output"


def make_notebook(book: Book, chapter: Chapter, old: NotebookNode | None) -> tuple[NotebookNode, list[int]]:
    """Make a chapter's notebook from its text, without outputs.

    Args:
        book: The course.
        chapter: The chapter.
        old: The notebook as it is. Its cells' ids are kept.

    Returns:
        The notebook, and the line of the text on which each of its code cells begins.
    """
    notebook, starts = read_text(chapter.text)
    add_navigation(notebook, book, chapter)
    keep_ids(notebook, old)
    return notebook, starts


def chapter_files(chapter: Chapter, notebook: NotebookNode) -> dict[Path, bytes]:
    """A chapter's module, if it has one, and its notebook."""
    contents = {}
    module = export(chapter, notebook)
    if module is not None:
        contents[chapter.module_file] = module.encode("utf-8")
    contents[chapter.notebook] = write_notebook(notebook)
    return contents


def formatted_text(chapter: Chapter, notebook: NotebookNode, starts: list[int]) -> str:
    """The text with its exported cells formatted and marked."""
    lines = chapter.text.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    cells = list(zip(code_cells(notebook), starts, strict=True))
    for cell, start in reversed(cells):  # so that the lines above stay
        if {"export", "export-imports"} & set(tags(cell)):
            code = ruff(["format"], cell.source).rstrip("\n")
            if "export" in tags(cell) and not FOLDED & set(tags(cell)):
                code = package_line(chapter) + code.removeprefix(package_line(chapter))
            lines[start - 1 : start - 1 + len(cell.source.split("\n"))] = code.split("\n")
    return "\n".join(lines) + "\n"


def keep_ignored_outputs(new: NotebookNode, old: NotebookNode) -> None:
    """Keep the old outputs of cells whose output is ignored, where nothing else changed.

    A timing differs with every run; without this, syncing an unchanged chapter would never give an empty
    diff.
    """
    pairs = list(zip(code_cells(new), code_cells(old), strict=False))
    compared = [(a, b) for a, b in pairs if IGNORED not in tags(a)]
    same_code = [cell.source for cell in code_cells(new)] == [cell.source for cell in code_cells(old)]
    if same_code and all(a.outputs == b.outputs for a, b in compared):
        for a, b in pairs:
            if IGNORED in tags(a) and b.outputs:
                a.outputs = b.outputs


def keep_outputs(new: NotebookNode, old: NotebookNode, chapter: Chapter) -> None:
    """Take every output from old.

    Raises:
        BookError: If any code differs.
    """
    if [cell.source for cell in code_cells(new)] != [cell.source for cell in code_cells(old)]:
        place = f"chapters/{chapter.notebook.name}"
        raise BookError(f"{place}: its code differs from the text's; carry it over, sync without --prose")
    for a, b in zip(code_cells(new), code_cells(old), strict=True):
        a.outputs = b.outputs
        a.execution_count = b.execution_count


def check_models(chapter: Chapter, notebook: NotebookNode) -> None:
    """Check that the models which a chapter runs are installed.

    Raises:
        BookError: If a cell is tagged with the name of a model that is not installed.
    """
    for cell in code_cells(notebook):
        for name in set(tags(cell)) & set(INSTALLABLE):
            if not is_installed(name):
                raise BookError(f"{chapter.name} has cells that run {name}: {install_hint(name)}")


def sync_chapter(book: Book, chapter: Chapter, run: bool = True) -> str:
    """Make a chapter's notebook and module from its text.

    The text wins over a notebook that was edited. The text is formatted and the module is written first,
    because the exercises may import a name that is new in the module.

    Args:
        book: The course.
        chapter: The chapter.
        run: Whether to run the cells. False keeps the outputs that the notebook has, for when only prose
            changed.

    Returns:
        A line that says what changed.

    Raises:
        CellFailed: If a cell fails. The notebook then stays as it was.
        BookError: If a cell cannot be exported. Every file then stays as it was. Also if run is False and
            code changed.
    """
    hidden = hidden_by(book, chapter.module) if chapter.module else None
    if hidden:
        raise BookError(f"{chapter.name}: its module would overwrite or hide {hidden}; name it otherwise")
    try:
        old = read_notebook(chapter.notebook)
    except BookError:
        if not run:
            raise
        old = None  # missing or damaged: this makes it anew
    notebook, starts = make_notebook(book, chapter, old)
    export(chapter, notebook)  # what cannot be exported need not be formatted
    if run:
        check_models(chapter, notebook)
    text = formatted_text(chapter, notebook, starts)
    changed = replace_files({chapter.text: text.encode("utf-8")})
    notebook, starts = make_notebook(book, chapter, old)
    ran = "not run, outputs kept"
    if not run:
        keep_outputs(notebook, old, chapter)
    contents = chapter_files(chapter, notebook)
    del contents[chapter.notebook]
    changed += replace_files(contents)
    if run:
        seconds = execute(chapter, notebook, starts)
        ran = f"ran in {seconds:.1f} s of {chapter.seconds}"
        if seconds > chapter.seconds:
            ran += " (OVER ITS BUDGET)"
        if old is not None:
            keep_ignored_outputs(notebook, old)
    changed += replace_files({chapter.notebook: write_notebook(notebook)})
    names = ", ".join(book.relative(path) for path in changed)
    return f"{chapter.name}: {ran}; wrote {names or 'nothing, all as it was'}"


def sync(book: Book, keys: Iterable[str] = (), run: bool = True) -> None:
    """Sync the chapters named by keys (all without any), in the order of the book; print a line for each.

    What follows from a chapter elsewhere is made anew: the links to it in the other notebooks, and the files
    of `companion.book.overviews`, among them the ladder, which later chapters draw.
    """
    names = {book.find(key).name for key in keys} or {chapter.name for chapter in book.chapters}
    for chapter in book.chapters:
        if chapter.name in names:
            print(sync_chapter(book, chapter, run), flush=True)
            for path in replace_files(relinked(book) | overview_files(book)):
                print(f"wrote {book.relative(path)}")


def relinked(book: Book) -> dict[Path, bytes]:
    """Each notebook with its links to the chapters before and after as these are now."""
    files = {}
    for chapter in book.chapters:
        try:
            old = read_notebook(chapter.notebook)
        except BookError:
            continue  # missing or damaged, which `check` says
        notebook = without_navigation(copy.deepcopy(old))
        add_navigation(notebook, book, chapter)
        keep_ids(notebook, old)
        files[chapter.notebook] = write_notebook(notebook)
    return files
