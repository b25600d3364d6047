"""Frequent questions in other words, and questions that are none of them, to choose an index and to test it.

The first half of each once chose a threshold; the second is what tests ask.
"""

from support.cases import cases

ASKED = cases(__file__)["asked"]
OTHERS = cases(__file__)["others"]


def halves(questions: list, asked: int = 22, others: int = 16) -> tuple[list, list]:
    """What the threshold was chosen on, and what is tested."""
    cut = asked if questions is ASKED else others
    return questions[:cut], questions[cut:]
