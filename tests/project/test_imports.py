"""Who imports whom, read by grimp, the graph of import-linter; and what is imported at the start."""

import graphlib
import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from companion.book.manifest import Book

ROOT = Path(__file__).parents[2]
GRAPH = grimp.build_graph("companion")
CHAPTERS = [chapter.module for chapter in Book.read(ROOT).chapters if chapter.module]
LAYERS = [
    {"book", "cli", "exercises"},
    {"serve"},
    {"models"},
    *({module} for module in reversed(CHAPTERS)),
    {"show"},
    {"runtime"},
    {"village"},
]


def test_no_module_imports_from_a_higher_layer():
    layers = [grimp.Layer(*names, independent=False) for names in LAYERS]
    found = GRAPH.find_illegal_dependencies_for_layers(layers, containers={"companion"})
    assert [f"{dependency.importer} imports {dependency.imported}" for dependency in found] == []


def test_every_module_of_the_package_stands_in_a_layer():
    names = {module.split(".")[1] for module in GRAPH.modules - {"companion"}}
    assert names - {"__main__"} == set.union(*LAYERS)


def test_no_import_goes_in_a_circle():
    packages = {"companion", "companion.exercises"}  # each imports its modules on use
    graph = {
        module: GRAPH.find_modules_directly_imported_by(module) - packages
        for module in GRAPH.modules - packages
    }
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the circle


def run(code, **environment):
    """What a fresh process prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment or None, capture_output=True, text=True).stdout


def test_importing_the_package_imports_no_chapter_and_the_village_no_torch():
    code = "import sys, companion, companion.village as v; v.story; list(companion.BUILDERS)"
    printed = run(f"{code}; print(*sys.modules)").split()
    assert {name.split(".")[1] for name in printed if name.startswith("companion.")} == {"village"}
    assert "torch" not in printed


def test_the_command_line_is_read_before_torch_and_generate_needs_no_matplotlib():
    """Torch takes two seconds, and reads some of its settings, such as what it warns of, only as it comes."""
    assert run("import sys, companion.cli; print('torch' in sys.modules)") == "False\n"
    assert run("import sys, companion.cli.generate; print('matplotlib' in sys.modules)") == "False\n"


@pytest.mark.parametrize(("own", "found"), [(None, "3000"), ("77", "77")])
def test_the_reader_may_set_how_long_threads_spin(own, found):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    if own:
        environment["GOMP_SPINCOUNT"] = own
    code = "import os, sys, companion; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    assert run(code, **environment) == f"{found} False\n"
