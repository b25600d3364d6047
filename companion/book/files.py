"""Writing several files so that each is always whole."""

import os
import tempfile
from pathlib import Path


def replace_files(root: Path, contents: dict[Path, bytes]) -> list[Path]:
    """Write files under root, each by one rename, and return those that changed.

    Everything is written to a temporary folder first, on the same disk. A kill at any moment therefore leaves
    each file as it was or as it should be, never half of it; which of the renames were done, `check` will
    tell. Files are replaced in the order given.
    """
    changed = [path for path, new in contents.items() if not path.exists() or path.read_bytes() != new]
    with tempfile.TemporaryDirectory(prefix=".sync-", dir=root) as folder:
        for number, path in enumerate(changed):
            (Path(folder) / str(number)).write_bytes(contents[path])
        for number, path in enumerate(changed):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(folder) / str(number), path)
    return changed
