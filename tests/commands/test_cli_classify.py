"""companion finetune classify and companion classify, on small files in each format, and on bad ones."""

import csv
import json
import os
import random
import shutil

import pytest
import torch
from support.command_line import fails

from companion.cli import main
from companion.commands.classify import share, verdict
from companion.datasets import load_text
from companion.gpt import GPTConfig, gpt2
from companion.runtime.checkpoints import write_safetensors
from companion.runtime.classifiers import ADAPTER, HEAD, WHOLE, read_head
from companion.runtime.labelled import distinct, hold_out_by_class, read_labelled
from companion.serve.classifying import load_classifier
from companion.tokenization import BPETokenizer
from companion.training import save_checkpoint

SUNNY = ["day {}, the sea is warm", "day {}, the hill lies warm", "{} hours of sun, warm"]
RAINY = ["day {}, the roof is wet", "day {}, the road lies wet", "{} hours of fog, wet"]


def made(n=12):
    texts = [(words.format(k), "sun") for k in range(n) for words in SUNNY]
    return texts + [(words.format(k), "rain") for k in range(n) for words in RAINY]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model."""
    torch.manual_seed(3)
    where = tmp_path_factory.mktemp("tiny")
    tokenizer = BPETokenizer.train(load_text("lamplighter"), 300)
    save_checkpoint(where, gpt2(GPTConfig(300, 48, 2, 2, 24)), tokenizer)
    return where


def write_csv(path, rows, header=("text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def finetune(folder, data, *more):
    return main(["finetune", "classify", "--model", str(folder), "--data", str(data), *map(str, more)])


@pytest.mark.gate
@pytest.mark.parametrize("learn", ["head", "last", "all"])
def test_it_learns_reports_and_is_asked(folder, tmp_path, capsys, learn):
    data = write_csv(tmp_path / "weather.csv", made())
    steps = [] if learn == "head" else ["--passes", 4, "--lr", 0.01]
    assert finetune(folder, data, "--output", tmp_path / "out", "--learn", learn, *steps) == 0
    said = capsys.readouterr().out
    assert "learned from 58 texts, asked about 14 others" in said and "counting words" in said
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert sum(map(sum, report["confusion"])) == 14 and report["classes"] == ["rain", "sun"]
    low, high = report["interval"]
    assert 0 <= low <= report["accuracy"] <= high <= 1 and report["accuracy"] > 0.6
    for picture in ("confusion.png", "calibration.png"):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / HEAD).is_file() and read_head(tmp_path / "out")[1] == ["rain", "sun"]
    texts = [SUNNY[0].format(99), RAINY[0].format(99)]
    assert main(["classify", "--model", str(tmp_path / "out"), *texts]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["sun", "rain"]


def test_json_lines_parquet_and_csv_hold_the_same_rows(tmp_path):
    rows = [{"body": text, "kind": int(label == "sun")} for text, label in made(2)]
    lines = tmp_path / "a.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    table = write_csv(tmp_path / "a.csv", [row.values() for row in rows], ("body", "kind"))
    found = [[row[:2] for row in read_labelled(path, "body", "kind")] for path in (lines, table)]
    assert found[0] == found[1] == [(row["body"], str(row["kind"])) for row in rows]
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("datasets")
    pandas.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    assert [row[:2] for row in read_labelled(tmp_path / "a.parquet", "body", "kind")] == found[0]


def test_a_text_may_be_longer_than_pythons_own_limit_for_a_field(tmp_path):
    long = "Once a cat sat on a mat. " * 7000
    (row,) = read_labelled(write_csv(tmp_path / "a.csv", [(long, "x")]))
    assert row.text == long


def test_a_table_from_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufefftext,label\r\n"a ""b"", c\nd",x\r\ne,y\r\n'.encode())
    assert [row[:2] for row in read_labelled(path)] == [('a "b", c\nd', "x"), ("e", "y")]


def test_what_is_held_out_has_its_share_of_each_class_and_no_text_is_on_both_sides():
    labels = ["a"] * 50 + ["b"] * 10 + ["c"] * 2
    learned, held = hold_out_by_class(labels, 0.2, 5)
    assert sorted(learned + held) == list(range(62))
    assert [sum(labels[i] == name for i in held) for name in "abc"] == [10, 2, 1]
    assert held != hold_out_by_class(labels, 0.2, 6)[1] and held == hold_out_by_class(labels, 0.2, 5)[1]
    assert [sum(labels[i] == "c" for i in hold_out_by_class(labels, 0.9, 5)[part]) for part in (0, 1)] == [
        1,
        1,
    ]


def test_texts_that_are_there_twice_are_left_out(folder, tmp_path, capsys):
    rows = made(4)
    data = write_csv(tmp_path / "a.csv", [*rows, (rows[0][0].upper() + " ", "sun"), rows[1]])
    assert len(distinct(read_labelled(data))) == 24
    assert finetune(folder, data, "--output", tmp_path / "out") == 0
    assert "Left out: 2 texts that are there twice" in capsys.readouterr().err


@pytest.mark.gate
def test_a_model_folder_that_holds_a_classifier_is_replaced_only_when_asked(folder, tmp_path, capsys):
    data = write_csv(tmp_path / "a.csv", made(4))
    assert finetune(folder, data, "--output", tmp_path / "out") == 0
    before = (tmp_path / "out" / "head.safetensors").read_bytes()
    assert finetune(folder, data, "--output", tmp_path / "out") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out" / "head.safetensors").read_bytes() == before
    assert finetune(folder, data, "--output", tmp_path / "out", "--overwrite", "--seed", 3) == 0
    (tmp_path / "out" / "mine.txt").write_text("x")
    assert finetune(folder, data, "--output", tmp_path / "out", "--overwrite") == 2
    assert "holds something else" in capsys.readouterr().err


def text(content):
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content)


LONG = "word " * 200
BAD = {
    "no file": ("a.csv", None, [], "is no file"),
    "another format": ("a.xlsx", text("PK"), [], "is of another format; give .csv"),
    "empty": ("a.csv", text(""), [], "is empty"),
    "only a header": ("a.csv", text("text,label\n"), [], "has no rows"),
    "no such column": (
        "a.csv",
        text("body,label\na,b\n"),
        [],
        "has no column 'text'; it has 'body', '",
    ),
    "a column twice": ("a.csv", text("text,text,label\na,b,c\n"), [], "has the column 'text' twice; rename"),
    "semicolons": ("a.csv", text("text;label\na;b\n"), [], "fields separated by ';'; save it as CSV with"),
    "tabs": ("a.csv", text("text\tlabel\na\tb\n"), [], "fields separated by '\\t'; save it as CSV with"),
    "no labels": ("a.csv", text("text,kind\na,b\n"), [], "name it with --label"),
    "no such field": ("a.jsonl", text('{"text": "a", "kind": 1}\n'), [], "name it with --label"),
    "a label is missing": ("a.csv", text("text,label\na,x\nb,\n"), [], "line 3: label is missing"),
    "a label is null": ("a.jsonl", text('{"text": "a", "label": null}\n'), [], "label is missing"),
    "a text is missing": ("a.csv", text("text,label\n  ,x\nb,y\n"), [], "line 2: text is missing"),
    "a text is a number": ("a.jsonl", text('{"text": 3, "label": 1}\n'), [], "which is no text"),
    "one class": ("a.csv", text("text,label\na,x\nb,x\n"), [], "all 2 texts have the label 'x'"),
    "too few": ("a.csv", text("text,label\na,x\nb,x\nc,y\n"), [], "label 'y' has 1 text, and needs two"),
    "too long": ("a.csv", text(f"text,label\na,x\nb,x\nc,y\n{LONG},y\n"), [], "line 5 has "),
    "two labels": ("a.csv", text("text,label\na,x\nA,y\nc,y\n"), [], "line 3: label 'y', and"),
    "no UTF-8": ("a.csv", text(b"text,label\n\xff\xfe,x\n"), [], "is no UTF-8 text"),
    "a binary file": ("a.csv", text(b"text,label\n\0,x\n"), [], "holds zero bytes"),
    "an open quote": ("a.csv", text('text,label\n"a,x\nb,y\n'), [], "is no CSV"),
    "a comma in a text": ("a.csv", text("text,label\na, b,x\n"), [], "more fields than columns"),
    "a broken line": ("a.jsonl", text('{"text": "a"\n'), [], "cut off or damaged"),
    "all held out": (
        "a.csv",
        text("text,label\na,x\nb,y\n"),
        ["--held-out", "1.5"],
        "--held-out=1.5",
    ),
    "a rate for the head": ("a.csv", text("text,label\na,x\n"), ["--lr", "0.1"], "--lr is for --learn last"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(folder, tmp_path, capsys, name):
    file, write, more, says = BAD[name]
    if write:
        write(tmp_path / file)
    assert finetune(folder, tmp_path / file, "--output", tmp_path / "out", *more) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1 and said.startswith("companion: ")
    assert not (tmp_path / "out" / "config.json").exists()


def test_long_texts_are_cut_where_asked(folder, tmp_path):
    rows = [(f"{text} {LONG}", label) for text, label in made(3)]
    data = write_csv(tmp_path / "a.csv", rows)
    assert finetune(folder, data, "--output", tmp_path / "out", "--cut") == 0


def test_asking_what_is_no_classifier_is_one_line(folder, tmp_path, capsys):
    for model, words in [
        (folder, "holds no classifier"),
        (tmp_path / "none", "or use companion finetune classify"),
    ]:
        assert main(["classify", "--model", str(model), "a text"]) == 2
        assert words in capsys.readouterr().err
    data = write_csv(tmp_path / "a.csv", made(3))
    assert finetune(folder, data, "--output", tmp_path / "out") == 0
    capsys.readouterr()
    for words, says in [([" "], "TEXT is empty"), (["fine", LONG], "TEXT 2 has ")]:
        assert main(["classify", "--model", str(tmp_path / "out"), *words]) == 2
        assert says in (said := capsys.readouterr().err) and said.count("\n") == 1
    head = tmp_path / "out" / "head.safetensors"
    head.write_bytes(head.read_bytes()[: random.Random(0).randint(10, 90)])
    assert main(["classify", "--model", str(tmp_path / "out"), "a text"]) == 2
    assert "head.safetensors" in capsys.readouterr().err


def test_what_the_interval_says_of_the_model():
    assert verdict(0.1, 0.2, 20).startswith("the model is needed")
    assert "counting words is better, by 0.050 to 0.300" in verdict(-0.3, -0.05, 20)
    assert verdict(-0.1, 0.1, 1200).endswith("it adds nothing that 1,200 texts can show")
    assert share(3, 4).startswith("0.75 (0.30 to") and share(0, 0) == "none was called so"


def test_a_report_says_how_far_each_share_can_be_trusted(folder, tmp_path, capsys):
    assert finetune(folder, write_csv(tmp_path / "a.csv", made()), "--output", tmp_path / "out") == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["interval"][1] - report["interval"][0] > 0.1  # also where all 14 are right
    assert len(report["gain over words"]) == 2 and "14 texts can show" in said
    assert "recall (95 %)" in said and "0 is best" in said and "held out" in said
    told = said.splitlines()[-1]
    learned, held = hold_out_by_class([label for _, label in made()], 0.2, 0)
    assert any(made()[i][0][:60] in told for i in held) and not any(made()[i][0] in told for i in learned)


@pytest.mark.gate
def test_an_adapter_is_written_alone_and_asked(folder, tmp_path, capsys):
    data, out = write_csv(tmp_path / "weather.csv", made()), tmp_path / "out"
    steps = ["--passes", 4, "--lr", 0.02, "--method", "lora", "--rank", 2]
    assert finetune(folder, data, "--output", out, *steps) == 0
    assert "learned from 58 texts" in capsys.readouterr().out
    files = {path.name for path in out.iterdir() if path.name[0] != "."}
    assert "model.safetensors" not in files and {"adapter_model.safetensors", HEAD} < files
    assert json.loads((out / "report.json").read_text("utf-8"))["accuracy"] > 0.6
    assert json.loads((out / "adapter_config.json").read_text("utf-8"))["r"] == 2
    assert main(["classify", "--model", str(out), "day 40, the sea is warm"]) == 0
    assert capsys.readouterr().out.startswith("sun")
    assert finetune(folder, data, "--output", out, "--overwrite", *steps) == 0


LORA = ["--passes", 4, "--lr", 0.02, "--method", "lora", "--rank", 2]
KINDS = {"full": ([], WHOLE), "lora": (LORA, ADAPTER)}


def names(folder):
    return {path.name for path in folder.iterdir() if path.name[0] != "."}


@pytest.mark.gate
@pytest.mark.parametrize(("first", "then"), [("full", "lora"), ("lora", "full")])
def test_what_the_other_kind_left_is_gone(folder, tmp_path, capsys, first, then):
    data, out = write_csv(tmp_path / "weather.csv", made()), tmp_path / "out"
    assert finetune(folder, data, "--output", out, *KINDS[first][0]) == 0
    assert finetune(folder, data, "--output", out, "--overwrite", *KINDS[then][0]) == 0
    assert finetune(folder, data, "--output", tmp_path / "new", *KINDS[then][0]) == 0
    assert names(out) == names(tmp_path / "new") and set(KINDS[then][1]) < names(out)
    assert main(["classify", "--model", str(out), "day 40, the sea is warm"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("sun")


@pytest.mark.gate
@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_while_the_pictures_are_drawn_leaves_none_of_another_classifier(
    kind, folder, tmp_path, capsys, monkeypatch
):
    data, out = write_csv(tmp_path / "weather.csv", made()), tmp_path / "out"
    argv = ["--output", out, "--overwrite", *KINDS[kind][0]]
    assert finetune(folder, data, *argv) == 0
    before = (out / HEAD).read_bytes()

    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("companion.show.classes.save", stop)
    argv = ["finetune", "classify", "--model", folder, "--data", data, *argv, "--seed", 5]
    fails(capsys, argv, 130, "stopped before the report", f"saved in {out}")
    assert (out / HEAD).read_bytes() != before and names(out) == {HEAD, *KINDS[kind][1]}


@pytest.mark.gate
@pytest.mark.parametrize(("first", "then"), [("full", "lora"), ("lora", "full"), ("lora", "lora")])
@pytest.mark.parametrize("place", ["writing", "moving"])
def test_a_kill_between_leaves_no_mixture(folder, tmp_path, capsys, monkeypatch, first, then, place):
    data, out, text = write_csv(tmp_path / "weather.csv", made()), tmp_path / "out", "day 40, the sea is warm"
    assert finetune(folder, data, "--output", out, *KINDS[first][0]) == 0
    before, write, rename = load_classifier(out).classify([text]), write_safetensors, os.rename
    argv = ["--output", out, "--overwrite", "--seed", 5, *KINDS[then][0]]

    def stop_writing(path, *given):
        if path.name == KINDS[then][1][-1]:
            raise OSError("killed")
        write(path, *given)

    def stop_moving(source, target):
        if target == out / ".committed":
            raise OSError("killed")
        rename(source, target)

    with monkeypatch.context() as patch:
        for module in ("checkpoints", "adapters") if place == "writing" else ():
            patch.setattr(f"companion.runtime.{module}.write_safetensors", stop_writing)
        if place == "moving":
            patch.setattr("os.rename", stop_moving)
        assert finetune(folder, data, *argv) == 1
    capsys.readouterr()
    if place == "writing" or first == then:
        assert load_classifier(out).classify([text]) == before
    else:
        assert main(["classify", "--model", str(out), text]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert finetune(folder, data, *argv) == 0 and load_classifier(out).classify([text]) != before


@pytest.mark.gate
def test_a_folder_of_both_kinds_is_refused(folder, tmp_path, capsys):
    data, out = write_csv(tmp_path / "weather.csv", made()), tmp_path / "out"
    assert finetune(folder, data, "--output", out, *LORA) == 0
    assert finetune(folder, data, "--output", tmp_path / "full") == 0
    for path in (tmp_path / "full").glob("*.*"):
        shutil.copy(path, out)
    fails(capsys, ["classify", "--model", out, "a text"], 2, "a whole model and an adapter", "--overwrite")
    assert finetune(folder, data, "--output", out, "--overwrite") == 0
    assert main(["classify", "--model", str(out), "a text"]) == 0


@pytest.mark.gate
def test_an_adapter_of_a_seed_is_the_same_again(folder, tmp_path):
    data, kept = write_csv(tmp_path / "weather.csv", made()), []
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        assert finetune(folder, data, "--output", tmp_path / name, "--seed", seed, *LORA) == 0
        kept.append((tmp_path / name / "adapter_model.safetensors").read_bytes())
    assert kept[0] == kept[1] != kept[2]


def test_an_adapter_does_not_replace_its_own_model(folder, tmp_path, capsys):
    data, out = write_csv(tmp_path / "weather.csv", made()), tmp_path / "out"
    assert finetune(folder, data, "--output", out) == 0
    before = (out / "model.safetensors").read_bytes()
    assert finetune(out, data, "--output", out, "--overwrite", *LORA) == 2
    assert "is the model's own, which an adapter needs" in capsys.readouterr().err
    assert (out / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--rank", 4], "--rank is for --method lora"),
        (["--method", "lora", "--learn", "all"], "--learn is for --method full"),
        (["--method", "lora", "--rank", 400], "--rank=400 must be at most 24"),
        (["--method", "lora", "--rank", 0], "--rank"),
    ],
)
def test_options_of_an_adapter_that_do_not_fit(folder, tmp_path, capsys, more, message):
    data = write_csv(tmp_path / "weather.csv", made())
    try:
        assert finetune(folder, data, "--output", tmp_path / "out", *more) == 2
    except SystemExit as stop:
        assert stop.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('text,label\nelm,tree\n"oak"s,tree\n', 3),
        ('text,label\n"elm\nand oak",tree\n"oak"s,tree\n', 4),
        ('text,label\nelm,tree\n"oak,tree\nash,tree\n', 3),
        ('text,label\n"elm\nand oak"s,tree\n', 3),
    ],
)
def test_wrong_quotes_are_named_by_their_line(tmp_path, text, line):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=f"a.csv, line {line} is no CSV"):
        read_labelled(tmp_path / "a.csv")


def test_a_row_is_named_by_the_line_on_which_it_begins(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\n\n"elm\nand oak",tree\nash\n')
    with pytest.raises(ValueError, match="a.csv, line 5: label is missing"):
        read_labelled(tmp_path / "a.csv")
