"""An index holds the same ids as a plain dictionary of sets, whatever came and went."""

from hypothesis import given
from hypothesis import strategies as st

from patchbay.intent.index import Index

steps = st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.sampled_from("1234")))


@given(steps)
def test_an_index_agrees_with_a_dictionary_of_sets(history: list[tuple[bool, str, str]]) -> None:
    index, plain = Index(), {}
    for comes, key, value_id in history:
        if comes:
            index.add(key, value_id)
            plain.setdefault(key, set()).add(value_id)
        else:
            index.discard(key, value_id)
            plain.get(key, set()).discard(value_id)
            plain = {k: ids for k, ids in plain.items() if ids}
        assert {k: set(ids) for k, ids in index.items()} == plain
        assert all(len(index[k]) == len(ids) for k, ids in plain.items())
