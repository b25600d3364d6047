"""Plain tables of the command line, and a dict as the rows of one."""

from companion.cli._shared import table
from companion.cli.info import flattened


def test_columns_are_aligned_and_numbers_stand_at_the_right():
    rows = [("name", "value", "meaning"), ("steps", "24,000", "how many"), ("lr", "0.3", "how fast")]
    assert table(rows, right=[1]).splitlines() == [
        "name    value  meaning",
        "steps  24,000  how many",
        "lr        0.3  how fast",
    ]


def test_a_dict_inside_of_a_dict_is_told_by_both_names():
    found = flattened({"steps": 24000, "train": {"lr": 0.3, "seed": 20261126}, "compile": False})
    assert found == [
        ("steps", "24,000"),
        ("train.lr", "0.3"),
        ("train.seed", "20261126"),
        ("compile", "False"),
    ]
