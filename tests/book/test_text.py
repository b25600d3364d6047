"""Texts, cells, ids and headings."""

import re

import nbformat
import pytest

from companion.book.__main__ import main
from companion.book.text import headings, keep_ids, read_text

HEADER = "---\nkernelspec: {name: python3, display_name: Python 3, language: python}\n---\n"


def notebook_of(sources, cells=("code",)):
    kinds = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    return nbformat.v4.new_notebook(cells=[kinds[cells[i % len(cells)]](s) for i, s in enumerate(sources)])


def ids(notebook):
    return [cell.id for cell in notebook.cells]


def test_each_cell_knows_its_line(tmp_path):
    path = tmp_path / "x.md"
    path.write_text(
        HEADER + "\n# Title\n\n```{code-cell} ipython3\nx = 1\n```\n\n"
        "```{code-cell} ipython3\n:tags: [export]\n\ny = 2\n```\n"
        "```{code-cell} ipython3\n---\nmystnb: {image: {alt: y = 3}}\n---\ny = 3\n```\n+++\n\nEnd.\n",
        encoding="utf-8",
    )
    notebook, starts = read_text(path)
    lines = path.read_text().splitlines()
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code", "code", "markdown"]
    assert [lines[start - 1] for start in starts] == ["x = 1", "y = 2", "y = 3"]
    assert notebook.cells[3].metadata.mystnb.image.alt == "y = 3"


def test_an_equal_cell_keeps_its_id_and_an_edited_one_that_of_its_place():
    old = notebook_of(["a", "b", "c", "d"])
    new = notebook_of(["new", "a", "b, edited", "c", "d", "last"])
    keep_ids(new, old)
    assert ids(new)[1:5] == ids(old)
    assert len(set(ids(new))) == 6


def test_new_ids_depend_on_the_content_alone():
    one, two = notebook_of(["a", "a", "b"]), notebook_of(["a", "a", "b"])
    for notebook in (one, two):
        keep_ids(notebook, None)
    assert ids(one) == ids(two) and len(set(ids(one))) == 3


FOLDED = {"source_hidden": True}


@pytest.mark.parametrize(
    "tag, metadata",
    [
        ("hide-cell", FOLDED),
        ("hide-input", FOLDED),
        ("solution", FOLDED | {"outputs_hidden": True}),
        ("export", None),
    ],
)
def test_a_folded_cell_is_folded_in_jupyterlab_too(tmp_path, tag, metadata):
    path = tmp_path / "x.md"
    path.write_text(HEADER + f"\n```{{code-cell}} ipython3\n:tags: [{tag}]\n# x\n```\n")
    (cell,) = read_text(path)[0].cells
    assert cell.metadata.get("jupyter") == metadata
    assert cell.metadata.get("collapsed", False) == (tag == "solution")


def test_headings_are_carried_forward_and_comments_in_code_are_none():
    code = "````python\n```\n# a comment\n```\n````\n"
    sources = ["text", f"# One\n\n{code}", "x", "#no heading\n## Two", f"{code}\n### Three\n\n{code}"]
    assert headings(notebook_of(sources, ("markdown",))) == ["", "One", "One", "Two", "Three"]


@pytest.mark.parametrize(
    "manifest, message",
    [
        (None, "book.toml is missing; run this in the repository's root"),
        ("", "book.toml: a block has no part; add it"),
        ('title = "x"\nrepository = ""\n[[part]]\n', "book.toml: a block has no title; add it"),
        ("title = 1 2", "book.toml cannot be read: .*; mend it"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_line(tmp_path, capsys, manifest, message):
    if manifest is not None:
        (tmp_path / "book.toml").write_text(manifest)
    assert main(["--root", str(tmp_path), "check"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line


@pytest.mark.parametrize("key", ["1", "averages", "chapters/text/01_averages.md"])
def test_a_chapter_is_found_by_any_of_its_names(book, key):
    assert book.find(key).name == "01_averages"


def test_a_byte_order_mark_is_no_part_of_the_title(tmp_path):
    path = tmp_path / "x.md"
    path.write_text("# Title\n", encoding="utf-8-sig")
    assert headings(read_text(path)[0]) == ["Title"]
