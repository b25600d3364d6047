"""Work in a process that ends when it takes too long: answers, errors, and every way in which it can end."""

import os
import signal
import sys
import threading
import time

import pytest

from companion.runtime.files.time_limits import Bounded, Ended

HERE = "test_time_limits"


def make_worker(setup):
    """What the other process answers with. It is imported there from this file."""

    def answer(question):
        what, *more = question
        if what == "raise":
            raise {"ValueError": ValueError, "TypeError": TypeError, "KeyError": KeyError}[more[0]](more[1])
        if what == "loop":
            while True:
                pass
        if what == "compiled":
            sum(range(10**18))  # one call into C that keeps Python's one lock
        if what == "exit":
            os._exit(7)
        if what == "print":
            print("into the answers")
            os.write(1, b"into the answers")
            return "printed"
        return [os.getpid(), setup, more]

    return answer


@pytest.fixture
def bounded(monkeypatch):
    """A function that makes a worker with a limit of time, which ends with the test."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    made = []

    def make(seconds=60.0, setup="é\ud800"):
        made.append(Bounded(f"{HERE}:make_worker", setup, seconds))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def test_one_process_answers_every_question(bounded):
    worker = bounded()
    (first, setup, more), (second, *_) = worker.ask(["who", {"a": [1.5, None]}]), worker.ask(["who"])
    assert first == second != os.getpid() and setup == "é\ud800" and more == [{"a": [1.5, None]}]
    assert worker.ask(["print"]) == "printed"


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_its_errors_are_raised_here_and_it_goes_on(bounded, kind):
    worker = bounded()
    with pytest.raises(kind, match="^no$"):
        worker.ask(["raise", kind.__name__, "no"])
    with pytest.raises(ValueError, match="KeyError: 'no'"):
        worker.ask(["raise", "KeyError", "no"])
    assert worker.ask(["who"])


@pytest.mark.gate
@pytest.mark.parametrize("how", ["loop", "compiled"])
def test_what_never_ends_is_ended_and_another_process_goes_on(bounded, how):
    worker = bounded(seconds=0.5)
    before = worker.ask(["who"])[0]
    with pytest.raises(Ended, match="did not end within 0.5 seconds") as ended:
        worker.ask([how])
    assert ended.value.late and worker.ask(["who"])[0] != before


def test_a_process_that_fails_is_not_called_late(bounded):
    worker = bounded()
    with pytest.raises(Ended, match="failed in a way") as ended:
        worker.ask(["exit"])
    assert not ended.value.late and worker.ask(["who"])


def test_a_maker_that_fails_says_why_for_each_question(bounded):
    worker = Bounded("companion.runtime.files.time_limits:nothing")
    for _ in range(2):
        with pytest.raises(ValueError, match="AttributeError: .*nothing"):
            worker.ask([])
    worker.close()


def test_closing_ends_it_in_the_middle_of_a_question(bounded):
    worker, said = bounded(), []
    worker.ask(["who"])

    def ask():
        with pytest.raises(Ended):
            worker.ask(["loop"])
        said.append("ended")

    asks = threading.Thread(target=ask)
    asks.start()
    worker.close()
    asks.join(20)
    assert said == ["ended"]
    with pytest.raises(Ended):
        worker.ask(["who"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_has_a_process_of_its_own(bounded):
    worker = bounded()
    pid = worker.ask(["who"])[0]
    child = os.fork()
    if child == 0:
        os._exit(0 if worker.ask(["who"])[0] != pid else 1)
    assert os.waitpid(child, 0)[1] == 0 and worker.ask(["who"])[0] == pid


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent in another way")
def test_after_ctrl_c_the_next_answer_is_of_the_next_question(bounded):
    worker = bounded()
    worker.ask(["who"])
    main = threading.main_thread().ident
    timer = threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        while True:
            worker.ask(["loop"])
    timer.join()
    assert worker.ask(["who", 3])[2] == [3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_it_ends_with_the_process_that_started_it(bounded):
    """Also when that is killed in the middle of a question."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        worker = bounded(seconds=1.0)
        os.write(writes, f"{worker.ask(['who'])[0]}\n".encode())
        threading.Thread(target=worker.ask, args=[["loop"]], daemon=True).start()
        time.sleep(60)
    os.close(writes)
    pid = int(os.read(reads, 100))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    until = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < until
        time.sleep(0.05)
    os.close(reads)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = f"/proc/{pid}/stat"  # ended, and not yet fetched by its parent
    return not (os.path.exists(stat) and open(stat).read().rpartition(")")[2].split()[0] == "Z")
