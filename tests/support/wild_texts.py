"""Texts that nobody writes, for tests of tokenizers."""

from hypothesis import strategies as st


def wild_text(parts, letters="", **options):
    """Texts of odd characters, of any, and of these parts, in any order; options: those of st.lists."""
    odd = st.text(st.sampled_from("ab \n\r\t'sé—🙂\x00½" + letters), max_size=9)
    return st.lists(st.one_of(odd, st.text(max_size=5), st.sampled_from(parts)), **options).map("".join)
