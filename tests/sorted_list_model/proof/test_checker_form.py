"""The form of a certificate: its lines, what is packed in them, and its header."""

import base64
import dataclasses
import json
import zlib

import numpy as np
import pytest
from list_certificates import SCALE, SHA, STREAM, certificate_of, packed, tiny, unpacked
from list_tampering import called, entries, rejected, verify, with_line

from sorted_list_model.proof.check import document
from sorted_list_model.proof.check.checker import Rejected, lines_of


@pytest.mark.parametrize("kept", range(0, 38, 3))
def test_a_certificate_that_ends_early_is_rejected(kept):
    lines = list(certificate_of(tiny()))
    last = len(lines) - 1
    rejected(lines[: min(kept, last)], "the certificate ends before it$")
    cut = lines[min(kept, last)]
    for end in (1, len(cut) // 2, len(cut) - 1):
        rejected([*lines[: min(kept, last)], cut[:end]], ": the line is cut short$")


def test_nothing_follows_the_last_line():
    lines = certificate_of(tiny())
    for more in (b"\n", b"{}\n", b" ", lines[-1]):
        rejected([*lines, more], "^something follows the last line$")
    rejected([*lines[:-1], lines[-1] + b"{}\n"], "^last line: it is not JSON")


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{\n", b"[]\n", b"null\n", b"\xff\xfe\n", b"1\n", b"[" * 100_000 + b"\n"]
)
@pytest.mark.parametrize("place", [0, 1, 20, -1])
def test_what_is_no_line_of_a_certificate_is_rejected(content, place):
    lines = list(certificate_of(tiny()))
    lines[place] = content
    rejected(lines, "^(header|class .*|last line): (it is not|the line is cut short)")


@pytest.mark.parametrize("name", ["nodes", "excluded", "witness"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "it is no text"),
        ([], "it is no text"),
        ("", "it is cut short"),
        ("=", "it cannot be unpacked"),
        ("\u00e4", "it cannot be unpacked"),
        ("AAAA", "it cannot be unpacked"),
        (packed(b"\1" * 40)[:-8], "it is cut short"),
        (packed(b"")[:-2] + "\n==", "it cannot be unpacked"),
        (packed(bytes(2**24 + 1)), "it unpacks to more than 16,777,216 bytes|it is cut short"),
    ],
)
def test_what_cannot_be_unpacked_is_rejected(name, text, reason):
    rejected(with_line(3, lambda entry: entry.update({name: text})), called(3) + f': "{name}": ({reason})')


def test_bytes_after_what_is_packed_are_rejected():
    def change(entry):
        content = zlib.compress(unpacked(entry["nodes"])) + b"more"
        entry["nodes"] = base64.b64encode(content).decode()

    rejected(with_line(3, change), called(3) + ': "nodes": 4 bytes follow its end')


def test_entries_that_are_missing_unknown_or_given_twice_are_rejected():
    for place in (0, 4, -1):
        for name in json.loads(certificate_of(tiny())[place]):
            rejected(with_line(place, lambda entry, name=name: entry.pop(name)), f": it lacks '{name}'$")
            lines = list(certificate_of(tiny()))
            lines[place] = lines[place].replace(b"{", b'{"' + name.encode() + b'": null, ', 1)
            rejected(lines, f"it is not JSON .*two entries '{name}'")
        rejected(
            with_line(place, lambda entry: entry.update(other=1)), "it has an entry .'other'. that does not belong"
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "cumsum certificate"}, "it is no certificate of this kind, but 'cumsum certificate'"),
        ({"version": 2}, "its version is 2, this checker reads 1"),
        ({"version": 10**50}, "its version is a number of 167 bits, this checker reads 1"),
        ({"budget": -1}, "header: the budget is -1, which is no whole number"),
        ({"checkpoint": {"name": 1, "sha256": SHA}}, "header: the checkpoint's name is 1"),
        ({"checkpoint": {"name": "x", "sha256": None}}, "it is of another checkpoint: sha256 None, not"),
        ({"checkpoint": SHA}, "header: the checkpoint: it is not a JSON object"),
        ({"sizes": {"max_value": 6, "list_len": 3}}, "header: the sizes: it lacks 'n_heads'"),
        ({"sizes": {"max_value": 7, "list_len": 3, "n_heads": 2}}, '"max_value" is 7, the checkpoint has 6'),
        ({"sizes": {"max_value": 6, "list_len": True, "n_heads": 2}}, "which is no whole number"),
        ({"float32": {"stream": -1e-9, "scale": 0.0}}, 'header: "stream" is -1e-09, which is no number from 0 on'),
        ({"float32": {"stream": 0.0, "scale": True}}, 'header: "scale" is True, which is no number from 0 on'),
        ({"float32": {"stream": 10**400, "scale": 0.0}}, 'header: "stream" is a number of .* bits, which is no number'),
        ({"float32": {"stream": 1e300, "scale": 0.0}}, "the errors of float32 are larger than any logit"),
        ({"float32": {"stream": 1.0, "scale": 0.0}}, r"^class \(.*: the witness does not prove"),
        ({"float32": {"stream": 0.0, "scale": 1.0}}, r"^class \(.*: the witness does not prove"),
    ],
)
def test_a_header_that_does_not_fit_is_rejected(change, reason):
    rejected(with_line(0, lambda entry: entry.update(change)), reason)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_is_not_finite_is_rejected(constant):
    lines = list(certificate_of(tiny()))
    lines[0] = lines[0].replace(b"1e-06", constant)
    rejected(lines, "^header: .*(is no JSON|is inf, which is no number from 0 on)")


