"""Certificates of a tiny model that sorts, checked as they are and with one thing changed."""

import json

import numpy as np
import pytest
from list_certificates import SHA, certificate_of, line, packed, tiny, unpacked, weights_of

from sorted_list_model.proof.check.checker import Rejected, check


def verify(lines, model=None):
    return check(lines, weights_of(model or tiny()), SHA)


def rejected(lines, reason, model=None):
    with pytest.raises(Rejected, match=reason) as rejection:
        verify(lines, model)
    assert "\n" not in str(rejection.value)
    assert len(str(rejection.value)) < 300


def with_line(place, change, lines=None):
    """The certificate with one line changed, by a function of its JSON object."""
    lines = list(lines or certificate_of(tiny()))
    entry = json.loads(lines[place])
    change(entry)
    lines[place] = line(entry)
    return lines


def entries(model=None):
    return [json.loads(of_class) for of_class in certificate_of(model or tiny())[1:-1]]


def place_of(wanted, model=None):
    """The line of the first class for which this holds."""
    return next(place for place, entry in enumerate(entries(model), start=1) if wanted(entry))


def holding(kind):
    return place_of(lambda entry: kind in unpacked(entry["nodes"]))


def called(place):
    entry = json.loads(certificate_of(tiny())[place])
    return rf"^class \({entry['k']}, {'SEP' if entry['d'] is None else entry['d']}, {entry['y']}\)"


def array(name, kind):
    """A change of the packed array of this name, made by a function of the list of its numbers."""

    def changing(change):
        def of_entry(entry):
            numbers = np.frombuffer(unpacked(entry[name]), kind).tolist()
            changed = change(numbers)
            entry[name] = packed(np.array(numbers if changed is None else changed, kind).tobytes())

        return of_entry

    return changing


nodes, excluded, witness = array("nodes", "u1"), array("excluded", "<u2"), array("witness", "<f4")
