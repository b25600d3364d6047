"""companion finetune classify and companion classify, on small files in each format, and on bad ones."""

import csv
import json

import pytest
from support.command_line import fails, said, save_tiny
from support.folders import visible

from companion.__main__ import main
from companion.cli.finetune.classify import share, verdict
from companion.gpt import GPTConfig
from companion.runtime.data.labelled_texts import distinct, hold_out_by_class, read_labelled
from companion.runtime.storage.classifier_files import ADAPTER_FILES, HEAD, MODEL_FILES, read_head
from companion.serve.classifying import load_classifier

SUNNY = ["day {}, the sea is warm", "day {}, the hill lies warm", "{} hours of sun, warm"]
RAINY = ["day {}, the roof is wet", "day {}, the road lies wet", "{} hours of fog, wet"]


def made(n=12):
    texts = [(words.format(k), "sun") for k in range(n) for words in SUNNY]
    return texts + [(words.format(k), "rain") for k in range(n) for words in RAINY]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model."""
    return save_tiny(tmp_path_factory.mktemp("tiny"), GPTConfig(300, 48, 2, 2, 24))


def write_csv(path, rows, header=("text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def weather(tmp_path):
    """A table of texts about the weather."""
    return write_csv(tmp_path / "weather.csv", made())


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def finetune(model, data, output, *options):
    """The command that makes a classifier."""
    argv = ["finetune", "classify", "--model", model, "--data", data, "--output", output, *options]
    return [str(word) for word in argv]


LEARN = {
    "head": ["--learn", "head"],
    "last": ["--learn", "last", "--passes", 4, "--lr", 0.01],
    "all": ["--learn", "all", "--passes", 4, "--lr", 0.01],
    "lora": ["--method", "lora", "--rank", 2, "--passes", 4, "--lr", 0.02],
}
LORA = LEARN["lora"]
KINDS = {"full": ([], MODEL_FILES), "lora": (LORA, ADAPTER_FILES)}


@pytest.mark.gate
@pytest.mark.parametrize("learn", LEARN)
def test_it_learns_reports_and_is_asked(folder, weather, out, capsys, learn):
    printed = said(capsys, finetune(folder, weather, out, *LEARN[learn]))
    assert "Trained on 58 texts, measured on 14 others." in printed and "word counts" in printed
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert sum(map(sum, report["confusion"])) == 14 and report["classes"] == ["rain", "sun"]
    low, high = report["interval"]
    assert 0 <= low <= report["accuracy"] <= high <= 1 and report["accuracy"] > 0.6
    assert (out / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert read_head(out)[1] == ["rain", "sun"]
    printed = said(capsys, ["classify", "--model", out, SUNNY[0].format(99), RAINY[0].format(99)])
    assert [line.split()[0] for line in printed.splitlines()] == ["sun", "rain"]


@pytest.mark.gate
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
    for part in hold_out_by_class(labels, 0.9, 5):
        assert sum(labels[i] == "c" for i in part) == 1


def test_texts_that_are_there_twice_are_left_out(folder, tmp_path, out, capsys):
    rows = made(4)
    data = write_csv(tmp_path / "a.csv", [*rows, (rows[0][0].upper() + " ", "sun"), rows[1]])
    assert len(distinct(read_labelled(data))) == 24
    assert main(finetune(folder, data, out)) == 0
    assert "Left out: 2 texts that are there twice" in capsys.readouterr().err


@pytest.mark.gate
def test_a_model_folder_that_holds_a_classifier_is_replaced_only_when_asked(folder, weather, out, capsys):
    assert main(finetune(folder, weather, out)) == 0
    before = (out / HEAD).read_bytes()
    fails(capsys, finetune(folder, weather, out), 2, "--overwrite")
    assert (out / HEAD).read_bytes() == before
    assert main(finetune(folder, weather, out, "--overwrite", "--seed", 3)) == 0
    (out / "mine.txt").write_text("x")
    fails(capsys, finetune(folder, weather, out, "--overwrite"), 2, "holds something else")


def test_the_texts_of_a_file_are_classified_into_another(folder, weather, out, tmp_path, capsys):
    assert main(finetune(folder, weather, out)) == 0
    asked = write_csv(tmp_path / "new.csv", [("1", SUNNY[0].format(99)), ("2", "=day")], ("id", "body"))
    argv = ["classify", "--model", out, "--data", asked]
    fails(capsys, argv, 2, "has no column 'text'; it has 'id', 'body': name it with --column")
    fails(capsys, [*argv, "a text"], 2, "TEXT and --data exclude each other")
    argv += ["--column", "body"]
    printed = said(capsys, argv)
    assert [line.split("  ")[2] for line in printed.splitlines()] == [SUNNY[0].format(99), "=day"]
    argv += ["--output", tmp_path / "classes.csv"]
    assert said(capsys, argv).startswith("2 texts: ")
    with (tmp_path / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == [line.split()[0] for line in printed.splitlines()]
    assert rows[1]["text"] == "'=day"  # which a spreadsheet does not run
    fails(capsys, argv, 2, "classes.csv is there already")


TEXT = "day 40, the sea is warm"
LONG = "word " * 200
BAD = {
    "no file": ("a.csv", None, "is no file"),
    "only a header": ("a.csv", "text,label\n", "has no rows"),
    "no such column": ("a.csv", "body,label\na,b\n", "has no column 'text'; it has 'body', '"),
    "no labels": ("a.csv", "text,kind\na,b\n", "name it with --label"),
    "a label is missing": ("a.csv", "text,label\na,x\nb,\n", "line 3: label is missing"),
    "a text is missing": ("a.csv", "text,label\n  ,x\nb,y\n", "line 2: text is missing"),
    "one class": ("a.csv", "text,label\na,x\nb,x\n", "all 2 texts have the label 'x'"),
    "too few": ("a.csv", "text,label\na,x\nb,x\nc,y\n", "label 'y' has 1 text, and needs two"),
    "two labels": ("a.csv", "text,label\na,x\nA,y\nc,y\n", "line 3: label 'y', and"),
    "a binary file": ("a.csv", "text,label\n\x00,x\n", "holds zero bytes"),
    "an open quote": ("a.csv", 'text,label\n"a,x\nb,y\n', "is no CSV"),
    "a comma in a text": ("a.csv", "text,label\na, b,x\n", "more fields than columns"),
    "too long": ("a.csv", f"text,label\na,x\nb,x\nc,y\n{LONG},y\n", "line 5 has "),
}


@pytest.mark.parametrize("file, content, message", BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_nothing_is_written(folder, tmp_path, out, capsys, file, content, message):
    if content is not None:
        (tmp_path / file).write_text(content, encoding="utf-8")
    assert main(finetune(folder, tmp_path / file, out)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and line.startswith("companion: ")
    assert not out.exists()


UNFIT = [
    ("--lr 0.1", "--lr works with --learn last"),
    ("--rank 4", "--rank works with --method lora only"),
    ("--method lora --learn all", "--learn works with --method full only"),
    ("--method lora --rank 400", "--rank=400 must be at most 24"),
]


@pytest.mark.parametrize("options, message", UNFIT)
def test_options_that_do_not_fit_are_one_line(folder, weather, out, capsys, options, message):
    fails(capsys, finetune(folder, weather, out, *options.split()), 2, message)
    assert not out.exists()


def test_long_texts_are_cut_where_asked(folder, tmp_path, out):
    data = write_csv(tmp_path / "a.csv", [(f"{text} {LONG}", label) for text, label in made(3)])
    assert main(finetune(folder, data, out, "--cut")) == 0


def test_asking_what_is_no_classifier_is_one_line(folder, tmp_path, out, capsys):
    fails(capsys, ["classify", "--model", folder, "a text"], 2, "holds no classifier")
    fails(capsys, ["classify", "--model", tmp_path / "none", "a text"], 2, f"is not there, nor its {HEAD}")
    assert main(finetune(folder, write_csv(tmp_path / "a.csv", made(3)), out)) == 0
    fails(capsys, ["classify", "--model", out, " "], 2, "TEXT is empty")
    fails(capsys, ["classify", "--model", out, "fine", "--column", "a"], 2, "--column works with --data only")
    fails(capsys, ["classify", "--model", out, "fine", LONG], 2, "TEXT 2 has ")
    (out / HEAD).write_bytes((out / HEAD).read_bytes()[:50])
    fails(capsys, ["classify", "--model", out, "a text"], 2, HEAD)


def test_what_the_interval_says_of_the_model():
    assert verdict(0.1, 0.2, 20).startswith("The model is right more often than word counts, by 0.100")
    assert "Word counts are right more often than the model, by 0.050 to 0.300" in verdict(-0.3, -0.05, 20)
    assert verdict(-0.1, 0.1, 1200).endswith("1,200 texts are too few to show a difference.")
    assert share(3, 4).startswith("0.75 (0.30 to") and share(0, 0) == "none was called so"


def test_a_report_says_how_far_each_share_can_be_trusted(folder, weather, out, capsys):
    printed = said(capsys, finetune(folder, weather, out))
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report["interval"][1] - report["interval"][0] > 0.1  # also where all 14 are right
    assert len(report["gain over words"]) == 2 and "14 texts are too few to show" in printed
    assert "recall (95 %)" in printed and "0 is best" in printed and "held out" in printed
    shown = printed.splitlines()[-1]
    learned, held = hold_out_by_class([label for _, label in made()], 0.2, 0)
    assert any(made()[i][0][:60] in shown for i in held)
    assert not any(made()[i][0] in shown for i in learned)


@pytest.mark.gate
@pytest.mark.parametrize(("first", "then"), [("full", "lora"), ("lora", "full")])
def test_a_classifier_that_is_replaced_leaves_no_file_of_its_own(folder, weather, out, first, then):
    """That a kill leaves all old files or all new ones is shown in runtime/test_atomic.py."""
    assert main(finetune(folder, weather, out, *KINDS[first][0])) == 0
    before = load_classifier(out).classify([TEXT])
    assert main(finetune(folder, weather, out, "--overwrite", "--seed", 5, *KINDS[then][0])) == 0
    assert load_classifier(out).classify([TEXT]) != before
    assert {*visible(out)} == {HEAD, *KINDS[then][1], "report.json", "confusion.png"}


def test_an_adapter_does_not_replace_its_own_model(folder, weather, out, capsys):
    assert main(finetune(folder, weather, out)) == 0
    before = (out / "model.safetensors").read_bytes()
    message = "is the model's own, which an adapter needs"
    fails(capsys, finetune(out, weather, out, "--overwrite", *LORA), 2, message)
    assert (out / "model.safetensors").read_bytes() == before


FAULTS = [
    ('text,label\nelm,tree\n"oak"s,tree\n', "line 3 is no CSV"),
    ('text,label\n"elm\nand oak",tree\n"oak"s,tree\n', "line 4 is no CSV"),
    ('text,label\nelm,tree\n"oak,tree\nash,tree\n', "line 4 is no CSV"),
    ('text,label\n"elm\nand oak"s,tree\n', "line 3 is no CSV"),
    ('text,label\n\n"elm\nand oak",tree\nash\n', "line 5: label is missing"),
]


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_a_fault_is_named_by_its_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=f"a.csv, {message}"):
        read_labelled(tmp_path / "a.csv")
