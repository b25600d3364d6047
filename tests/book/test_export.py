"""What may be exported, and what the module looks like."""

import importlib.util

import nbformat
import pytest

from companion.book import BookError
from companion.book.export import defined_names, export
from companion.book.manifest import Chapter

UNFIT_CELLS = [
    ["export", "%timeit f()\nx = 1", "an exported cell is not Python: %timeit f\\(\\)"],
    ["export", "def f(:", "an exported cell is not Python: def f\\(:"],
    ["export", "import math", "an import in an exported cell: import math"],
    ["export", "x = 1\nprint(x)", "an exported cell may only define names: print\\(x\\)"],
    ["export", "Thing.method = f", "an exported cell may only define names: Thing.method = f"],
    ["export", "for i in range(3):\n    pass", "an exported cell may only define names"],
    ["export-imports", "import math\nx = 1", "no import, in a cell tagged export-imports: x = 1"],
]
"""A tag, a cell, and why it cannot be exported."""


def notebook_of(*cells):
    """A notebook of (tag, source) pairs, after a heading."""
    made = [nbformat.v4.new_markdown_cell("# A title")]
    made += [
        nbformat.v4.new_code_cell(source, metadata={"tags": [tag] if tag else []}) for tag, source in cells
    ]
    return nbformat.v4.new_notebook(cells=made)


def chapter(tmp_path, module="thing"):
    text = tmp_path / "chapters" / "text" / "01_thing.md"
    text.parent.mkdir(parents=True)
    text.write_text("# A title\n")
    return Chapter(tmp_path, 0, "01_thing", module, 60)


def test_a_module_holds_imports_public_names_and_cells_in_order(tmp_path):
    notebook = notebook_of(
        ("export-imports", "import os\nimport math"),
        ("export", "A, B = 1, 2\n\ndef area(r):\n    return math.pi * r * r"),
        ("", "print(area(1))"),
        ("export-imports", "from collections.abc import Iterable\nimport math"),
        ("export", "class _Hidden:\n    pass\n\nclass Thing(_Hidden):\n    home: str = os.sep\n\nC: int = 3"),
    )
    source = export(chapter(tmp_path), notebook)
    (path := tmp_path / "thing.py").write_text(source)
    spec = importlib.util.spec_from_file_location("thing", path)
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    assert module.__all__ == ["A", "B", "area", "Thing", "C"]
    assert module.__doc__.startswith("A title: the exported cells of chapters/01_thing.ipynb.")
    assert "Do not edit" in module.__doc__ and "chapters/text/01_thing.md" in module.__doc__
    assert module.area(2) == pytest.approx(12.566, abs=1e-3)
    imports = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert imports == ["import math", "import os", "from collections.abc import Iterable"]
    for cell in (notebook.cells[2], notebook.cells[5]):
        assert f"# Cell {cell.id}, under “A title”\n" in source
    assert "print" not in source


def test_the_code_is_verbatim_up_to_its_format(tmp_path):
    code = 'def f(x):\n    """A docstring."""\n    # a comment stays\n    return x  # so does this'
    assert code in export(chapter(tmp_path), notebook_of(("export", code)))


@pytest.mark.parametrize("tag, source, message", UNFIT_CELLS)
def test_a_cell_that_cannot_be_exported_is_named_with_its_reason(tmp_path, tag, source, message):
    notebook = notebook_of(("", "x = 0"), (tag, source))
    with pytest.raises(BookError, match=f"^01_thing, code cell 2: {message}"):
        export(chapter(tmp_path), notebook)


def test_a_name_is_defined_once(tmp_path):
    notebook = notebook_of(("export", "def f():\n    return 1"), ("export", "f = 2"))
    with pytest.raises(BookError, match="code cell 2: f is exported twice"):
        export(chapter(tmp_path), notebook)


def test_a_chapter_without_a_module_exports_nothing(tmp_path):
    start = chapter(tmp_path, module=None)
    assert export(start, notebook_of(("", "x = 1"))) is None
    with pytest.raises(BookError, match="has no module in book.toml"):
        export(start, notebook_of(("export", "x = 1")))


def test_names_of_every_kind_of_definition_are_found():
    source = "a = b = 1\n(c, d) = 2, 3\ne: int = 4\nasync def f(): ...\nclass G: ...\n@cache\ndef h(): ..."
    cell = nbformat.v4.new_code_cell(source)
    assert defined_names(cell) == ["a", "b", "c", "d", "e", "f", "G", "h"]
