"""Models that others made public: their files, from a folder or from the Hugging Face hub.

Only what is read is fetched, and nothing that could run: weights as safetensors, the rest as JSON and text.
"""

import contextlib
import glob
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from companion.runtime.files.atomic import expand_user, read_json

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
SMALL = (
    CONFIG,
    "generation_config.json",
    INDEX,
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
)
"""What is read of a model besides its weights, where it is there."""
SHORT = {"gpt2": "openai-community/gpt2"}  # models of the hub that have a name without an owner
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
INSTALL = "pip install huggingface_hub tokenizers jinja2"
WAIT = 8  # seconds to wait for the hub's first answer, and for the start of each file


def find_model(
    name: str | Path,
    revision: str | None = None,
    endpoint: str | None = None,
    cache: str | Path | None = None,
) -> Path:
    """The folder with a model's files: config.json, safetensors, the tokenizer's.

    name: a folder; or a model's name on the hub, "owner/name" ("gpt2" is short for openai-community/gpt2).
    It is the hub's with exactly one "/", where neither such a folder nor one of the owner's name is here.
    The hub's files are fetched once into its cache (HF_HOME); without a network, or with HF_HUB_OFFLINE=1,
    that is what is read. revision: a branch, tag or commit of the hub's; None for "main".
    endpoint, cache: another server than HF_ENDPOINT's, another cache than HF_HOME's.

    A connection that is cut is taken up again where it stood, five times; after that, the next call fetches
    the files that are not whole. Raises, in one line, ValueError for a folder, model, revision or file that
    is not there, for a model that asks for a licence first, and for weights that are pickles;
    ConnectionError where the hub is needed and cannot be reached; ImportError without huggingface_hub.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(f"model={name!r:.40} must be a folder, or a name such as openai-community/gpt2")
    text = name.as_posix() if isinstance(name, Path) else os.fspath(name)
    folder = expand_user(text)
    if text and _exists(folder):
        if revision is not None:
            rule = f"is for models of the hub, and {text} is a folder here; leave it out"
            raise ValueError(f"revision={revision!r} {rule}")
        return check_folder(folder)
    if not is_hub_name(text):
        rule = "is no folder, and no name of the hub such as openai-community/gpt2; mend it"
        raise ValueError(f"model={text!r:.200} {rule}")
    return check_folder(_fetched(SHORT.get(text, text), revision, endpoint, cache))


def is_hub_name(text: str) -> bool:
    """Whether this is a model's name on the hub: see find_model. No network is asked."""
    if _exists(expand_user(text)):
        return False  # for "", too
    owner, slash, rest = text.partition("/")
    parts = re.fullmatch(r"[\w.-]+", owner, re.ASCII) and re.fullmatch(r"[\w.-]+", rest, re.ASCII)
    named = slash and parts and owner not in (".", "..", "~") and not _exists(Path(owner))
    return text in SHORT or bool(named)


def check_folder(folder: Path) -> Path:
    """The folder, if it holds config.json and weights as safetensors. ValueError, in one line, if not."""
    if not folder.is_dir():
        raise ValueError(f"model={str(folder)!r} is a file; name the folder that it lies in")
    check_names({path.name for path in folder.iterdir()}, str(folder))
    return folder


def check_names(names: set[str], where: str) -> None:
    """See by their names that a model's files are there. ValueError, which says what is missing."""
    if CONFIG not in names:
        raise ValueError(f"{where} has no {CONFIG}, so it is no model; name the folder of one")
    if INDEX in names or WEIGHTS in names:
        return
    if pickled := [name for name in names if name.endswith(PICKLES)]:
        first = min(pickled, key=lambda name: (not name.startswith("pytorch_model"), name))
        why = f"has its weights as a pickle ({first}), which can run any program when it is opened"
        raise ValueError(f"{where} {why}; take a model or a revision with {WEIGHTS}")
    raise ValueError(f"{where} has no {WEIGHTS}, nor {INDEX}: the weights are missing")


def weight_files(folder: str | Path) -> dict[str, Path]:
    """The name of each tensor -> the file that holds it.

    From model.safetensors.index.json, which names the parts of weights that are split, else from
    model.safetensors. All parts are looked for, and each tensor in its part's header; no tensor is read.
    Raises ValueError, with the file's name, for a missing or damaged one, and for an index that names a
    tensor that its part lacks or a path outside of the folder.
    Source: the safetensors format, https://huggingface.co/docs/safetensors.
    """
    folder = Path(folder)
    index = folder / INDEX
    if not _exists(index):
        return dict.fromkeys(tensor_names(folder / WEIGHTS), folder / WEIGHTS)
    found = {tensor: folder / part for tensor, part in read_index(index).items()}
    held = {path: tensor_names(path) for path in sorted(set(found.values()))}
    for tensor, path in found.items():
        if tensor not in held[path]:
            raise ValueError(
                f"{index} says that {path.name} holds {tensor!r}, and it does not; fetch both again"
            )
    return found


def read_index(path: Path) -> dict[str, str]:
    """The name of each tensor -> the name of its file, from an index. ValueError for a damaged one."""
    try:
        parts = read_json(path, "fetch it again")["weight_map"]
    except (TypeError, KeyError):
        raise ValueError(f"{path} is not JSON with a weight_map; fetch it again") from None
    if not isinstance(parts, dict) or not parts:
        raise ValueError(f"{path}: its weight_map names no tensor; fetch it again")
    for part in parts.values():
        inside = isinstance(part, str) and not set(part) & set("\\:\0") and part.endswith(".safetensors")
        if not inside or PurePosixPath(part).is_absolute() or ".." in PurePosixPath(part).parts:
            rule = "which is no .safetensors file in its folder; do not use this model"
            raise ValueError(f"{path} names {part!r:.80}, {rule}")
    return parts


