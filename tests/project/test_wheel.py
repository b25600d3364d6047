"""The package as a wheel, away from any checkout: it has its data, and says where the notebooks are."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USED = "import companion, companion.village as v; print(companion.__file__); print(v.DATA); "
USED += "print(companion.load(v.DATA / 'models' / 'village').tell('Once', seed=1, max_new_tokens=9))"


@pytest.mark.gate
def test_a_wheel_has_its_data_and_its_commands(tmp_path):
    source, unpacked = tmp_path / "source", tmp_path / "unpacked"
    source.mkdir()
    for name in ("companion", "data"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("book.toml", "pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    read = {path.relative_to(source) for path in (source / "companion").rglob("*") if path.is_file()}
    read = {path for path in read if path.name != "README.md"}
    assert not [path for path in read if not (unpacked / path).is_file()]

    def run(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(unpacked), "PYTHONUTF8": "1"}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    assert "finetune" in run("-m", "companion")
    package, data, text = run("-c", USED).splitlines()
    assert Path(package).is_relative_to(unpacked) and Path(data) == unpacked / "companion" / "data"
    assert text.startswith("Once")


def test_a_checkout_has_its_data_beside_the_package():
    from companion.village import DATA

    assert DATA == ROOT / "data"
