"""The containers' files, as far as they go without an engine: the entry point with stub programs, and what is
declared."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from companion.cli import COMMANDS
from companion.cli._parsing import find_command

ROOT = Path(__file__).parents[2]
ENTRY, HEALTH = ROOT / "docker" / "entrypoint.sh", ROOT / "docker" / "health.py"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
PORTS = {"lab": 8888, "app": 8501, "api": 8000}

needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="the entry point is for a Linux container")


@pytest.fixture
def enter(tmp_path):
    """Runs the entry point where jupyter and companion only say how they were called."""
    for name in ("jupyter", "companion"):
        stub = tmp_path / name
        stub.write_text('#!/bin/sh\nprintf "%s\\n" "${0##*/}" "$@" "token=${COMPANION_TOKEN:-}"\nexit 7\n')
        stub.chmod(0o755)

    def run(*words, **environment):
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        command = [shutil.which("sh"), str(ENTRY), *words]
        return subprocess.run(command, env=path | environment, capture_output=True, text=True, cwd=tmp_path)

    return run


@needs_shell
def test_without_a_word_and_with_lab_jupyterlab_is_started(enter):
    done = enter()
    words = done.stdout.split("\n")
    assert words[:2] == ["jupyter", "lab"] and "--ip=0.0.0.0" in words and "--port=8888" in words
    assert done.returncode == 7 and enter("lab").stdout == done.stdout  # exec: the program's own status
    assert "--debug" in enter("lab", "--debug").stdout.split("\n")


@needs_shell
def test_app_and_api_get_their_addresses_and_the_words_that_follow(enter):
    done = enter("app", "--models", "my models")
    assert done.stdout.split("\n")[:8] == (
        ["companion", "app", "--host", "0.0.0.0", "--port", "8501", "--models", "my models"]
    )
    done = enter("api", "--model", "x", COMPANION_TOKEN="s3cret")
    words = done.stdout.split("\n")
    assert words[:8] == ["companion", "serve", "--host", "0.0.0.0", "--port", "8000", "--model", "x"]
    assert "s3cret" not in words and "token=s3cret" in words and done.returncode == 7


@needs_shell
@pytest.mark.parametrize("environment", [{}, {"COMPANION_TOKEN": ""}])
def test_the_api_is_not_started_without_a_token(enter, environment):
    done = enter("api", **environment)
    assert done.returncode == 2 and done.stdout == ""
    assert "COMPANION_TOKEN" in done.stderr and done.stderr.count("\n") == 1


def test_the_commands_that_it_calls_take_these_options():
    calls = re.findall(r"exec companion (\w+) (.*?) \"\$@\"", ENTRY.read_text(encoding="utf-8"))
    assert [name for name, _ in calls] == ["app", "serve"]
    for name, options in calls:
        if name in COMMANDS:
            _, parser, words = find_command([name, *options.split()], COMMANDS)
            assert parser.parse_args(words).host == "0.0.0.0"
    assert "app" in COMMANDS


def test_health_is_asked_where_each_mode_listens():
    addresses = runpy.run_path(str(HEALTH))["ADDRESSES"]
    assert set(addresses) == set(PORTS)
    entry = ENTRY.read_text(encoding="utf-8")
    for mode, port in PORTS.items():
        assert f":{port}/" in addresses[mode] and re.search(rf"--port[ =]{port}\b", entry)
    assert re.search(r"^EXPOSE 8888 8501 8000$", DOCKERFILE, re.MULTILINE)
    (check,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert json.loads(check) == ["python", "/home/reader/docker/health.py"]


def test_the_image_starts_the_entry_point_without_a_secret():
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert json.loads(entry) == ["/bin/sh", "/home/reader/docker/entrypoint.sh"]
    assert "COPY --chown=reader:reader docker /home/reader/docker\n" in DOCKERFILE
    assert re.findall("^USER .*$|^CMD .*$", DOCKERFILE, re.MULTILINE) == ["USER reader", 'CMD ["lab"]']
    settings = [line for line in DOCKERFILE.splitlines() if line.startswith(("ENV", "ARG"))]
    assert not [line for line in settings if re.search("token|secret|password|key", line, re.IGNORECASE)]
    assert ".env" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_listens_on_this_machine_alone_and_may_little(name):
    service = COMPOSE["services"][name]
    assert service["command"] == [name] and service["ports"] == [f"127.0.0.1:{PORTS[name]}:{PORTS[name]}"]
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True and "privileged" not in service and service.get("user") != "root"
    if name != "lab":  # where a reader writes
        assert service["read_only"] is True and all(volume.endswith(":ro") for volume in service["volumes"])
