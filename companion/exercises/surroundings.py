"""Everything around an answer that it might change: known at its beginning, put back at its end."""

import contextlib
import decimal
import gc
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

SIGNALS = "INT TERM HUP BREAK ALRM VTALRM PROF USR1 USR2 CHLD PIPE WINCH".split()
"""Those for which a program sets handlers."""


@contextlib.contextmanager
def kept_state() -> Iterator[None]:
    """Begin with known random states and torch's defaults; at the end, put everything back."""
    restore: list[Callable[[], Any]] = []
    for keep in (keep_python, keep_process, keep_signals, keep_numpy, keep_pyplot, keep_torch):
        restore += keep()
    inside = contextlib.ExitStack()
    inside.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")  # some come once only, and a verdict is the same each time
    if torch := sys.modules.get("torch"):
        inside.enter_context(torch.inference_mode(False))
        torch.set_grad_enabled(True)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            inside.close()
        for put_back in reversed(restore):
            with contextlib.suppress(Exception):  # one that fails must not keep the others
                put_back()


def keep_python() -> list[Callable]:
    """The interpreter: streams, path, hooks, limits, random numbers, logging."""
    names = "stdin stdout stderr path argv displayhook excepthook unraisablehook".split()
    held = {name: getattr(sys, name) for name in names}
    path, argv = list(sys.path), list(sys.argv)
    depth, traced, profiled = sys.getrecursionlimit(), sys.gettrace(), sys.getprofile()
    switch, collecting, thresholds = sys.getswitchinterval(), gc.isenabled(), gc.get_threshold()
    root, numbers = logging.root, decimal.getcontext().copy()
    level, disabled, handlers = root.level, root.manager.disable, list(root.handlers)
    state = random.getstate()
    random.seed(0)

    def put_back():
        sys.setrecursionlimit(depth)
        for name, value in held.items():
            setattr(sys, name, value)
        sys.path[:], sys.argv[:] = path, argv
        if sys.gettrace() is not traced:
            sys.settrace(traced)
        if profiled is None and sys.getprofile() is not None:
            sys.setprofile(None)
        sys.setswitchinterval(switch)
        (gc.enable if collecting else gc.disable)()
        gc.set_threshold(*thresholds)
        root.handlers[:] = handlers
        if (root.level, root.manager.disable) != (level, disabled):
            root.level, root.manager.disable = level, disabled
            root.manager._clear_cache()
        decimal.setcontext(numbers)

    return [put_back, lambda: random.setstate(state)]


def keep_process() -> list[Callable]:
    """The working directory and the environment."""
    environment = dict(os.environ)

    def put_back():
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)

    with contextlib.suppress(OSError):
        folder = os.getcwd()
        return [put_back, lambda: os.chdir(folder)]
    return [put_back]


def keep_signals() -> list[Callable]:
    """Handlers of signals, and the alarm clock; only the main thread may set them."""
    if threading.current_thread() is not threading.main_thread():
        return []
    known = [getattr(signal, f"SIG{name}", None) for name in SIGNALS]
    handlers = {number: signal.getsignal(number) for number in known if number is not None}
    begin = time.monotonic()
    clock = hasattr(signal, "setitimer")
    left, interval = signal.getitimer(signal.ITIMER_REAL) if clock else (0.0, 0.0)

    def put_back():
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if clock:
            rest = max(left - (time.monotonic() - begin), 0.001) if left else 0.0
            if abs(signal.getitimer(signal.ITIMER_REAL)[0] - rest) > 0.05 and (rest > 0.05 or not left):
                signal.setitimer(signal.ITIMER_REAL, rest, interval)

    return [put_back]


def keep_numpy() -> list[Callable]:
    """NumPy's random numbers, printing and warnings of numbers."""
    numpy = sys.modules.get("numpy")
    if not numpy:
        return []
    state, options, errors = numpy.random.get_state(), numpy.get_printoptions(), numpy.geterr()
    numpy.random.seed(0)
    return [
        lambda: numpy.random.set_state(state),
        lambda: numpy.set_printoptions(**options),
        lambda: numpy.seterr(**errors),
    ]


def keep_pyplot() -> list[Callable]:
    """Open figures: an answer's are closed. Settings of matplotlib."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if not pyplot:
        return []
    settings, before = sys.modules["matplotlib"].rcParams, set(pyplot.get_fignums())
    held = {name: dict.__getitem__(settings, name) for name in dict.keys(settings)}

    def put_back():
        for number in set(pyplot.get_fignums()) - before:
            pyplot.close(number)
        dict.update(settings, held)

    return [put_back]


def keep_torch() -> list[Callable]:
    """torch's defaults, which are those of a fresh start inside, its modes, and its random numbers."""
    torch = sys.modules.get("torch")
    if not torch:
        return []
    modes = list(torch.overrides._get_current_function_mode_stack())
    held = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    current = getattr(sys.modules.get("torch.utils._device"), "CURRENT_DEVICE", None)
    if held is not None:
        torch.set_default_device(None)
    dtype, grad, random_state = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_rng_state()
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    exact, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    anomalies, printing = torch.is_anomaly_enabled(), vars(torch._tensor_str.PRINT_OPTS).copy()
    cast = {
        kind: (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")
    }
    depth, caching = torch.autocast_increment_nesting(), torch.is_autocast_cache_enabled()
    torch.autocast_decrement_nesting()
    for kind in cast:
        torch.set_autocast_enabled(kind, False)
    torch.set_default_dtype(torch.float32)
    torch.default_generator.manual_seed(0)

    def put_back_modes():  # such as the default device, and `with torch.device(...)` that was not left
        stack = torch.overrides._get_current_function_mode_stack
        if list(map(id, stack())) != list(map(id, modes)):
            for _ in stack():
                torch.overrides._pop_mode()
            for mode in modes:
                torch.overrides._push_mode(mode)
        torch._GLOBAL_DEVICE_CONTEXT.device_context = held
        if devices := sys.modules.get("torch.utils._device"):  # imported with the first use
            devices.CURRENT_DEVICE = current

    def put_back_autocast():
        for kind, (enabled, number_format) in cast.items():
            torch.set_autocast_enabled(kind, enabled)
            torch.set_autocast_dtype(kind, number_format)
        torch.set_autocast_cache_enabled(caching)
        for _ in range(torch.autocast_increment_nesting() - depth + 1):
            torch.autocast_decrement_nesting()
        torch.clear_autocast_cache()

    def put_back_algorithms():
        now = torch.are_deterministic_algorithms_enabled()
        if (now, torch.is_deterministic_algorithms_warn_only_enabled()) != (exact, warns):
            torch.use_deterministic_algorithms(exact, warn_only=warns)  # the first call takes seconds

    def put_back_threads():
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    return [
        lambda: torch.set_rng_state(random_state),
        lambda: torch.set_default_dtype(dtype),
        put_back_threads,
        lambda: torch.set_float32_matmul_precision(precision),
        put_back_algorithms,
        lambda: torch.set_anomaly_enabled(anomalies) if torch.is_anomaly_enabled() != anomalies else None,
        lambda: vars(torch._tensor_str.PRINT_OPTS).update(printing),
        put_back_autocast,
        lambda: torch.set_grad_enabled(grad),
        put_back_modes,
    ]
