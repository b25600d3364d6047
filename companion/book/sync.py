"""From an edited text to a finished chapter: notebook, module and rungs."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from nbformat import NotebookNode

from companion.book import BookError
from companion.book.course_map import course_map, map_file, with_chapters
from companion.book.execute import execute
from companion.book.export import export, format_code, package_line
from companion.book.ladder import ladder_file, printed_rungs, read_ladder, write_ladder
from companion.book.manifest import Book, Chapter, hidden_by, replace_files
from companion.book.terms import glossary_file, glossary_rows
from companion.book.text import (
    FOLDED,
    add_navigation,
    code_cells,
    is_navigation,
    keep_ids,
    read_notebook,
    read_text,
    tags,
    write_notebook,
)
from companion.runtime.storage.hub import INSTALLABLE, install_hint, is_installed

IGNORED = "nbval-ignore-output"


def formatted_text(chapter: Chapter, notebook: NotebookNode, starts: list[int]) -> str:
    """The text with its exported cells formatted and marked; changes the notebook's in the same way.

    starts: the line on which each cell's source begins, from 1, in the text as it is.
    """
    lines = chapter.text.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    for cell, start in reversed(list(zip(notebook.cells, starts, strict=True))):  # so that lines above stay
        if cell.cell_type == "code" and {"export", "export-imports"} & set(tags(cell)):
            end = start - 1 + len(cell.source.split("\n"))
            cell.source = format_code(cell.source)
            if "export" in tags(cell) and not FOLDED & set(tags(cell)):
                line = package_line(chapter)
                cell.source = line + cell.source.removeprefix(line)
            lines[start - 1 : end] = cell.source.split("\n")
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


def keep_outputs(new: NotebookNode, old: NotebookNode | None, chapter: Chapter) -> None:
    """Take every output from old. Raises BookError where any code differs."""
    if old is None or [cell.source for cell in code_cells(new)] != [cell.source for cell in code_cells(old)]:
        raise BookError(
            f"{chapter.name}: code differs from the notebook's, so no output is kept; sync without --prose"
        )
    new.metadata = old.metadata
    for a, b in zip(code_cells(new), code_cells(old), strict=True):
        a.outputs, a.execution_count = b.outputs, b.execution_count


def check_models(chapter: Chapter, notebook: NotebookNode) -> None:
    """Raises BookError where a cell is tagged with the name of a model that is not installed."""
    tagged = {tag for cell in code_cells(notebook) for tag in tags(cell)}
    for name in sorted(tagged & set(INSTALLABLE)):
        if not is_installed(name):
            raise BookError(f"{chapter.name} has cells that run {name}: {install_hint(name)}")


@contextmanager
def new_module(book: Book, chapter: Chapter, notebook: NotebookNode) -> Iterator[list[Path]]:
    """Write a chapter's module before its run: the exercises may import a name that is new in it.

    Whatever ends the run early, the module is as it was; a kill leaves it new and whole, and `check` tells.
    """
    module: Path | None = chapter.module_file
    if module is None:
        yield []
        return
    old = module.read_bytes() if module.exists() else None
    changed = replace_files(book.root, {module: export(chapter, notebook).encode("utf-8")})
    try:
        yield changed
    except BaseException:
        if old is None:
            module.unlink(missing_ok=True)
        else:
            replace_files(book.root, {module: old})
        raise


def sync_chapter(book: Book, chapter: Chapter, run: bool = True) -> str:
    """Make a chapter's notebook, module and rungs from its text, and return a line that says what changed.

    The text wins over a notebook that was edited. Only the module is written before the run, and put back
    where that fails: where a cell fails (CellFailed) or cannot be exported (BookError), every file is as it
    was.

    run: False keeps the outputs that the notebook has, for when only prose changed; BookError where code
    changed.
    """
    if chapter.module and (hidden := hidden_by(book, chapter.module)):
        raise BookError(f"{chapter.name}: its module would overwrite or hide {hidden}; name it otherwise")
    original = chapter.text.read_bytes() if chapter.text.exists() else b""
    notebook, starts = read_text(chapter.text)
    add_navigation(notebook, starts, book, chapter)
    try:
        old = read_notebook(chapter.notebook)
    except BookError:
        old = None  # missing or damaged: this makes it anew
    keep_ids(notebook, old)
    export(chapter, notebook)  # before the run: what cannot be exported need not be run
    if run:
        check_models(chapter, notebook)
    text = formatted_text(chapter, notebook, starts)
    export(chapter, notebook)  # the limits hold for the formatted code
    contents: dict[Path, bytes] = {}
    around: AbstractContextManager = new_module(book, chapter, notebook) if run else nullcontext([])
    with around as changed:
        if run:
            seconds = execute(chapter, notebook, starts)
            if old is not None:
                keep_ignored_outputs(notebook, old)
            ran = f"ran in {seconds:.1f} s of {chapter.seconds}"
            if seconds > chapter.seconds:
                ran += " (OVER ITS BUDGET)"
        else:
            keep_outputs(notebook, old, chapter)
            ran = "not run, outputs kept"
        rungs = printed_rungs(notebook)
        if rungs or chapter.name in read_ladder(book):
            contents[ladder_file(book)] = write_ladder(book, chapter.name, rungs)
        contents[chapter.notebook] = write_notebook(notebook)
    if chapter.text.read_bytes() == original:
        contents = {chapter.text: text.encode("utf-8"), **contents}
    else:
        ran += ", while its text was edited (sync again)"
    if chapter.module_file:
        contents = {chapter.module_file: export(chapter, notebook).encode("utf-8"), **contents}
    changed = [book.relative(path) for path in [*changed, *replace_files(book.root, contents)]]
    return f"{chapter.name}: {ran}; wrote {', '.join(changed) or 'nothing, all as it was'}"


def sync(book: Book, keys: Iterable[str] = (), run: bool = True) -> None:
    """Sync the chapters named by keys (all without any), in the order of the book; print a line for each.

    What follows from a chapter elsewhere is made anew: the links to it in the notebooks beside it, its row in
    README's table, and the map of the course and the glossary where they are there.
    """
    names = {book.find(key).name for key in keys} or {chapter.name for chapter in book.chapters}
    for chapter in book.chapters:
        if chapter.name in names:
            print(sync_chapter(book, chapter, run), flush=True)
    around = relink_neighbours(book, names)
    readme = book.root / "README.md"
    if readme.exists():
        around[readme] = with_chapters(book, readme.read_text(encoding="utf-8")).encode("utf-8")
    written = replace_files(book.root, around)
    if map_file(book).exists():
        written += replace_files(book.root, {map_file(book): course_map(book).encode("utf-8")})
    if glossary_file(book).exists():
        written += replace_files(book.root, {glossary_file(book): glossary_rows(book).encode("utf-8")})
    for path in written:
        print(f"wrote {book.relative(path)}")


def relink_neighbours(book: Book, names: set[str]) -> dict[Path, bytes]:
    """{notebook: its content} for those beside the chapters with these names; only their links are new."""
    files: dict[Path, bytes] = {}
    for chapter in book.chapters:
        beside = book.chapters[max(0, chapter.position - 1) : chapter.position + 2]
        if chapter.name in names or not names & {other.name for other in beside}:
            continue
        try:
            old, notebook = read_notebook(chapter.notebook), read_notebook(chapter.notebook)
        except BookError:
            continue  # missing or damaged, which `check` says
        notebook.cells = [cell for cell in notebook.cells if not is_navigation(cell)]
        add_navigation(notebook, [1] * len(notebook.cells), book, chapter)
        keep_ids(notebook, old)
        files[chapter.notebook] = write_notebook(notebook)
    return files
