"""The exercises' checks: ``check("1.1", merge)`` says whether an answer is right, or where it goes wrong.

Written by hand, one module a chapter (``ch01.py`` …); README.md beside this file is the authors' guide.
"""

from companion.exercises.checker import check

__all__ = ["check"]
