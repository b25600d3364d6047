"""A new chapter: its block in book.toml and a skeleton of its text."""

import keyword
import re

from companion.book import BookError
from companion.book.files import replace_files
from companion.book.imports import hidden_by
from companion.book.manifest import NAME, Book

SKELETON = '''\
---
jupytext:
  text_representation: {{extension: .md, format_name: myst}}
kernelspec: {{name: python3, display_name: Python 3, language: python}}
---

# {title}

*You will be able to … Reading 40 minutes, running 30 seconds.*

The question that the last chapter's model could not answer, shown by something that fails.

## An example by hand

Numbers that paper could do.

```{{code-cell}} ipython3
:tags: [export]
def {module}(x: float) -> float:
    """Replace this: the plain version of what the chapter teaches."""
    return 2 * x
```

```{{code-cell}} ipython3
print(f"{{{module}(3):g}}")
```

## The package's version

What it adds, and why it is trusted: equal to PyTorch's in values and gradients. Its tests go into
`tests/chapters/test_{module}.py`.

## Use it

## Break it

## What you built

## Going deeper

## Exercises

Five or six. Their checks go into `companion/exercises/ch{number}.py`; companion/exercises/README.md says how.

## Further reading
'''


def new_chapter(book: Book, name: str) -> str:
    """Add NN_name to book.toml, at its place among the chapters, and write the skeleton of its text.

    A text that is there already stays. Returns a line that says what to do next. Raises BookError for a
    malformed name, for a number or a module that is taken, and for one that would hide what was written by
    hand.
    """
    match = NAME.fullmatch(name)
    if not match or keyword.iskeyword(match["module"]):
        raise BookError(
            f"{name!r} is not a chapter's name; it takes two digits, _ and a module's name, as in 09_caching"
        )
    text = book.root / "chapters" / "text" / f"{name}.md"
    number, module = match.groups()
    if any(c.module == module or c.name.startswith(number) for c in book.chapters):
        raise BookError(f"the number or the module of {name} is taken; see book.toml")
    if hidden := hidden_by(book, module):
        raise BookError(f"{name}: a module called {module!r} would hide {hidden}; choose another name")
    manifest = (book.root / "book.toml").read_text(encoding="utf-8").rstrip("\n")
    block = f'[[part.chapter]]\nname = "{name}"\nmodule = "{module}"\nseconds = 60'
    later = next((c for c in book.chapters if c.name > name), None)
    if later is None:
        manifest += f"\n\n{block}\n"
    else:
        following = re.compile(rf'\[\[part\.chapter\]\]\s+name = "{later.name}"')
        manifest = following.sub(lambda found: f"{block}\n\n{found[0]}", manifest, count=1) + "\n"
    files = {book.root / "book.toml": manifest.encode()}
    if not text.exists():
        files[text] = SKELETON.format(
            title=module.replace("_", " ").capitalize(), module=module, number=number
        ).encode()
    replace_files(book.root, files)
    return f"{book.relative(text)} is yours to write; then run `python -m companion.book sync {number}`"