def tensor_names(path: Path) -> set[str]:
    """The tensors in a safetensors file. ValueError, with its name, where it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ValueError(f"{path} is missing; fetch it again")
    try:
        with safe_open(path, framework="np") as file:
            return set(file.keys())
    except (SafetensorError, OSError) as error:
        problem = " ".join(str(error).split())
        raise ValueError(
            f"{path} is cut off or no safetensors file ({problem:.80}); fetch it again"
        ) from None


# -- the hub ---------------------------------------------------------------------------


def _fetched(name: str, revision: str | None, endpoint: str | None, cache: str | Path | None) -> Path:
    """The folder in the hub's cache with a model's files, fetched where they are not there."""
    errors = _library()[1]
    where = f"{name} at revision {revision!r}" if revision is not None else name
    try:
        with _quiet():
            return _snapshot(name, revision, endpoint, cache)
    except _Unusable:
        raise
    except errors.GatedRepoError:
        page = f"https://huggingface.co/{name}"
        rule = f"accept its licence at {page} and log in with `hf auth login`"
        raise ValueError(f"{name} is gated: {rule}; then try again") from None
    except errors.RevisionNotFoundError:
        raise ValueError(
            f"{name} has no revision {revision!r} on the hub; leave it out for the newest"
        ) from None
    except errors.RepositoryNotFoundError:
        rule = "or it is private: then log in with `hf auth login`"
        raise ValueError(f"no folder {name!r} is here, and no such model on the hub, {rule}") from None
    except errors.HFValidationError:
        raise ValueError(f"model={name!r:.200} is no name of the hub such as openai-community/gpt2") from None
    except errors.IncompleteSnapshotError:
        rule = "is in the cache only in part, and the hub was not asked or cannot be reached"
        raise ConnectionError(f"{where} {rule}; try again with a network") from None
    except errors.LocalEntryNotFoundError as error:
        why = "HF_HUB_OFFLINE is set" if _offline() else f"the hub cannot be reached ({first_line(error)})"
        rule = "is no folder here and not in the hub's cache, and"
        raise ConnectionError(f"{where} {rule} {why}; try again with a network") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise ValueError(f"{where}: the hub refuses it ({status}); log in with `hf auth login`") from None
        raise ConnectionError(
            f"{where}: the hub answered with an error ({status}); try again later"
        ) from None
    except Exception as error:  # the library's, its network's or its downloader's own
        rule = "try again; files that are whole are kept"
        raise ConnectionError(f"{where} could not be fetched ({first_line(error)}); {rule}") from None


class _Unusable(ValueError):
    """A model whose files cannot be read, before any was fetched."""


def _snapshot(name: str, revision: str | None, endpoint: str | None, cache: str | Path | None) -> Path:
    """As _fetched, with the library's own errors."""
    hub, errors = _library()
    where = {"repo_id": name, "endpoint": endpoint, "cache_dir": cache, "etag_timeout": WAIT}
    where["local_files_only"], unreachable = _offline(), None
    if not where["local_files_only"]:
        try:  # with a limit of time, which snapshot_download's own first question has not
            info = hub.HfApi(endpoint=endpoint).model_info(name, revision=revision, timeout=WAIT)
            _usable({file.rfilename for file in info.siblings or ()}, name)
        except errors.HTTPError as error:
            status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else 500
            if status < 500 and status not in (408, 429):  # it answered; those two mean "not now"
                raise
            where["local_files_only"], unreachable = True, error
    try:
        folder = Path(hub.snapshot_download(revision=revision, allow_patterns=list(SMALL), **where))
    except errors.LocalEntryNotFoundError as error:
        if unreachable is None or isinstance(error, errors.IncompleteSnapshotError):
            raise
        raise errors.LocalEntryNotFoundError(first_line(unreachable)) from None
    if _exists(folder / INDEX):
        try:
            weights = sorted(set(read_index(folder / INDEX).values()))
        except ValueError as error:
            raise _Unusable(str(error)) from None
    else:
        weights = [WEIGHTS]
    # the folder is named for its commit: no later one can come between its small files and its weights
    where |= {"revision": folder.name, "allow_patterns": [glob.escape(file) for file in weights]}
    return Path(hub.snapshot_download(**where))


def _usable(names: set[str], name: str) -> None:
    """As check_names, with an error of our own."""
    try:
        check_names(names, name)
    except ValueError as error:
        raise _Unusable(str(error)) from None


def _library():
    """huggingface_hub and its errors. ImportError, in one line, where it is missing."""
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise ImportError(f"models of the hub need huggingface_hub: {INSTALL}") from None
    return huggingface_hub, errors


def _offline() -> bool:
    """Whether the environment forbids the network; the library looks only once, when it is imported."""
    from huggingface_hub import constants

    said = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    return said or constants.is_offline_mode()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No warnings of the library's; its progress bars only where somebody sees them."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub")
    level, hide = logger.level, not (sys.stderr and sys.stderr.isatty()) and not are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        if hide:
            disable_progress_bars()
        try:
            yield
        finally:
            logger.setLevel(level)
            if hide:
                enable_progress_bars()


def first_line(error: BaseException) -> str:
    """What an error says, in one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[0] if lines else type(error).__name__:.200}"


def _exists(path: Path) -> bool:
    """Whether there is such a file or folder; a text that can name none names none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
