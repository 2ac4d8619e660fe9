"""Certificates as files that grow: a line for the model, one for each class, and one for what they add up to.

Each line is a JSON document. The first names the checkpoint, sizes, budget and what float32 may add; a class has its
counts, a wrong list if one is known, and its proof: kinds of nodes, answers excluded, witness (`proving.ClassProof`) as
base64 of compressed bytes, little-endian. A certificate under way is the same file without its last line, and is gone
on with from the last class of a query that is whole.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sorted_list_model.model import SortedListTransformer
from sorted_list_model.proof.certificate import Certificate
from sorted_list_model.proof.classes import ListClass, classes_of_query, queries
from sorted_list_model.proof.proving import ClassProof, count
from sorted_list_model.proof.rounding import Float32Error

FORMAT, VERSION = "sorted_list certificate", 1


def header(model: SortedListTransformer, name: str, sha256: str, budget: int, error: Float32Error) -> bytes:
    """The first line: of which checkpoint, and how it is proved."""
    cfg = model.cfg
    return _line(
        {
            "format": FORMAT,
            "version": VERSION,
            "checkpoint": {"name": name, "sha256": sha256},
            "sizes": {"max_value": cfg.max_value, "list_len": cfg.list_len, "n_heads": cfg.n_heads},
            "budget": budget,
            "float32": {key: _number(value) for key, value in asdict(error).items()},
        }
    )


def line_of(proof: ClassProof) -> bytes:
    """The line of a class."""
    of = proof.of
    return _line(
        {
            "k": of.k,
            "d": of.d if of.k else None,
            "y": of.y,
            "sets": of.sets,
            "right": proof.right,
            "wrong": proof.wrong,
            "found": None if proof.found is None else list(proof.found),
            "nodes": _text(proof.nodes.astype("<u1")),
            "excluded": _text(proof.excluded.astype("<u2")),
            "witness": _text(proof.witness.astype("<f4")),
        }
    )


def last_line(certificate: Certificate) -> bytes:
    """What the classes add up to."""
    right, wrong = (sum(getattr(proved, kind) for proved in certificate.proved) for kind in ("right", "wrong"))
    return _line({"answers": certificate.sets * certificate.list_len, "right": right, "wrong": wrong})


def proofs_in(lines: Iterable[bytes], list_len: int, max_value: int) -> Iterator[ClassProof]:
    """The proofs of a file under way, as far as queries are whole. What is damaged ends them."""
    waiting = iter(lines)
    for k, d in queries(list_len, max_value):
        of_query = []
        for of in classes_of_query(k, d, list_len, max_value):
            proof = _proof(next(waiting, b""), of)
            if proof is None:
                return
            of_query.append(proof)
        yield from of_query


def _proof(line: bytes, of: ListClass) -> ClassProof | None:
    """The proof of a class that a line holds; None if it does not, or its counts do not follow from its nodes.

    Whether the nodes are what they are called is not verified: `check` does that.
    """
    try:
        entry = json.loads(line)
        if any(type(entry[name]) is not int for name in ("k", "y", "right", "wrong")):
            return None
        if (entry["k"], -1 if entry["d"] is None else entry["d"], entry["y"]) != (of.k, of.d, of.y):
            return None
        arrays = [
            _array(entry[name], kind) for name, kind in (("nodes", "<u1"), ("excluded", "<u2"), ("witness", "<f4"))
        ]
        found = None if entry["found"] is None else tuple(entry["found"])
        proof = ClassProof(of, entry["right"], entry["wrong"], found, *arrays)
        if count(of, proof.nodes) != (proof.right, proof.wrong):
            return None
        return proof if found is None or of.holds(found) else None
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return None


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _number(value: float) -> float | None:
    """JSON knows no infinity: None."""
    return value if np.isfinite(value) else None


def _text(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 6)).decode()


def _array(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=kind)


class OtherCertificate(ValueError):
    """A file holds something else than the certificate that is to be gone on with. The message is half a line."""


class Growing:
    """A certificate that is being written: what is in the file already, and what is added, class by class."""

    def __init__(self, path: Path, first_line: bytes, list_len: int, max_value: int, *, replace: bool = False) -> None:
        """Open a file, or begin it. Raises OtherCertificate, unless it may be replaced, and OSError."""
        self.path = path
        self.file = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115  # closed by `__exit__`
        self.begun: list[ClassProof] = []
        if replace:
            self.file.truncate()
        begins = self.file.readline()
        if begins == first_line:
            place = self.file.tell()
            lines = self.file.readlines()
            for proof, line in zip(proofs_in(lines, list_len, max_value), lines, strict=False):
                self.begun.append(proof)
                place += len(line)
            if len(lines) > len(self.begun) and lines[-1].startswith(b'{"answers"') and lines[-1].endswith(b"\n"):
                self.file.close()
                raise OtherCertificate("holds a whole certificate")
            self.file.seek(place)
            self.file.truncate()
        elif begins and not first_line.startswith(begins):
            self.file.close()
            raise OtherCertificate("is no certificate of this checkpoint and budget")
        else:
            self.file.seek(0)
            self.file.truncate()
            self.add(first_line)

    def add(self, line: bytes) -> None:
        """Write another line. Raises OSError."""
        self.file.write(line)
        self.file.flush()

    def __enter__(self) -> Growing:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # it would write once more what a full disk has refused, for which `add` has raised
            self.file.close()
