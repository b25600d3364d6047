"""companion serve: what it refuses before any work, what it prints, and that Ctrl-C ends it well."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
import torch
from support.command_line import fails
from support.public import CHATML, family

from companion.__main__ import main
from companion.gpt import GPTConfig, gpt2
from companion.instructions import add_chat_tokens
from companion.pretrained import save_pretrained
from companion.runtime.text.hugging_face import PublicTokenizer
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(1)
    tokenizer = BPETokenizer.train("Who has the key? Mara has the key, and Otto a hat.", 270)
    model = gpt2(GPTConfig(tokenizer.vocab_size, 64, 1, 2, 16))
    where = tmp_path_factory.mktemp("serve")
    save_checkpoint(where / "silent", model, tokenizer)
    save_checkpoint(where / "tiny", model, add_chat_tokens(model, tokenizer))
    return where


@pytest.fixture
def endless(tmp_path):
    """A public model's folder, with a template that never ends for the message "loop"."""
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    file, config = map(json.loads, family("Qwen"))
    config["chat_template"] = "{% if messages[-1].content == 'loop' %}" + loops + "{% endif %}" + CHATML
    tokenizer = PublicTokenizer(file, config)
    save_pretrained(gpt2(GPTConfig(max(tokenizer.vocab) + 1, 64, 1, 2, 16)), tokenizer, tmp_path / "endless")
    return tmp_path / "endless"


@pytest.mark.gate
@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_it_answers_and_the_first_ctrl_c_ends_it_even_while_a_template_never_ends(endless):
    argv = [sys.executable, "-m", "companion", "serve", "--model", str(endless), "--port", "0"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("endless answers at http://127.0.0.1:"), process.stderr.read()
        # Read here, because communicate() does not see a line that readline() has buffered.
        assert re.fullmatch(r"How to ask it, with an example: http://\S+/docs\n", process.stdout.readline())
        url = f"{line.split()[3]}/chat/completions"

        def request(content):
            body = {"model": "endless", "messages": [{"role": "user", "content": content}], "max_tokens": 3}
            headers = {"Content-Type": "application/json"}
            return urllib.request.Request(url, json.dumps(body).encode(), headers)

        with urllib.request.urlopen(request("Who?")) as answer:
            assert json.load(answer)["usage"]["completion_tokens"] <= 3
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(request("loop"), timeout=1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0 and out == "Stopped.\n" and err == ""
    finally:
        process.kill()


def test_a_port_that_is_taken_and_other_faults_are_one_line(folder, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fails(capsys, ["serve", "--port", port], 2, f"--port={port} cannot be opened", "take another")
    fails(capsys, ["serve", "--port", 99999], 2, "--port=99999 must be a whole number from 0 to 65,535")
    fails(capsys, ["serve", "--slots", 0], 2, "--slots=0")
    fails(capsys, ["serve", "--port", 0, "--model", folder / "nowhere"], 2, "nowhere")
    fails(capsys, ["serve", "--port", 0, "--model", folder / "silent"], 2, "was not taught to answer")
    fails(capsys, ["serve", "--port", 0, "--token", " "], 2, "--token")
    monkeypatch.setenv("COMPANION_TOKEN", "schlüssel")
    fails(capsys, ["serve", "--port", 0], 2, "COMPANION_TOKEN")


def test_a_missing_library_is_told_with_its_remedy(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "companion.serve.server", raising=False)
    fails(capsys, ["serve"], 2, "the server needs", "pip install -e '.[serve]'")


def test_other_machines_without_a_token_get_a_warning(folder, capsys, monkeypatch):
    monkeypatch.setattr("companion.serve.server.serve", lambda *given: None)
    argv = ["serve", "--port", "0", "--model", str(folder / "tiny"), "--name", "ours"]
    assert main([*argv, "--host", "0.0.0.0"]) == 0
    found = capsys.readouterr()
    assert found.out.startswith("ours answers at http://0.0.0.0:") and "COMPANION_TOKEN" in found.err
    assert main([*argv, "--host", "0.0.0.0", "--token", "s3cret"]) == main(argv) == 0
    assert capsys.readouterr().err == ""
