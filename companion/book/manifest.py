"""book.toml, the only list of chapters."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from companion.book import BookError


@dataclass(frozen=True)
class Chapter:
    """One chapter: its place in the book, and where its files lie.

    module is None for a chapter that exports nothing; seconds is its time budget on one thread.
    """

    root: Path
    position: int
    name: str
    module: str | None
    seconds: int

    @property
    def number(self) -> int:
        """What the chapter is called by: 3 for 03_embeddings."""
        return int(self.name.split("_")[0])

    @property
    def text(self) -> Path:
        """What the author edits (jupytext's MyST Markdown)."""
        return self.root / "chapters" / "text" / f"{self.name}.md"

    @property
    def notebook(self) -> Path:
        """What readers open."""
        return self.root / "chapters" / f"{self.name}.ipynb"

    @property
    def module_file(self) -> Path | None:
        """What the package imports."""
        return self.root / "companion" / f"{self.module}.py" if self.module else None


@dataclass(frozen=True)
class Book:
    """The manifest: chapters in order, over all parts."""

    root: Path
    title: str
    repository: str
    parts: dict[str, list[str]]
    chapters: list[Chapter]

    @classmethod
    def read(cls, root: str | Path) -> "Book":
        """Read ``root/book.toml``. BookError where it is missing, malformed or names a chapter twice."""
        root = Path(root).resolve()
        try:
            data = tomllib.loads((root / "book.toml").read_text(encoding="utf-8"))
            blocks = [(part["title"], block) for part in data["part"] for block in part.get("chapter", [])]
            chapters = [
                Chapter(root, position, block["name"], block.get("module"), block["seconds"])
                for position, (_, block) in enumerate(blocks)
            ]
            parts: dict[str, list[str]] = {part["title"]: [] for part in data["part"]}
            for title, block in blocks:
                parts[title].append(block["name"])
            book = cls(root, data["title"], data["repository"], parts, chapters)
        except FileNotFoundError:
            raise BookError(f"{root / 'book.toml'} is missing; run this in the repository's root") from None
        except tomllib.TOMLDecodeError as error:
            raise BookError(f"book.toml: {error}") from None
        except KeyError as error:
            raise BookError(f"book.toml: {error} is missing; see the blocks beside it") from None
        for field in ("name", "module"):
            values = [value for chapter in chapters if (value := getattr(chapter, field))]
            for value in sorted({value for value in values if values.count(value) > 1}):
                raise BookError(f"book.toml: {field} {value!r} stands there twice; remove one")
        return book

    def find(self, key: str) -> Chapter:
        """The chapter with this number ("01", "1"), name, file or module; BookError where there is none."""
        stem = Path(key).stem
        for chapter in self.chapters:
            if stem in (chapter.name, chapter.module) or (stem.isdigit() and int(stem) == chapter.number):
                return chapter
        known = ", ".join(chapter.name for chapter in self.chapters) or "none yet"
        raise BookError(
            f"no chapter {key!r} in book.toml (there: {known}); add its block, or run `new {key}`"
        )

    def relative(self, path: Path) -> str:
        """A path as messages show it: from the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()
