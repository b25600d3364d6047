"""Numbers as the chapters print them."""

import math

import pytest

from companion.show.numbers import power_above


@pytest.mark.parametrize(
    ("difference", "power"),
    [(4.8e-7, "1e-06"), (1e-6, "1e-06"), (1.01e-6, "1e-05"), (2.2e-4, "0.001"), (0.5, "1"), (30, "100")],
)
def test_a_difference_is_rounded_up_to_a_power_of_ten(difference, power):
    assert power_above(difference) == power


@pytest.mark.parametrize("difference", [0, 1e-12, 3e-8, 1e-7])
def test_below_what_float32_rounds_by_it_is_that(difference):
    assert power_above(difference) == "1e-07"


def test_in_float64_less_is_told_apart():
    assert [power_above(d, least=1e-16) for d in (5.7e-14, 2e-13, 0)] == ["1e-13", "1e-12", "1e-16"]


@pytest.mark.parametrize("difference", [-1e-6, math.inf, math.nan])
def test_what_is_no_difference_is_refused(difference):
    with pytest.raises(ValueError, match="difference="):
        power_above(difference)
