"""Documents from anywhere: corpora by name, files, folders; and which of them are held out.

A document is a str. Documents travel as lists, and nothing here knows of tokens.
"""

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import regex

from companion.runtime.files.arguments import as_documents
from companion.runtime.files.atomic import expand_user
from companion.runtime.storage.hub import DOWNLOADS, fetch
from companion.runtime.terminal import similar_path, suggestion
from companion.runtime.text.tokenizer import END_OF_TEXT
from companion.village import DATA, load_split

CORPORA = ("village", "lamplighter", "pydoc", *DOWNLOADS)
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Japanese, Chinese
)
"""Characters of scripts that put no spaces between words, as a range of a regular expression."""
WORD = regex.compile(rf"[{UNSPACED}]\p{{M}}*|[^\W{UNSPACED}]+")  # re has no marks in \w


def words_of(text: str) -> list[str]:
    """The words of a text in small letters; in scripts without spaces each character is one."""
    return WORD.findall(unicodedata.normalize("NFC", text.lower()))


def decode_utf8(data: bytes, name: str | Path) -> str:
    """Return the text of a file.

    Args:
        data: The bytes of the file.
        name: Name of the file, for the error message.

    Raises:
        ValueError: For bytes that are no UTF-8 text. The message names the file.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        rule = f"is no UTF-8 text (byte {error.start:,})"
        raise ValueError(f"{name} {rule}; save it as UTF-8, or leave it out") from None
    if "\0" in text:
        raise ValueError(f"{name} holds zero bytes, as no text does; save it as UTF-8, or leave it out")
    return text


def load_text(name_or_path: str | Path, skip: Callable[[str], object] | None = None) -> list[str]:
    """Return the documents of a corpus or of your own text.

    Args:
        name_or_path: A corpus, a file or a folder. The corpora are village (train and then val) and
            lamplighter, which are shipped, pydoc (see python_manual), and shakespeare and tinystories
            (downloaded once). For files see read_documents. A folder gives all text files below it, by path,
            without hidden and empty ones.
        skip: Called with one line about each file that is no UTF-8 text, which is then left out, as in
            load_text("letters", skip=print). Without it, such a file is an error.

    Raises:
        ValueError: For an unknown or empty name, for files that are no text or cannot be read, and if there
            is no text at all.
        TypeError: For a name_or_path that is neither a str nor a path.
        ConnectionError: If a download fails.
    """
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise TypeError(f"name_or_path={name_or_path!r:.40} must be a name or a path")
    name = str(name_or_path)
    path = expand_user(name_or_path)
    if not name.strip():
        raise ValueError(f"name_or_path={name!r} is empty; for the working directory write '.'")
    if name == "village":
        return load_split("train") + load_split("val")
    if name == "pydoc":
        return python_manual()
    if name == "lamplighter":
        path = DATA / "lamplighter.txt"
    elif name in DOWNLOADS:
        path = fetch(name)
    if os.path.isdir(path):
        return read_folder(path, skip)
    if not os.path.isfile(path):  # or it is a text in the place of its name, and too long for one
        hint = similar_path(path) or suggestion(name, CORPORA)
        rule = f"is no file, no folder and no corpus{hint}; the corpora are {', '.join(CORPORA)}"
        raise ValueError(f"name_or_path={name!r:.60} {rule}")
    try:
        return read_documents(path)
    except ValueError as error:
        if skip is None:
            raise
        skip(str(error))
        return []


def source_of(names: str | Iterable[str | Path]) -> str:
    """Where texts are from, for prepare's `source`: a corpus by its name, files and folders by whole path."""
    names = [names] if isinstance(names, (str, os.PathLike)) else names
    known = [str(n) if str(n) in CORPORA else str(expand_user(n).resolve()) for n in names]
    return ", ".join(known)


def read_documents(path: str | Path) -> list[str]:
    """The documents of a UTF-8 text file: the parts between <|endoftext|>s, or all of it as one."""
    documents = _parts(Path(path))
    if not documents:
        raise ValueError(f"{path} is empty; give a file with text in it")
    return documents


def read_folder(folder: Path, skip: Callable[[str], object] | None = None) -> list[str]:
    """The documents of all text files below a folder, by path; hidden and empty ones are left out."""
    documents = []
    for path in files_below(folder):
        try:
            documents += _parts(path)
        except ValueError as error:
            if skip is None:
                raise ValueError(f"{error}; --skip leaves out all such files") from None
            skip(str(error))
    if not documents:
        raise ValueError(f"folder='{folder}' has no text in it; put UTF-8 text files there")
    return documents


