"""Names in little memory are what a sorted list of them is."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_data.datasets.names import Names

TEXTS = st.text("/.0aé\U0001f600", max_size=6)


@given(st.sets(TEXTS), TEXTS)
def test_they_are_a_sorted_list(texts, other):
    listed, names = sorted(texts), Names()
    for text in listed:
        names.append(text)
    assert list(names) == listed
    assert len(names) == len(listed)
    assert [names[place] for place in range(-len(listed), len(listed))] == listed * 2
    assert names[1:-1] == listed[1:-1]
    assert (other in names) == (other in listed)
    assert all(text in names for text in listed)
    assert list(pickle.loads(pickle.dumps(names))) == listed
    for place in (len(listed), -len(listed) - 1):
        with pytest.raises(IndexError):
            names[place]


def test_what_is_no_name_is_not_among_them():
    names = Names()
    names.append("a")
    assert None not in names
    assert "" not in names
