"""A row of tokens in several files: sliced as one array is, without being one."""

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from companion.runtime.data import long_rows
from companion.runtime.data.long_rows import LongRow
from companion.runtime.files.arguments import token_row
from companion.runtime.text.fingerprints import tokens_fingerprint


def written(folder, lengths, dtype=np.uint16):
    """The row of files of these lengths, and the same numbers as one array."""
    whole = np.random.default_rng(3).integers(0, 60_000, sum(lengths)).astype(dtype)
    paths = [folder / f"{n}.bin" for n in range(len(lengths))]
    for path, piece in zip(paths, np.split(whole, np.cumsum(lengths)[:-1]), strict=True):
        path.write_bytes(piece.tobytes())
    return LongRow(paths, lengths, dtype), whole


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=7),
    st.lists(st.tuples(st.integers(-70, 70) | st.none(), st.integers(-70, 70) | st.none()), max_size=20),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_sliced_like_an_array(tmp_path, lengths, slices):
    row, whole = written(tmp_path, lengths)
    assert len(row) == len(whole) and row.shape == whole.shape and row.size == whole.size
    for start, stop in slices:
        assert np.array_equal(row[start:stop], whole[start:stop]) and row[start:stop].dtype == whole.dtype
    assert np.array_equal(np.asarray(row), whole)
    if len(whole):
        where = np.random.default_rng(len(whole)).integers(-len(whole), len(whole), (4, 3))
        assert np.array_equal(row[where], whole[where]) and np.array_equal(
            row[where[0].tolist()], whole[where[0]]
        )
        assert row[-1] == whole[-1] and isinstance(row[0], np.uint16) and list(row) == whole.tolist()


def test_a_slice_within_a_file_is_a_view_and_few_files_are_open(tmp_path, monkeypatch):
    monkeypatch.setattr(long_rows, "OPEN", 3)
    row, whole = written(tmp_path, [5] * 40, np.uint32)
    assert np.array_equal(row[::1], whole) and row.mapped.cache_info().currsize == 3
    assert isinstance(row[6:9], np.memmap) and not row[6:9].flags.owndata
    assert np.array_equal(row[np.arange(199, -1, -1)], whole[::-1])


@pytest.mark.parametrize("where", [12, -13, [0, 12], 0.5, "0"])
def test_an_index_that_is_none(tmp_path, where):
    with pytest.raises(IndexError, match="out of bounds for 12 tokens|is no index"):
        written(tmp_path, [5, 0, 7])[0][where]


def test_slices_with_steps_are_refused(tmp_path):
    with pytest.raises(ValueError, match="step=2 must be 1"):
        written(tmp_path, [5, 7])[0][::2]


def test_it_goes_where_tokens_go_and_is_never_copied_whole(tmp_path, monkeypatch):
    row, whole = written(tmp_path, [50, 0, 31])
    monkeypatch.setattr(LongRow, "__array__", None)
    assert token_row(row) is row
    assert np.array_equal(pickle.loads(pickle.dumps(row))[45:60], whole[45:60])
    monkeypatch.setattr("companion.runtime.text.fingerprints.PIECE", 7)
    assert tokens_fingerprint(row) == tokens_fingerprint(whole)
