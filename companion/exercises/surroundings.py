"""Everything around an answer that it might change: known at its beginning, put back at its end."""

import contextlib
import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]
"""A function that reads a setting, and one that sets it to what was read."""

SIGNALS = "INT TERM HUP BREAK ALRM VTALRM PROF USR1 USR2 CHLD PIPE WINCH".split()
"""Those for which a program sets handlers."""


HELD = threading.local()
"""`HELD.random` is True in a thread that is inside `kept_random_numbers`."""


@contextlib.contextmanager
def kept_random_numbers() -> Iterator[None]:
    """Keep random numbers over several `kept_state`, which then need not: it is a third of what they do."""
    outside, kept = getattr(HELD, "random", False), read_all(random_settings)
    HELD.random = True
    try:
        yield
    finally:
        HELD.random = outside
        put_back(kept)


@contextlib.contextmanager
def kept_state() -> Iterator[None]:
    """Begin with known random states and torch's defaults; at the end, put everything back."""
    areas = AREAS if getattr(HELD, "random", False) else (random_settings, *AREAS)
    kept = read_all(*areas)
    begin_anew()
    inside = contextlib.ExitStack()
    inside.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")  # some come once only, and a verdict is the same each time
    if loaded := sys.modules.get("torch"):
        inside.enter_context(loaded.inference_mode(False))
        loaded.set_grad_enabled(True)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            inside.close()
        put_back(kept)


def read_all(*areas: Callable[[], Iterator[Setting]]) -> list[tuple[Callable[[Any], Any], Any]]:
    """What sets each setting, with what it is now."""
    kept = []
    for settings in areas:
        for read, write in settings():
            try:
                kept.append((write, read()))
            except Exception:
                continue  # what cannot be read cannot be put back
    return kept


def put_back(kept: list[tuple[Callable[[Any], Any], Any]]) -> None:
    """Set all as it was, the last first."""
    for write, value in reversed(kept):
        try:
            write(value)
        except Exception:
            continue  # one that fails must not keep the others


def begin_anew() -> None:
    """Seed all generators, give torch a fresh start's defaults, and let no destructor's error be told."""
    random.seed(0)
    sys.unraisablehook = lambda *_: None  # a stop may come in one, and telling it would be stopped again
    if loaded := sys.modules.get("numpy"):
        loaded.random.seed(0)
    if loaded := sys.modules.get("torch"):
        if default_device()[0] is not None:
            loaded.set_default_device(None)
        for kind in ("cpu", "cuda"):
            loaded.set_autocast_enabled(kind, False)
        loaded.set_default_dtype(loaded.float32)
        loaded.default_generator.manual_seed(0)


def attributes(owner: Any, *names: str) -> Iterator[Setting]:
    """The attributes of an object, each as a setting."""
    for name in names:
        yield partial(getattr, owner, name), partial(setattr, owner, name)


def contents(container: list | dict) -> Setting:
    """What is in a list or a dict."""

    def write(value: list | dict) -> None:
        container.clear()
        (container.update if isinstance(container, dict) else container.extend)(value)

    return container.copy, write


def if_changed(read: Callable, write: Callable) -> Setting:
    """A setting that is set only where it has changed, because setting it does more than that."""

    def write_if_changed(value: Any) -> None:
        now = read()
        comparable = type(now) is type(value) and type(now) in (bool, int, str, tuple)
        same = now == value if comparable else now is value
        if not same:
            write(value)

    return read, write_if_changed


def python_settings() -> Iterator[Setting]:
    """The interpreter: streams, paths, hooks, limits, logging."""
    names = "stdin stdout stderr displayhook excepthook unraisablehook breakpointhook path argv"
    yield from attributes(sys, *names.split())
    yield from map(contents, (sys.path, sys.argv, gc.callbacks))
    yield sys.getrecursionlimit, sys.setrecursionlimit
    yield sys.getswitchinterval, sys.setswitchinterval
    yield sys.get_int_max_str_digits, sys.set_int_max_str_digits
    yield if_changed(sys.gettrace, sys.settrace)
    yield if_changed(sys.getprofile, sys.setprofile)
    yield if_changed(threading.gettrace, threading.settrace)
    yield if_changed(threading.getprofile, threading.setprofile)
    yield gc.isenabled, lambda enabled: (gc.enable if enabled else gc.disable)()
    yield gc.get_threshold, lambda thresholds: gc.set_threshold(*thresholds)
    yield lambda: decimal.getcontext().copy(), decimal.setcontext
    yield contents(logging.root.handlers)
    yield if_changed(lambda: logging.root.level, logging.root.setLevel)
    yield if_changed(lambda: logging.root.manager.disable, logging.disable)


def process_settings() -> Iterator[Setting]:
    """The working directory, the environment, the locale, the rights of new files."""

    def set_environment(variables: dict) -> None:
        if dict(os.environ) != variables:
            os.environ.clear()
            os.environ.update(variables)

    def umask() -> int:
        mask = os.umask(0)
        os.umask(mask)
        return mask

    yield os.getcwd, os.chdir
    yield lambda: dict(os.environ), set_environment
    yield umask, os.umask
    yield if_changed(partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL))


