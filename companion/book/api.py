"""The pages of the package's names, made from its docstrings: read as source, nothing is imported."""

import ast
import copy
import inspect
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from companion.book.imports import OPEN_TO_CHAPTERS
from companion.book.manifest import Book, Chapter

CELL = re.compile(r"^# Cell \w+, under “(.+)”$")
ENTRY = re.compile(r"^(?P<names>[a-z_]\w*(?:, \w+)*): (?P<text>.*)$")
LAST = re.compile(r"(?:Raises|Returns|Controls:|Source:|Source of) ?")
"""How a line or sentence begins that belongs to no argument any more."""
BREAK = re.compile(rf"\n|(?<=[.;]) (?=[a-z_]\w*(?:, \w+)*: |{LAST.pattern})")
"""Where a line ends, or a sentence after which an argument's begins, or one that belongs to no argument."""


def modules(book: Book) -> dict[str, Chapter | None]:
    """The modules that have a page, in the book's order, each with the chapter that builds it.

    After them come those of the folders that chapters may use, and a folder itself where it has names.
    """
    built = [chapter for chapter in book.chapters if chapter.module and chapter.module_file.exists()]
    named: dict[str, Chapter | None] = {chapter.module: chapter for chapter in built}
    for name in sorted(OPEN_TO_CHAPTERS):
        folder = book.root / "companion" / name
        if (folder / "__init__.py").exists() and public_names(tree_of(book, name)):
            named[name] = None
        for path in sorted(folder.rglob("[!_]*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            named[".".join((name, *parts))] = None
    return named


def source_file(book: Book, module: str) -> Path:
    """The file of a module, named from the package on: "gpt", "show.plots"; of a folder, its __init__.py."""
    path = book.root.joinpath("companion", *module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def tree_of(book: Book, module: str) -> ast.Module:
    """The syntax tree of a module, which nobody may change: pages share it."""
    return parsed(source_file(book, module).read_text(encoding="utf-8"))


@cache
def parsed(text: str) -> ast.Module:
    """The syntax tree of a module's text."""
    return ast.parse(text)


def origin(book: Book, module: str, name: str) -> str | None:
    """The module of the package that defines a name which another has; None for a name from elsewhere."""
    tree = tree_of(book, module)
    if any(name in defined(node) for node in tree.body):
        return module
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("companion."):
            if name in [alias.asname or alias.name for alias in node.names]:
                return origin(book, node.module.removeprefix("companion."), name)
    return None


def re_exported(book: Book, module: str) -> Iterator[str]:
    """A list of the names that a module only passes on, each with the first line of its docstring.

    Their entries are on the page of the module that defines them.
    """
    own = {name for node in tree_of(book, module).body for name in defined(node)}
    for name in public_names(tree_of(book, module)):
        place = origin(book, module, name)
        if name not in own and place:
            node = next(n for n in tree_of(book, place).body if name in defined(n))
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else ""
            line = to_markdown((text or "").split("\n\n")[0]).replace("\n", " ")
            yield f"- {{py:obj}}`{name} <companion.{place}.{name}>`" + (f": {line}" if line else "")


def to_markdown(docstring: str | None) -> str:
    """A docstring as Markdown: "name: meaning" becomes an item of a list, indented lines stay code."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(docstring or "")):
        if block.startswith("    "):
            code = [*(line[4:] for line in block.splitlines()), "```", ""]
            if out[-2:] == ["```", ""]:  # it goes on after a blank line
                out[-2:] = ["", *code]
            else:
                out += ["```python", *code]
            continue
        for line in BREAK.split(re.sub(r"::$", ":", block)):
            line = re.sub(r"<(?=[A-Za-z/!])", r"\\<", line).strip()
            entry = ENTRY.match(line)
            if entry:
                names = ", ".join(f"`{name}`" for name in entry["names"].split(", "))
                if out and out[-1] and not out[-1].startswith(("- ", "  ")):
                    out.append("")
                out.append(f"- {names}: {entry['text']}".rstrip())
            else:
                within = out and out[-1].startswith(("- ", "  "))
                if within and LAST.match(line):
                    out.append("")
                    within = False
                out.append(f"  {line}" if within else line)
        out.append("")
    return "\n".join(out).strip()


def public_names(tree: ast.Module) -> list[str]:
    """A module's `__all__`, or the names that it defines without an underscore in front."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    names = [name for node in tree.body for name in defined(node)]
    return [name for name in names if not name.startswith("_")]


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement at a module's top level defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [ast.unparse(node.target)]
    if isinstance(node, ast.Assign):
        return [name for target in node.targets for name in ast.unparse(target).strip("()").split(", ")]
    return []


def signature(node: ast.FunctionDef, method: bool = False) -> str:
    """A function's arguments and what it returns, on one line; of a method, without its first argument."""
    arguments = copy.deepcopy(node.args)
    if method and not any(ast.unparse(d) == "staticmethod" for d in node.decorator_list):
        if arguments.posonlyargs:
            arguments.posonlyargs = arguments.posonlyargs[1:]
        else:
            arguments.args = arguments.args[1:]
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        argument.annotation = unquoted(argument.annotation)
    returns = f" -> {ast.unparse(unquoted(node.returns))}" if node.returns else ""
    return f"({ast.unparse(arguments)}){returns}"


def unquoted(annotation: ast.expr | None) -> ast.expr | None:
    """An annotation, without the quotes around a name that is defined further down."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def class_signature(node: ast.ClassDef) -> str:
    """What a class is built from: the arguments of `__init__`, or a dataclass's fields."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return re.sub(r" -> None$", "", signature(item, method=True))
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        fields = [ast.unparse(item) for item in node.body if isinstance(item, ast.AnnAssign)]
        return f"({', '.join(field for field in fields if 'ClassVar' not in field)})"
    return ""


def directive(
    kind: str, head: str, body: list[str], options: Sequence[str] = (), level: int = 6
) -> list[str]:
    """A directive of Sphinx's Python domain; level: the number of backticks around it."""
    return ["`" * level + f"{{py:{kind}}} {head}", *options, "", *body, "`" * level, ""]


def methods(node: ast.ClassDef) -> Iterator[str]:
    """A class's public methods and properties, those with a docstring."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and ast.get_docstring(item):
            decorators = [ast.unparse(d) for d in item.decorator_list]
            options = [f":{d}:" for d in decorators if d in ("classmethod", "staticmethod")]
            body = to_markdown(ast.get_docstring(item)).splitlines()
            if "property" in decorators or "cached_property" in decorators:
                options = [f":type: {ast.unparse(item.returns)}"] if item.returns else []
                yield from directive("property", item.name, body, options, level=5)
            else:
                head = item.name + signature(item, method=True)
                yield from directive("method", head, body, options, level=5)


def constants(node: ast.Assign | ast.AnnAssign, following: ast.stmt | None, place: str) -> Iterator[str]:
    """The entries of what an assignment names; a string that follows it is the docstring of the last."""
    names = defined(node)
    many = isinstance(node.value, ast.Tuple) and len(names) == len(node.value.elts) > 1
    values = node.value.elts if many else [node.value]
    text = following.value if isinstance(following, ast.Expr) else None
    documented = isinstance(text, ast.Constant) and isinstance(text.value, str)
    for name, value in zip(names, values, strict=True):
        shown = " ".join(ast.unparse(value).split()) if value else ""
        options = [f":value: {json.dumps(shown)}"] if 0 < len(shown) <= 60 else []  # as YAML reads it
        body = [*to_markdown(text.value if documented else "").splitlines(), "", place]
        yield from directive("data", name, body if name == names[-1] else [], options)


def built_in(lines: list[str], number: int) -> str | None:
    """The heading of the chapter's section that a definition comes from: the last mark above its line."""
    for line in reversed(lines[: number - 1]):
        found = CELL.match(line)
        if found:
            return found[1]
    return None


def module_page(book: Book, module: str, chapter: Chapter | None) -> str:
    """The page of one module, in MyST."""
    path = source_file(book, module)
    tree, lines = tree_of(book, module), path.read_text(encoding="utf-8").splitlines()
    package = f"companion.{module}"
    out = [f"# {package}", ""]
    if chapter:
        where = f"{{doc}}`chapter {chapter.number} </chapters/{chapter.name}>`"
        out += [f"Built in {where}, and exported from its cells.", ""]
    else:
        out += [to_markdown(ast.get_docstring(tree)), ""]
    out += [f"```{{py:module}} {package}", "```", ""]
    out += [*re_exported(book, module), ""]
    public = public_names(tree)
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        name = next(iter(defined(node)), None)
        if name not in public:
            continue
        places = []
        heading = built_in(lines, node.lineno)
        if chapter and heading:
            words = heading.replace("`", "")  # a reference can hold no code
            places.append(f"built under {{ref}}`{words} <{target(chapter, heading)}>`")
        if book.repository:
            places.append(f"[source]({book.repository}/blob/main/{book.relative(path)}#L{node.lineno})")
        place = f"*{' · '.join(places)}*" if places else ""
        if isinstance(node, ast.FunctionDef):
            body = to_markdown(ast.get_docstring(node)).splitlines()
            out += directive("function", f"{name}{signature(node)}", [*body, "", place])
        elif isinstance(node, ast.ClassDef):
            body = to_markdown(ast.get_docstring(node)).splitlines()
            head = f"{name}{class_signature(node)}"
            out += directive("class", head, [*body, "", place, "", *methods(node)])
        else:
            out += constants(node, following, place)
    return "\n".join(out)


def target(chapter: Chapter, heading: str) -> str:
    """The label of a chapter's section, for links to it."""
    return f"{chapter.name}-{re.sub(r'[^a-z0-9]+', '-', heading.lower()).strip('-')}"


def summary(path: Path) -> str:
    """The first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n\n")[0].replace("\n", " ")


def index_page(book: Book) -> str:
    """The page that lists the modules."""
    line = "What the chapters build, by module, with every name that can be imported."
    out = ["# The package", "", line, ""]
    out += ["| module | built in |", "|---|---|"]
    for module, chapter in modules(book).items():
        there = f"{{doc}}`/chapters/{chapter.name}`" if chapter else ""
        there = there or summary(source_file(book, module))
        out.append(f"| {{doc}}`companion.{module} </api/{module}>` | {there} |")
    out += ["", "```{toctree}", ":hidden:", "", *modules(book), "```", ""]
    return "\n".join(out)
