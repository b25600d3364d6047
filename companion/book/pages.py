"""A chapter as a page of the web book: the notebook, with numbers, captions and links put in."""

import copy
import posixpath
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from companion.book.manifest import Book, Chapter
from companion.book.terms import Linker, Term
from companion.book.text import FENCED, FOLDED, NOTEBOOK_ONLY, blank_code, has_image, tags

BUILT = "What you built"
"""The section whose names lead to the package's pages."""
CHECKS = "# What the text "
"""So begins a cell that proves the numbers of the prose: for those who run the notebook."""
CAPTION = re.compile(r"\A\s*\*(?!\*)(?P<text>(?:[^*\n]|\*\*)+)\*[ \t]*(?:\n\s*\n|\n?\Z)")
PROMISE = re.compile(r"^\*(?P<promise>You will .+?)\*$", re.MULTILINE)
IMAGE = re.compile(r"!\[[^\]]*\]\((?P<path>(?![a-z]+:)[^)#\s]+)\)")
"""A picture that lies in the repository."""
LINK = re.compile(r"(?<=\]\()(?![a-z]+:)(?P<path>[^)#\s]+)(?=[)#])")
LOST = re.compile(r"!?\[(?P<label>(?:[^\[\]]|\[[^\[\]]*\])*)\]\(\0[^)]*\)")
"""A link that leads nowhere."""
REMOTE_IMAGE = re.compile(r"!\[([^\]]*)\]\(https?:[^)]*\)")
ANCHOR = re.compile(r"(?<=\]\()(?P<page>[\w.]*)#(?P<anchor>[^)\s]+)(?=\))")
CODE_NAME = re.compile(r"(?<!`)`(?P<name>[A-Za-z_]\w*)(?P<rest>\([^`]*\))?`(?!`)")


def outside_code(change, source: str) -> str:
    """Apply a change to a cell's Markdown, code blocks aside."""
    out = []
    position = 0
    for fence in FENCED.finditer(source):
        out += [change(source[position : fence.start()]), fence[0]]
        position = fence.end()
    return "".join([*out, change(source[position:])])


def sections(source: str) -> list[str]:
    """A cell's Markdown, cut before each heading of the second level."""
    starts = [found.start() for found in re.finditer("^## ", blank_code(source), re.MULTILINE)]
    return [source[start:end] for start, end in pairwise([0, *starts, len(source)])]


def guides(book: Book) -> list[Path]:
    """The pages of docs/, the one on installing first."""
    paths = (book.root / "docs").glob("*.md")
    return sorted(paths, key=lambda path: (path.stem != "installing", path.stem))


def pictures(source: str) -> list[str]:
    """The paths of the pictures that a text shows from the repository."""
    return [found["path"] for found in IMAGE.finditer(source)]


def page_links(source: str, book: Book, folder: str = "chapters") -> str:
    """Change links to what they are on the site.

    The map of the chapters is the cover. Files that are no page, such as tests and data, are in the
    repository; pictures stay. An anchor as JupyterLab writes it, `#What-you-built`, is `#what-you-built`
    here. Of a picture on another host, such as a badge, only the words are left. Without a repository, only
    the words are left of a link into it, too.

    Args:
        source: The text with the links.
        book: The course.
        folder: Folder of the file with the source, or "" for the root.
    """

    def address(found: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(folder, found["path"]))
        if path == "chapters/README.md":
            return "/index.md"
        is_chapter = path.startswith("chapters/") and path.endswith(".ipynb")
        is_guide = path.startswith("docs/") and path.endswith(".md")
        if is_chapter or is_guide or found.start() in shown:
            return found["path"]
        return f"{book.repository}/blob/main/{path}" if book.repository else "\0"

    def anchored(found: re.Match) -> str:
        anchor = re.sub(r"[^\w-]", "", unquote(found["anchor"])).lower()
        return f"{found['page']}#{anchor}"

    source = REMOTE_IMAGE.sub(r"\1", source)
    shown = {picture.start("path") for picture in IMAGE.finditer(source)}
    source = LOST.sub(r"\g<label>", LINK.sub(address, source))
    return ANCHOR.sub(anchored, source)