def signal_settings() -> Iterator[Setting]:
    """Handlers of signals, and the alarm clock; only the main thread may set them."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (getattr(signal, f"SIG{name}", None) for name in SIGNALS):
        if number is not None:
            yield if_changed(partial(signal.getsignal, number), partial(signal.signal, number))
    if not hasattr(signal, "setitimer"):
        return
    begin = time.monotonic()

    def set_clock(clock: tuple[float, float]) -> None:
        left, interval = clock
        rest = max(left - (time.monotonic() - begin), 0.001) if left else 0.0
        if abs(signal.getitimer(signal.ITIMER_REAL)[0] - rest) > 0.05 and (rest > 0.05 or not left):
            signal.setitimer(signal.ITIMER_REAL, rest, interval)

    yield partial(signal.getitimer, signal.ITIMER_REAL), set_clock


def random_settings() -> Iterator[Setting]:
    """Python's and NumPy's random numbers; torch's are quickly kept, so they are among its settings."""
    yield random.getstate, random.setstate
    if loaded := sys.modules.get("numpy"):
        yield loaded.random.get_state, loaded.random.set_state


def numpy_settings() -> Iterator[Setting]:
    """NumPy's printing and warnings of numbers."""
    if loaded := sys.modules.get("numpy"):
        yield loaded.get_printoptions, lambda options: loaded.set_printoptions(**options)
        yield loaded.geterr, lambda errors: loaded.seterr(**errors)


def pyplot_settings() -> Iterator[Setting]:
    """Open figures, of which an answer's are closed, and settings of matplotlib."""
    loaded = sys.modules.get("matplotlib.pyplot")
    if not loaded:
        return
    settings = sys.modules["matplotlib"].rcParams

    def close_new(before: set[int]) -> None:
        for number in set(loaded.get_fignums()) - before:
            loaded.close(number)

    yield lambda: set(loaded.get_fignums()), close_new
    yield lambda: dict(dict.items(settings)), partial(dict.update, settings)


def torch_settings() -> Iterator[Setting]:
    """torch's defaults, its modes, and its random numbers."""
    loaded = sys.modules.get("torch")
    if not loaded:
        return
    yield loaded.get_rng_state, loaded.set_rng_state
    yield loaded.get_default_dtype, loaded.set_default_dtype
    yield if_changed(loaded.get_num_threads, loaded.set_num_threads)
    yield loaded.get_float32_matmul_precision, loaded.set_float32_matmul_precision
    yield if_changed(  # the first call takes seconds
        lambda: (
            loaded.are_deterministic_algorithms_enabled(),
            loaded.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda held: loaded.use_deterministic_algorithms(held[0], warn_only=held[1]),
    )
    yield if_changed(loaded.is_anomaly_enabled, loaded.set_anomaly_enabled)
    yield contents(vars(loaded._tensor_str.PRINT_OPTS))
    yield lambda: flushes_tiny_numbers(loaded), loaded.set_flush_denormal
    yield from attributes(loaded.backends.mkldnn, "enabled")
    yield from attributes(loaded.backends.cudnn, "enabled", "benchmark", "deterministic", "allow_tf32")
    yield loaded.is_grad_enabled, loaded.set_grad_enabled
    for kind in ("cpu", "cuda"):
        yield partial(loaded.is_autocast_enabled, kind), partial(loaded.set_autocast_enabled, kind)
        yield partial(loaded.get_autocast_dtype, kind), partial(loaded.set_autocast_dtype, kind)
    yield loaded.is_autocast_cache_enabled, loaded.set_autocast_cache_enabled
    yield partial(autocasts, loaded), partial(leave_autocasts, loaded)
    yield loaded.overrides._get_current_function_mode_stack, partial(set_modes, loaded)
    yield default_device, set_default_device


def flushes_tiny_numbers(torch: Any) -> bool:
    """Whether numbers too small for full precision are taken for 0."""
    smallest = torch.tensor(5e-324, dtype=torch.float64, device="cpu")
    return (smallest * 1).item() == 0


def autocasts(torch: Any) -> int:
    """How many autocast blocks have been entered and not left."""
    depth = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    return depth


def leave_autocasts(torch: Any, depth: int) -> None:
    """Leave the autocast blocks that an answer entered."""
    for _ in range(autocasts(torch) - depth):
        torch.autocast_decrement_nesting()
    torch.clear_autocast_cache()


def default_device() -> tuple[Any, Any]:
    """torch's default device, in the two places where torch keeps it."""
    devices = sys.modules.get("torch.utils._device")  # imported with the first use
    context = sys.modules["torch"]._GLOBAL_DEVICE_CONTEXT
    return getattr(context, "device_context", None), getattr(devices, "CURRENT_DEVICE", None)


def set_default_device(places: tuple[Any, Any]) -> None:
    sys.modules["torch"]._GLOBAL_DEVICE_CONTEXT.device_context = places[0]
    if devices := sys.modules.get("torch.utils._device"):
        devices.CURRENT_DEVICE = places[1]


def set_modes(torch: Any, modes: list) -> None:
    """Modes such as the default device, and `with torch.device(...)` that was not left."""
    stack = torch.overrides._get_current_function_mode_stack
    if list(map(id, stack())) != list(map(id, modes)):
        for _ in stack():
            torch.overrides._pop_mode()
        for mode in modes:
            torch.overrides._push_mode(mode)


AREAS = (python_settings, process_settings, signal_settings, numpy_settings, pyplot_settings, torch_settings)
"""What is kept, in the order in which it is read; it is put back in the opposite order."""