def files_below(folder: Path) -> list[Path]:
    """The files below a folder, by path, without hidden ones. Links to folders are not followed."""
    found = []
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not is_hidden:
            found.append(path)
    return found


def _parts(path: Path) -> list[str]:
    """Return the documents of a file, none for an empty file.

    Raises:
        ValueError: If the file is no UTF-8 text, or cannot be read.
    """
    try:
        text = decode_utf8(path.read_bytes(), path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); leave it out") from None
    parts = text.replace("\r\n", "\n").split(END_OF_TEXT)  # as in many collections of stories
    return [part.strip() for part in parts if part.strip()]


def python_manual() -> list[str]:
    """The topics of `help()` by name: the English manual inside every Python, some 0.4 MB by its version.

    A paragraph that stands in several topics is kept in the first, so that no topic repeats another.
    """
    from pydoc_data.topics import topics

    seen = {""}
    documents = []
    for name in sorted(topics):
        paragraphs = [p for p in topics[name].split("\n\n") if p.strip() not in seen]
        seen.update(p.strip() for p in paragraphs)
        documents.append("\n\n".join(paragraphs))
    return [document for document in documents if document]


def held_out(sizes: Sequence[int], share: float) -> list[int]:
    """Choose texts to hold out, so that they have about a share of all that is written.

    The last round(len(sizes) * share) texts are held out if their size is between half and twice the share.
    Otherwise texts are taken from the end, each if it brings the size nearer to the share. Of a share up to
    a half, the larger part is never held out.

    Args:
        sizes: The size of each text.
        share: Share of the size that is held out.

    Returns:
        The indices of these texts in order. None are there if each text is much larger than the share.
    """
    n_held = min(round(len(sizes) * share), len(sizes) - 1)
    target = share * sum(sizes)
    most = min(2 * target, sum(sizes) / 2) if share <= 0.5 else 2 * target
    last = range(len(sizes) - n_held, len(sizes))
    if target / 2 <= sum(sizes[i] for i in last) <= most:
        return list(last)
    held: list[int] = []
    size = 0
    for i in reversed(range(len(sizes))):
        is_near = size + sizes[i] / 2 < target and size + sizes[i] <= most
        if is_near and len(held) < len(sizes) - 1:
            held.append(i)
            size += sizes[i]
    return sorted(held)


def hold_out(documents: Sequence[str], val_fraction: float) -> tuple[list[str], list[str]]:
    """Split documents into those to train on and those that are held out, usually the last ones.

    What is held out has about the share of the text: see held_out. Where whole documents do not fit the
    share, the longest document is cut after a line near its end, and that end is held out. A document that
    repeats another is left out, so that none is both learned and held out.

    Args:
        documents: The documents.
        val_fraction: Share of the text that is held out.

    Raises:
        ValueError: For a val_fraction outside (0, 1), for no documents, and for a text too short to be cut.
        TypeError: For a single str.
    """
    documents = as_documents(documents)
    if not 0 < val_fraction < 1 or not documents:
        raise ValueError(f"{val_fraction=} must lie between 0 and 1 (try 0.1), of at least one document")
    documents = list(dict.fromkeys(documents))
    sizes = [len(document) for document in documents]
    target = val_fraction * sum(sizes)
    held = held_out(sizes, val_fraction) if round(len(documents) * val_fraction) else []
    if held and (sum(sizes[i] for i in held) >= target / 2 or max(sizes) <= target):
        learned = sorted(set(range(len(documents))) - set(held))
        return [documents[i] for i in learned], [documents[i] for i in held]
    longest = sizes.index(max(sizes))
    text = documents[longest]
    place = len(text) - round(target)
    cut = place
    for mark in ("\n", " "):  # after a line, or else a word
        found = text.rfind(mark, place * 9 // 10, place)
        if found >= 0:
            cut = found + 1
            break
    if not (text[:cut].strip() and text[cut:].strip()):
        rule = f"too short a text to hold {val_fraction} of them out; give a longer one"
        raise ValueError(f"documents have {sum(sizes)} characters in all, {rule}")
    return [*documents[:longest], text[:cut], *documents[longest + 1 :]], [text[cut:]]
