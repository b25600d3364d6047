"""Plain tables: columns stand below each other, and long text goes on below its own column."""

from companion.cli._shared import table
from companion.cli.info import flattened


def test_columns_are_aligned_and_numbers_stand_at_the_right():
    rows = [("steps", "24,000", "how many"), ("lr", "0.3", "how fast")]
    assert table(rows, ("name", "value", "meaning"), right=[1]) == [
        "name    value  meaning",
        "steps  24,000  how many",
        "lr        0.3  how fast",
    ]


def test_a_long_last_column_goes_on_below_itself_and_no_path_is_broken():
    path = "/a/very-long/path/to/some/text.txt"
    assert table([("name", "some words that are too long")], width=26) == [
        "name  some words that are",
        "      too long",
    ]
    assert table([("name", path)], width=26) == [f"name  {path}"]


def test_a_dict_inside_of_a_dict_is_told_by_both_names():
    found = flattened({"steps": 24000, "train": {"lr": 0.3, "seed": 20261126}, "compile": False})
    assert found == [
        ("steps", "24,000"),
        ("train.lr", "0.3"),
        ("train.seed", "20261126"),
        ("compile", "False"),
    ]
