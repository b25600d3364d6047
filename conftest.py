"""Settings for every test and every notebook's kernel."""

import os

# Two processes with two threads each on two cores take ten times as long as with one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Set where a notebook started the tests; their kernels would show controls, as if to a reader (widgets.py).
os.environ.pop("JPY_SESSION_NAME", None)
