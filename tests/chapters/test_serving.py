"""Rows that join and leave a running batch: each gets the tokens that it would get alone."""

import time
from queue import Full

import pytest
import torch

from companion.caching import SlidingCache
from companion.generation import generate
from companion.gpt import GPTConfig, gpt2
from companion.modern import LlamaConfig, swift
from companion.runtime.generation.sampling_arguments import seeded
from companion.serving import ContinuousBatch, Engine, Request, prompt_row

SHAPE = {"vocab_size": 23, "context_length": 40, "n_layers": 3, "n_heads": 2, "d_model": 12}
MAKERS = {
    "gpt2": lambda: gpt2(GPTConfig(**SHAPE)),
    "swift": lambda: swift(LlamaConfig(**SHAPE | {"n_heads": 3, "n_kv_heads": 1, "d_ff": 10})),
}


@pytest.fixture(params=MAKERS)
def model(request):
    torch.manual_seed(3)
    made = MAKERS[request.param]().eval()
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return made


def requests(n=9, temperature=1.0):
    """Prompts and answers of many lengths; some end by themselves."""
    rng = torch.Generator().manual_seed(5)
    made = []
    for i in range(n):
        prompt = torch.randint(23, (1 + (i * 5) % 11,), generator=rng).tolist()
        options = {"temperature": temperature} | ({"top_p": 0.8} if i % 3 == 1 else {})
        made.append(Request(prompt, 1 + (i * 7) % 29, stop=4, options=options, seed=i))
    return made


def alone(model, request):
    """The tokens that generate gives a request by itself."""
    row, cache = torch.tensor([request.tokens]), SlidingCache(model.config, 1)
    drawn = generate(
        model,
        row,
        request.max_new_tokens,
        stop=request.stop,
        generator=seeded(request.seed),
        cache=cache,
        **request.options,
    )
    return drawn[0].tolist()


def serve_all(batch, waiting):
    waiting, most = list(waiting), 0
    while waiting or batch.rows:
        while waiting and len(batch.rows) < batch.slots:
            batch.join(waiting.pop(0))
        most = max(most, len(batch.rows))
        batch.step()
    return most


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_each_row_gets_what_it_would_get_alone(model, temperature):
    asked = requests(temperature=temperature)
    assert serve_all(ContinuousBatch(model, 3), asked) == 3
    for request in asked:
        assert request.drawn == alone(model, request)
        assert request.finish == ("stop" if request.drawn[-1] == 4 else "length")
    if temperature:
        assert len({request.finish for request in asked}) == 2


def test_a_request_that_does_not_fit_is_an_error(model):
    batch = ContinuousBatch(model, 1)
    batch.join(Request([1], 5))
    with pytest.raises(ValueError, match="slots=1 are taken"):
        batch.join(Request([1], 5))
    with pytest.raises(ValueError, match="context of 49 tokens"):
        prompt_row(model, Request([1] * 10, 40))
    with pytest.raises(ValueError, match="top_p"):
        prompt_row(model, Request([1], 4, options={"top_p": 2}))
    with pytest.raises(ValueError, match="slots=0"):
        ContinuousBatch(model, 0)


def test_prompts_that_are_read_in_chunks_give_the_same_tokens(model):
    asked = requests()
    batch = ContinuousBatch(model, 3, prefill_chunk=2)
    assert serve_all(batch, asked) == 3 and not batch.reading
    assert [request.drawn for request in asked] == [alone(model, request) for request in asked]


def test_the_other_rows_get_a_token_between_two_chunks_of_a_prompt(model):
    batch = ContinuousBatch(model, 3, prefill_chunk=4)
    first, long, short = Request([1], 9), Request([2] * 20, 1), Request([3] * 6, 1)
    batch.join(first)
    batch.join(long)  # its other four chunks wait for four steps
    batch.join(short)  # its second chunk does not wait until the long prompt is read
    finished = []
    for step in range(1, 6):
        batch.step()
        assert len(first.drawn) == step
        finished.append((short.finish, long.finish))
    assert finished == [(None, None)] + [("length", None)] * 3 + [("length", "length")]
    assert batch.rows == [first]


@pytest.fixture
def small():
    torch.manual_seed(3)
    return gpt2(GPTConfig(**SHAPE)).eval()


def waited(request):
    until = time.monotonic() + 120
    while request.finish is None:
        assert time.monotonic() < until, "the request hangs"
        time.sleep(0.005)
    return request.finish


def test_the_engine_serves_more_than_it_has_slots(small):
    engine, asked, streamed = Engine(small, 2, 50), requests(12), []
    asked[0].put = streamed.append
    engine.start()
    for request in asked:
        engine.submit(request)
    assert {waited(request) for request in asked} <= {"stop", "length"}
    assert all(request.drawn == alone(small, request) for request in asked)
    assert streamed == [*asked[0].drawn, None]
    engine.close()
    engine.join(10)
    assert not engine.is_alive()
    with pytest.raises(Full, match="closing"):
        engine.submit(Request([1], 2))


def test_the_queue_has_a_bound_and_late_requests_leave_it(small):
    engine = Engine(small, 1, 2)  # not started: nobody takes anything out
    engine.submit(Request([1], 2))
    late = Request([1], 2, deadline=time.monotonic() - 1)
    engine.submit(late)
    with pytest.raises(Full, match="2 requests"):
        engine.submit(Request([1], 2))
    engine.start()
    assert waited(late) == "late" and late.drawn == []
    engine.close()


@pytest.mark.parametrize("ending", ["late", "closed"])
def test_an_end_holds_while_a_prompt_is_read(small, monkeypatch, ending):
    engine, long, other = Engine(small, 2, 4), Request([1] * 30, 5), Request([2], 3)
    engine.batch.prefill_chunk = 4
    read, hidden = [], small.hidden

    def hidden_until_the_end(tokens, cache):
        read.append(tokens.shape[1])
        if len(read) == 3:
            if ending == "closed":
                engine.close()
            long.deadline = float("-inf") if ending == "late" else float("inf")
        return hidden(tokens, cache)

    monkeypatch.setattr(small, "hidden", hidden_until_the_end)
    engine.submit(long)
    engine.start()
    assert waited(long) == ending and long.drawn == []
    assert read == [4, 4, 4]  # and not the other 18 tokens
    if ending == "late":
        engine.submit(other)
        assert waited(other) == "length"
    assert not engine.batch.reading and not engine.batch.rows
    engine.close()


def test_a_failure_ends_the_running_requests_and_the_engine_goes_on(small):
    engine = Engine(small, 2, 4)
    weights = {name: p.clone() for name, p in small.state_dict().items()}
    small.norm.weight.data.fill_(float("nan"))
    broken = Request([1], 3)
    engine.submit(broken)
    engine.start()
    assert waited(broken).startswith("error: probs holds NaN")
    small.load_state_dict(weights)
    mended = Request([1], 3)
    engine.submit(mended)
    assert waited(mended) == "length"
    engine.close()


def test_a_repetition_penalty_is_an_error_in_a_shared_batch(small):
    engine = Engine(small, 2, 4)  # not started
    with pytest.raises(ValueError, match="options has repetition_penalty"):
        engine.submit(Request([1], 3, options={"repetition_penalty": 1.3}))
    assert not engine.queue
    engine.submit(Request([1], 3, options={"repetition_penalty": 1.0}))
