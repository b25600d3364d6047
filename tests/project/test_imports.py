"""Who imports whom: read from every file of the package, and from packages with planted violations."""

import ast
import graphlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.cases import cases, texts

import companion
from companion.book.imports import CHAPTERS, ROOMS, TOP, imported, package_problems, parse_code, targets
from companion.book.manifest import GENERATED, Book

TEXTS = texts(__file__)

CASES = cases(__file__)

ROOT = Path(companion.__file__).parents[1]
BOOK = Book.read(ROOT)
MODULES = [chapter.module for chapter in BOOK.chapters if chapter.module]


def test_no_import_of_the_package_runs_upward():
    assert [f"{BOOK.relative(path)}: {problem}" for path, problem in package_problems(BOOK)] == []


def test_the_package_is_laid_out_as_the_design_says():
    top = {path.name for path in (ROOT / "companion").glob("*.py")}
    assert top == TOP | {f"{module}.py" for module in MODULES}
    folders = {path.parent.name for path in (ROOT / "companion").glob("*/__init__.py")}
    assert folders <= set(ROOMS) and not folders & set(MODULES)


def allowed(path):
    """What a file may import, written down once more: from the design, not from the machinery."""
    parts = path.relative_to(ROOT / "companion").parts
    if len(parts) == 1 and path.stem in MODULES:
        return {*MODULES[: MODULES.index(path.stem)], "village", "runtime", "show"}
    if len(parts) == 1:
        root = {"load", "BUILDERS"}  # what stands in companion/__init__.py
        command_line = {*MODULES, *root, "commands", "village", "runtime", "show", "book"}
        return {"cli.py": command_line, "__main__.py": {"cli"}}.get(path.name, {*MODULES, "runtime"})
    below = {
        "village": set(),
        "runtime": {"village"},
        "show": {"village", "runtime"},
        "exercises": {*MODULES, "village"},
        "serve": {*MODULES, "load", "BUILDERS", "village", "runtime", "show"},
        "commands": {*MODULES, "load", "BUILDERS", "village", "runtime", "show", "serve"},
    }
    return {parts[0]} | below.get(parts[0], {*MODULES, "village", "runtime", "show"})


def test_every_import_is_one_that_the_design_allows():
    files, seen = list((ROOT / "companion").rglob("*.py")), set()
    for path in files:
        package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
        for target in targets(ast.parse(path.read_text(encoding="utf-8")), package):
            assert target in allowed(path), f"{path.relative_to(ROOT)} imports companion.{target}"
            seen.add(target)
    notebooks_alone = {"inside", "encoders"}  # chapter 15's takes the first; an appendix
    assert len(files) > 80
    assert {"village", "runtime", "show", *MODULES[:-1]} - seen == notebooks_alone


def test_importing_the_package_imports_no_chapter_and_the_village_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, companion, companion.village as v; v.story; print(sorted(n for n in sys.modules if n))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    modules = set(ast.literal_eval(result.stdout))
    ours = {name.split(".")[1] for name in modules if name.startswith("companion.")}
    assert ours == {"village"} and "torch" not in modules


def test_the_command_line_is_read_before_torch_is_imported():
    """Torch takes two seconds, and reads some of its settings, such as what it warns of, only as it comes."""
    import subprocess
    import sys

    code = "import sys, companion.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_importing_a_model_does_not_import_the_compiler():
    """PyTorch's compiler takes a second or two to import, which every command and kernel would pay."""
    code = (
        "import sys, companion.gpt, companion.training;"
        "sys.exit(any(name in sys.modules for name in ('torch._dynamo', 'torch._inductor')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# ---- planted violations -----------------------------------------------------------------------------------

MANIFEST = TEXTS["MANIFEST"]


def problems(root, files, first="first"):
    """What is found in a package of two chapters with these files, {path: source}."""
    (root / "book.toml").write_text(MANIFEST.format(first=first))
    for name, source in ({"__init__.py": "", f"{first}.py": "", "second.py": ""} | files).items():
        path = root / "companion" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f'"""{GENERATED}`."""\n' if name in ("first.py", "second.py") else ""
        path.write_text(head + source)
    book = Book.read(root)
    return [
        (book.relative(path).removeprefix("companion/"), problem) for path, problem in package_problems(book)
    ]


FINE = CASES["fine"]


def test_a_package_as_it_should_be_has_no_problems(tmp_path):
    assert problems(tmp_path, FINE) == []


@pytest.mark.parametrize("name", CASES["planted"])
def test_a_planted_violation_is_found(tmp_path, name):
    file, source, words = CASES["planted"][name]
    found = problems(tmp_path, FINE | {file: source + "\n"})
    assert [where for where, _ in found] == [file]
    assert words in found[0][1]


@pytest.mark.parametrize("module", [*ROOMS, "cli"])
def test_no_chapter_is_named_like_a_folder_or_the_command_line(tmp_path, module):
    found = problems(tmp_path, {}, first=module)
    assert found[0] == (
        "book.toml",
        f"01_first: a module called {module!r} would hide companion/{module}; choose another name",
    )


def test_relative_imports_are_read_from_where_the_file_stands():
    tree = ast.parse("from . import a\nfrom .b import c\nfrom .. import d\nfrom ..e import f\nimport g\n")
    assert list(imported(tree, "companion.show")) == [
        ("companion.show", "a"),
        ("companion.show.b", "c"),
        ("companion", "d"),
        ("companion.e", "f"),
        ("g", None),
    ]
    assert CHAPTERS not in ROOMS["show"] and CHAPTERS in ROOMS["book"]


@pytest.mark.parametrize(("own", "found"), [(None, "3000"), ("77", "77")])
def test_threads_are_told_how_long_to_wait_awake_unless_the_reader_has_said_so(own, found):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    if own:
        environment["GOMP_SPINCOUNT"] = own
    code = "import os, sys, companion; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT).stdout
    assert said.split() == [found, "False"]


def modules_of_the_package():
    """{dotted name: path} of every module in companion."""
    found = {}
    for path in (ROOT / "companion").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def test_no_import_goes_in_a_circle():
    modules = modules_of_the_package()
    graph = {}
    for name, path in modules.items():
        seen = imported(parse_code(path.read_text(encoding="utf-8")), name.rpartition(".")[0])
        wanted = {f"{module}.{what}" if f"{module}.{what}" in modules else module for module, what in seen}
        graph[name] = wanted & set(modules) - {name, "companion", "companion.exercises"}
    # Tokenizer.load imports this kind of tokenizer on use, by import_module: see there.
    graph["companion.runtime.text.tokenizer"].remove("companion.runtime.text.hugging_face")
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_a_name_of_a_file_means_one_thing():
    paths = [
        path for path in modules_of_the_package().values() if "commands" not in path.parts
    ]  # named as typed
    stems = Counter(path.stem for path in paths)
    shared = {stem for stem, n in stems.items() if n > 1} - {"__init__", "__main__"}
    assert not shared
