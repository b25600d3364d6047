"""What pyproject.toml cannot say: a wheel has the course's data and its list of chapters in the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithData(build_py):
    """Puts data/ and book.toml beside the modules, where `companion.village.DATA` looks first."""

    def run(self):
        """Build, and copy them; an editable installation reads them where they are."""
        super().run()
        if not self.editable_mode:
            package = Path(self.build_lib) / "companion"
            shutil.rmtree(package / "data", ignore_errors=True)  # what an earlier build left
            shutil.copytree("data", package / "data", ignore=shutil.ignore_patterns(".*"))
            shutil.copy("book.toml", package)


setup(cmdclass={"build_py": BuildWithData})