def number_figures(notebook: NotebookNode, chapter: Chapter) -> None:
    """Give each figure a number, its width in points and, from the italics below it, its caption."""
    figures = 0
    cells = notebook.cells
    for cell, below in zip(list(cells), [*cells[1:], None], strict=True):
        if cell.cell_type != "code" or not has_image(cell):
            continue
        figures += 1
        caption = f"**Figure {chapter.number}.{figures}**"
        found = CAPTION.match(below.source) if below is not None and below.cell_type == "markdown" else None
        if found:
            caption += f" {found['text']}"
            below.source = below.source[found.end() :]
        display = cell.metadata.setdefault("mystnb", NotebookNode())
        display["figure"] = {"caption": caption, "name": f"figure-{chapter.number}-{figures}"}
        for output in cell.outputs:
            for kind, size in output.get("metadata", {}).items():
                if kind.startswith("image/") and "width" in size:
                    display.setdefault("image", NotebookNode())["width"] = f"{size['width']}px"
    notebook.cells = [cell for cell in cells if cell.source.strip()]


def link_names(source: str, names: Iterable[str], module: str) -> str:
    """Link each of a module's names, where it stands in code, to its entry among the package's pages."""

    def linked(found: re.Match) -> str:
        if found["name"] not in names:
            return found[0]
        title = found["name"] + (found["rest"] or "")
        return f"{{py:obj}}`{title} <companion.{module}.{found['name']}>`"

    return CODE_NAME.sub(linked, source)


def fold(cell: NotebookNode) -> None:
    """Fold what is tagged so, under the comment that it begins with."""
    if FOLDED & set(tags(cell)):
        if "hide-input" not in tags(cell):  # else the page folds the code alone, and shows its figure
            cell.metadata["tags"] = [*(tag for tag in tags(cell) if tag != "hide-cell"), "hide-cell"]
        first = cell.source.lstrip().splitlines()[0]
        prompt = first.lstrip("# ").rstrip(".").replace("`", "") if first.startswith("#") else "Code"
        if "solution" in tags(cell):  # its explanation is folded just above
            prompt = f"In code: {prompt[:1].lower()}{prompt[1:]}"
        if "(" not in prompt.split()[0]:  # a call, such as tell(model), keeps its spelling
            prompt = prompt[:1].upper() + prompt[1:]
        cell.metadata.setdefault("mystnb", NotebookNode())["code_prompt_show"] = prompt
        cell.metadata["mystnb"]["code_prompt_hide"] = prompt


def is_check(cell: NotebookNode) -> bool:
    """Whether a cell only proves the numbers of the prose, and shows nothing."""
    return "hide-cell" in tags(cell) and cell.source.startswith(CHECKS) and not cell.outputs


def chapter_page(
    book: Book, chapter: Chapter, notebook: NotebookNode, terms: Iterable[Term], names: Iterable[str]
) -> NotebookNode:
    """A chapter's notebook as the web book shows it. The notebook itself is left alone.

    Args:
        book: The course.
        chapter: The chapter.
        notebook: The chapter's notebook.
        terms: The terms of the glossary, to link.
        names: What the chapter's module exports, for the links from "What you built".
    """
    page = copy.deepcopy(notebook)
    page.cells = [cell for cell in page.cells if not (NOTEBOOK_ONLY in tags(cell) or is_check(cell))]
    number_figures(page, chapter)
    linker = Linker(terms, chapter)
    built = False
    for cell in page.cells:
        if cell.cell_type == "code":
            fold(cell)
            continue
        parts = []
        for part in sections(outside_code(lambda text: page_links(text, book), cell.source)):
            if part.startswith("## "):
                built = part.startswith(f"## {BUILT}\n")
            if built:
                part = outside_code(lambda text: link_names(text, names, chapter.module), part)
            else:
                part = linker.link(part)
            parts.append(part)
        cell.source = "".join(parts)
    head = next(cell for cell in page.cells if cell.cell_type == "markdown")
    head.source = re.sub(r"^# +", f"# {chapter.number}. ", head.source, count=1, flags=re.MULTILINE)
    if chapter.module:
        where = f"It builds {{doc}}`companion.{chapter.module} </api/{chapter.module}>`."
        place = next((i for i, cell in enumerate(page.cells) if PROMISE.search(cell.source)), None)
        if place is None:
            page.cells.insert(page.cells.index(head) + 1, new_markdown_cell(where))
        else:
            page.cells[place].source = PROMISE.sub(
                lambda found: f"{found[0]} {where}", page.cells[place].source, count=1
            )
    return page