def test_lines_that_are_too_long_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "MAX_LINE", 5000)
    path = tmp_path / "certificate"
    path.write_bytes(certificate_of(tiny())[0] + b"x" * 10_000 + b"\n")
    with path.open("rb") as file:
        assert max(map(len, lines_of(file))) == 5001
        file.seek(0)
        rejected(lines_of(file), r"^class \(0, SEP, 0\): the line is longer than 5,000 bytes$")
        path.write_bytes(b"".join(certificate_of(tiny())))
        file.seek(0)
        assert verify(lines_of(file)).classes == len(entries())


def checked_or_reason(lines):
    try:
        return verify(lines)
    except Rejected as rejection:
        return str(rejection)


def test_whatever_byte_is_changed_nothing_else_than_a_rejection_comes_of_it():
    """Or the same is verified, as where it is the checkpoint's name that changed."""
    content, rng = b"".join(certificate_of(tiny())), np.random.default_rng(0)
    expected, accepted = verify(certificate_of(tiny())), 0
    for _ in range(300):
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        outcome = checked_or_reason(bytes(changed).splitlines(keepends=True))
        if isinstance(outcome, str):
            assert "\n" not in outcome
        else:
            accepted += 1
            assert dataclasses.replace(outcome, stream=STREAM, scale=SCALE, found=expected.found) == expected
    assert accepted < 30


@pytest.mark.parametrize("name", ["nodes", "excluded", "witness"])
def test_whatever_packed_byte_is_changed_too(name):
    """There some numbers may change: a range of rho or a lam_0 that proves the same."""
    lines, rng = certificate_of(tiny()), np.random.default_rng(1)
    expected, rejections = verify(lines), 0
    for _ in range(150):
        place = int(rng.integers(1, len(lines) - 1))

        def change(entry):
            content = bytearray(unpacked(entry[name]))
            if content:
                content[rng.integers(len(content))] = rng.integers(256)
            entry[name] = packed(bytes(content))

        outcome = checked_or_reason(with_line(place, change))
        if isinstance(outcome, str):
            assert "\n" not in outcome
            rejections += 1
        else:
            assert outcome == expected
    assert rejections > 50
