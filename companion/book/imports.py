"""Who may import what: module n of the book only modules before n, by explicit name, and no room looks up.

From the bottom: `village` imports nothing else of the package; then come `runtime`, `show`, and the chapters'
modules in the order of the book. Above them stand the exercises' checks, the server, this machinery and the
command line, `cli.py` and its `commands`, which nothing below imports. `companion/__init__.py` composes them,
each import on use.
"""

import ast
from collections.abc import Iterator, Set
from pathlib import Path

from companion.book.manifest import GENERATED, Book, Chapter

OPEN_TO_CHAPTERS = {"runtime", "show", "village"}
CHAPTERS = "the chapters' modules"
ROOMS: dict[str, set[str]] = {
    "village": set(),
    "runtime": {"village"},
    "show": {"village", "runtime"},
    "exercises": {"village", CHAPTERS},  # a check uses no chapter later than its own: its test says so
    "serve": {*OPEN_TO_CHAPTERS, CHAPTERS, "load", "BUILDERS"},  # commands and chapter 20's cells import it
    "book": {*OPEN_TO_CHAPTERS, CHAPTERS},
    "commands": {*OPEN_TO_CHAPTERS, CHAPTERS, "serve", "load", "BUILDERS"},  # which cli.py alone imports
}
"""The folders of the package, and what of it each may import besides itself."""

TOP = {"__init__.py", "__main__.py", "cli.py"}
"""What stands beside the chapters' modules."""

PEERS = {"accelerate", "datasets", "huggingface_hub", "jax", "keras", "lightning", "litgpt", "lm_eval"}
PEERS |= {"sentencepiece", "tensorflow", "tokenizers", "transformers"}
"""Other people's tokenizers and models: tests may compare with them, the course builds its own."""
LENT = {"runtime": {"datasets", "huggingface_hub", "jinja2", "lm_eval", "tokenizers", "transformers"}}
"""What a room may import all the same, in its functions alone: whoever lacks it misses nothing else."""


def parse_code(source: str) -> ast.Module | None:
    """The syntax tree of a notebook's cell, its magics left out; None where it is not Python."""
    lines = source.split("\n")
    for i, line in enumerate(lines):
        if line.lstrip().startswith(("%", "!")):
            lines[i] = line[: len(line) - len(line.lstrip())] + "pass"
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return None


def imported(tree: ast.AST, package: str = "companion") -> Iterator[tuple[str, str | None]]:
    """Each import as (module, name), name None for a plain `import module`.

    Relative ones are made absolute: package is where the file stands. So are those by `import_module("…")`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if node.level else []
            module = ".".join([*parts[: len(parts) + 1 - node.level], *filter(None, [node.module])])
            yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = ast.unparse(node.func).split(".")[-1]
            if function in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value, None


def from_package(tree: ast.Module) -> set[str]:
    """The names that a tree imports from the package."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in nodes if node.level or (node.module or "").split(".")[0] == "companion"]
    return {alias.asname or alias.name for node in ours for alias in node.names}


