"""The checker: verifies a saved certificate against the weights without trusting how it was found.

It shares no code with the search. The tables of the checkpoint are computed in ball arithmetic (python-flint) and
rounded to float64 once, with errors that are known; bounds are verified in float64, with room for all rounding taken
off, which `bounds` derives. Numbers of sets are Python's whole numbers.

For every class it verifies
- that it is there, once, with the number of its sets;
- that its nodes cover it;
- of every exclusion, and of every node called wrong, that the witness proves it, for every list of the node;
- of a node called right, that every other answer is excluded;
- that the numbers of right and of wrong sets are those of these nodes;
- that a list named as wrong is of the class, and wrong;
and of the whole, that the numbers add up.

What float32 may change in a logit, two numbers, it takes from the certificate: room for that much is what it verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sorted_list_model.proof.check.balls import LARGEST
from sorted_list_model.proof.check.bounds import Bounds
from sorted_list_model.proof.check.circuit import Circuit, Query, Sizes, Weights
from sorted_list_model.proof.check.document import OutOfRange as OutOfRange
from sorted_list_model.proof.check.document import Rejected as Rejected
from sorted_list_model.proof.check.document import entries, parsed, require, shown, size, unpacked, whole
from sorted_list_model.proof.check.document import lines_of as lines_of
from sorted_list_model.proof.check.lists import verify_wrong
from sorted_list_model.proof.check.tree import Class, Counts, classes_of, walk

FORMAT, VERSION = "sorted_list certificate", 1

OF_A_CLASS = ("k", "d", "y", "sets", "right", "wrong", "found", "nodes", "excluded", "witness")


@dataclass(frozen=True)
class Checked:
    """What was verified.

    right, wrong: answers proved to be so, of `answers` in all; an answer is to one position of one set of numbers,
    whatever the order in which they stand before SEP. nodes: of all classes. bounds: that one answer beats another
    on every list of a node, for one interval of rho each. found: lists that were seen to be answered wrong. stream,
    scale: the certificate holds for float32 if that changes no logit by more than stream / sigma + scale; None in one
    that is of real arithmetic alone.
    """

    right: int
    wrong: int
    answers: int
    classes: int
    nodes: int
    bounds: int
    found: int
    stream: float | None
    scale: float | None


def check(
    lines: Iterable[bytes],
    weights: Weights,
    sha256: str,
    progress: Callable[[int], None] = lambda _: None,
) -> Checked:
    """Verify a certificate, given line by line, for the checkpoint with these parameters and this sha256.

    lines: as `lines_of` reads them from a file; no more than one is held at a time. weights: by their names in the
    checkpoint. progress: called with the number of classes that are done, after each query. Raises Rejected, and
    OutOfRange, which is one, for a checkpoint that this checker cannot compute with.
    """
    return _Check(iter(lines), weights, sha256).run(progress)


class _Check:
    def __init__(self, lines: Iterator[bytes], weights: Weights, sha256: str) -> None:
        self.lines = lines
        where = "header"
        header = parsed(self._next(where), where, "format", "version", "checkpoint", "sizes", "budget", "float32")
        stated = header["format"]
        require(stated == FORMAT, f"it is no certificate of this kind, but {shown(stated)}")
        version = whole(header["version"], f"{where}: the version")
        require(version == VERSION, f"its version is {shown(version)}, this checker reads {VERSION}")
        checkpoint = entries(header["checkpoint"], f"{where}: the checkpoint", "name", "sha256")
        require(isinstance(checkpoint["name"], str), f"{where}: the checkpoint's name is {shown(checkpoint['name'])}")
        certified = checkpoint["sha256"]
        named = f"{certified[:12]!r}.." if isinstance(certified, str) else shown(certified)
        of_another = f"it is of another checkpoint: sha256 {named}, not {sha256[:12]!r}.."
        require(certified == sha256, of_another)
        whole(header["budget"], f"{where}: the budget")
        float32 = entries(header["float32"], f"{where}: the errors of float32", "stream", "scale")
        self.of_float32 = any(error is not None for error in float32.values())
        self.stream = self.scale = 0.0
        if self.of_float32:
            self.stream, self.scale = (size(float32[name], f'{where}: "{name}"') for name in ("stream", "scale"))
        require(max(self.stream, self.scale) <= LARGEST, f"{where}: the errors of float32 are larger than any logit")
        self.circuit = Circuit(weights)
        self._verify_sizes(header["sizes"], self.circuit.sizes)
        self.classes = self.right = self.wrong = self.answers = self.nodes = self.bounds = self.found = 0

    @staticmethod
    def _verify_sizes(stated: object, sizes: Sizes) -> None:
        expected = {"max_value": sizes.numbers - 1, "list_len": sizes.list_len, "n_heads": sizes.heads}
        found = entries(stated, "header: the sizes", *expected)
        for name, value in expected.items():
            same = whole(found[name], f'header: "{name}"') == value
            require(same, f'header: "{name}" is {shown(found[name])}, the checkpoint has {value}')

    def run(self, progress: Callable[[int], None]) -> Checked:
        for k in range(self.circuit.sizes.list_len):
            of_rank = list(classes_of(self.circuit.sizes, k))
            numbers = list(dict.fromkeys(of.d or 0 for of in of_rank))
            for query in self.circuit.queries(k, numbers):
                self._query(query, [of for of in of_rank if (of.d or 0) == query.d])
                progress(self.classes)
        where = "last line"
        last = parsed(self._next(where), where, "answers", "right", "wrong")
        for name, computed in (("answers", self.answers), ("right", self.right), ("wrong", self.wrong)):
            _agree(where, name, last[name], computed)
        require(next(self.lines, None) is None, "something follows the last line")
        return Checked(
            self.right,
            self.wrong,
            self.answers,
            self.classes,
            self.nodes,
            self.bounds,
            self.found,
            self.stream if self.of_float32 else None,
            self.scale if self.of_float32 else None,
        )

    def _query(self, query: Query, classes: list[Class]) -> None:
        """Verify the classes of one query, which are the next lines."""
        bounds = Bounds(query, self.stream, self.scale)
        for of in classes:
            counts = self._class(of, query, bounds)
            self.nodes += counts.nodes
            self.right += counts.right
            self.wrong += counts.wrong
        bounds.verify()
        self.bounds += bounds.verified

    def _class(self, of: Class, query: Query, bounds: Bounds) -> Counts:
        line = parsed(self._next(of.place), of.place, *OF_A_CLASS)
        same = all(type(line[name]) in (int, type(None)) for name in "kdy")
        same = same and (line["k"], line["d"], line["y"]) == (of.k, of.d, of.y)
        require(same, f"{of.place} is missing: its line is of ({', '.join(shown(line[name]) for name in 'kdy')})")
        kinds, excluded, witness = (unpacked(line[name], f'{of.place}: "{name}"') for name in OF_A_CLASS[-3:])
        counts = walk(of, kinds, excluded, witness, bounds)
        sets = of.sets(*of.certain)
        for name, computed in (("sets", sets), ("right", counts.right), ("wrong", counts.wrong)):
            _agree(of.place, name, line[name], computed)
        if line["found"] is not None:
            verify_wrong(of, line["found"], query)
            self.found += 1
        self.classes += 1
        self.answers += sets
        return counts

    def _next(self, where: str) -> bytes:
        line = next(self.lines, None)
        if line is None:
            raise Rejected(f"{where}: the certificate ends before it")
        return line


def _agree(where: str, name: str, stated: object, computed: int) -> None:
    same = whole(stated, f'{where}: "{name}"') == computed
    require(same, f'{where}: "{name}" is {shown(stated)}, which does not follow from its nodes: {computed}')
