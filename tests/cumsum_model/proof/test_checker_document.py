"""The checker parses a certificate one length at a time: it reads what `json` reads, in less memory, and no more."""

import json
import tracemalloc

import pytest
from certificates import SHA, tampered, verify, weights_of
from hypothesis import given
from hypothesis import strategies as st

from cumsum_model.proof.check.checker import Rejected, check
from cumsum_model.proof.check.document import MOST_CHARACTERS, taken_apart

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3),
    max_leaves=10,
)


def read(text, most=100, most_characters=10_000):
    document = taken_apart(text, "lengths", most, most_characters)
    return {name: list(part) if name == "lengths" else part for name, part in document.items()}


@given(st.dictionaries(st.text(max_size=3), ANY_JSON, max_size=4), st.lists(ANY_JSON, max_size=4), st.data())
def test_what_is_read_is_what_json_reads(rest, lengths, data):
    names = data.draw(st.permutations([*rest, "lengths"]))
    text = json.dumps({name: rest.get(name, lengths) for name in names}, indent=data.draw(st.sampled_from([None, 1])))
    if not lengths:
        with pytest.raises(ValueError, match=r"Expecting value"):
            read(text)
        return
    assert read(text) == json.loads(text)
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(ValueError, match=r"."):
        read(text[:cut])


def test_an_element_is_found_by_its_place():
    document = taken_apart('{"lengths": [ {"a": 1} ,\n[2, 3], "four"], "b": 5}', "lengths", 3, 100)
    assert len(document["lengths"]) == 3
    assert [document["lengths"][index] for index in (2, 0, 1)] == ["four", {"a": 1}, [2, 3]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"a": 1',
        '{"a" 1}',
        '{"a": 1,}',
        "{a: 1}",
        "{1: 1}",
        '{"a": 1} {}',
        '{"a": 1, "a": 1}',
        '{"lengths": [1], "lengths": [1]}',
        '{"lengths": 1}',
        '{"lengths": [1,]}',
        '{"lengths": [1 2]}',
        '{"lengths": [1}',
        '{"lengths": ["' + "x" * 10_000 + '"]}',
        '{"lengths": [1' + "0" * 10_000 + "]}",
        '{"a": "' + "x" * MOST_CHARACTERS + '"}',
        "{" + ", ".join(f'"{n}": 1' for n in range(101)) + "}",
    ],
    ids=lambda text: text[:25],
)
def test_what_is_no_such_object_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read(text)


def test_more_lengths_than_the_checkpoint_has_are_rejected_before_they_are_counted(short, document):
    with pytest.raises(Rejected, match="it has more lengths than the 4 of the checkpoint"):
        verify(tampered(document, lambda d: d["lengths"].extend([0] * 1000)), short)


def test_names_may_come_in_any_order(short, document):
    reversed_ = dict(reversed(document.items()))
    assert next(iter(reversed_)) != next(iter(document))
    assert verify(reversed_, short).stated == verify(document, short).stated


@pytest.mark.parametrize("part", ["[],", "0,", '{"":0},'])
def test_a_hostile_length_takes_no_more_memory_than_lengths_may(short, document, part):
    """Ten megabytes of empty lists take a quarter of a gigabyte once they are parsed."""
    hostile = json.dumps(document).replace('{"length": 4', f"[{part * (10**7 // len(part))}0],{{" + '"length": 4', 1)
    tracemalloc.start()
    with pytest.raises(Rejected, match="not JSON, or cut short"):
        check(hostile.encode(), weights_of(short), SHA)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * len(hostile)