def patched(tree: ast.Module) -> Iterator[str]:
    """The attributes that a tree assigns on something imported from the package, such as GPT.forward."""
    ours = from_package(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if ast.unparse(node).split(".")[0] in ours:
                yield ast.unparse(node)


def outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements of a tree that run when it is imported."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield node
                waiting.append(node)


def common_problems(tree: ast.Module, lent: Set[str] = frozenset()) -> Iterator[str]:
    """What no file of the package and no notebook may import or patch.

    lent: libraries that this one may import in its functions.
    """
    at_once = [node for node in outside_functions(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for module, _ in imported(ast.Module(at_once, [])):
        if (top := module.split(".")[0]) in lent:
            yield f"imports {top} at once; import it in the function that needs it"
    for module, name in imported(tree):
        top = module.split(".")[0]
        if name == "*":
            yield f"star import from {module}; import each name"
        if top in PEERS - lent:
            yield f"imports {top}; peers belong into tests"
        if top in ("chapters", "tests"):
            yield f"imports from {top}; nothing may depend on it"


def chapter_problems(
    tree: ast.Module, book: Book, chapter: Chapter, also: Set[str] = frozenset()
) -> Iterator[str]:
    """What a chapter's notebook or module imports against the order of the book.

    also: what else of the package is open. A chapter without a module stands outside the order.
    """
    if chapter.module is None:
        return
    modules = [c.module for c in book.chapters]
    earlier = {c.module for c in book.chapters[: chapter.position] if c.module}
    for module, name in imported(tree):
        parts = module.split(".")
        if parts[0] != "companion":
            continue
        target = parts[1] if len(parts) > 1 else name
        if target in also:
            continue
        if target is None:
            yield "`import companion`; import names from the module that defines them"
        elif target == chapter.module:
            yield f"imports its own module, companion.{target}; its cells define these names"
        elif target in modules and target not in earlier:
            yield f"forward import of companion.{target}; use earlier modules only"
        elif target not in earlier | OPEN_TO_CHAPTERS:
            known = ", ".join(sorted(OPEN_TO_CHAPTERS))
            yield f"imports companion.{target}; chapters may use earlier modules, {known}"


def targets(tree: ast.AST, package: str = "companion") -> Iterator[str]:
    """What a tree imports of the package: "gpt" for `from companion.gpt import …`; "" for all of it."""
    for module, name in imported(tree, package):
        parts = module.split(".")
        if parts[0] == "companion":
            yield parts[1] if len(parts) > 1 else name or ""


def room_problems(tree: ast.Module, book: Book, path: Path) -> Iterator[str]:
    """What a file in a folder of the package imports from further up."""
    parts = path.relative_to(book.root).with_suffix("").parts
    room = parts[1]
    if room not in ROOMS:
        yield f"stands in companion/{room}, which is no room of the package; known: {', '.join(ROOMS)}"
        return
    modules = {chapter.module for chapter in book.chapters if chapter.module}
    known = ROOMS[room] | {room} | (modules if CHAPTERS in ROOMS[room] else set())
    may = ", ".join(sorted(ROOMS[room])) or "nothing else of the package"
    for target in targets(tree, ".".join(parts[:-1])):
        if target not in known:
            yield f"imports companion{target and '.'}{target}; {room} may import {may}"


def top_problems(tree: ast.Module, book: Book, path: Path) -> Iterator[str]:
    """What is wrong with a hand-written file at the package's top."""
    if path.name not in TOP:
        yield f"stands beside the chapters' modules; move it into one of {', '.join(ROOMS)}"
    if path.name == "__init__.py":
        for node in tree.body:
            for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            found = [] if for_types or isinstance(node, ast.FunctionDef) else targets(node)
            yield from (f"imports companion.{target} at once; import it where it is used" for target in found)


def hidden_by(book: Book, module: str) -> str | None:
    """What a chapter's module of this name would hide or overwrite, None for nothing."""
    if module in ROOMS or f"{module}.py" in TOP:
        return f"companion/{module}"
    file = book.root / "companion" / f"{module}.py"
    if file.with_suffix("").is_dir():
        return f"{book.relative(file.with_suffix(''))}/"
    if file.exists() and GENERATED not in file.read_text(encoding="utf-8", errors="replace"):
        return f"{book.relative(file)}, which was written by hand"
    return None


def name_problems(book: Book) -> Iterator[tuple[Path, str]]:
    """Chapters whose module is called like a folder, or like a file that is not theirs."""
    for chapter in book.chapters:
        if chapter.module and (hidden := hidden_by(book, chapter.module)):
            yield (
                book.root / "book.toml",
                f"{chapter.name}: a module called {chapter.module!r} would hide {hidden}; "
                "choose another name",
            )


def package_problems(book: Book) -> Iterator[tuple[Path, str]]:
    """Problems of every Python file in the package, as (file, problem)."""
    yield from name_problems(book)
    by_file = {chapter.module_file: chapter for chapter in book.chapters if chapter.module}
    for path in sorted((book.root / "companion").rglob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            yield path, f"not Python ({error.msg}, line {error.lineno}); mend it"
            continue
        room = path.relative_to(book.root).parts[1]
        found = [*common_problems(tree, LENT.get(room, frozenset()))]
        found += [f"patches {target}; build what differs from parts" for target in patched(tree)]
        if path in by_file:
            found += chapter_problems(tree, book, by_file[path])
        elif path.parent == book.root / "companion":
            found += top_problems(tree, book, path)
        else:
            found += room_problems(tree, book, path)
        yield from ((path, problem) for problem in dict.fromkeys(found))
