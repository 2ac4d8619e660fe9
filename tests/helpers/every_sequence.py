"""Every sequence of a small model, run by itself in ball arithmetic: what certificates are held against."""

import contextlib
from itertools import product

from flint import arb, arb_mat, ctx

PRECISION = 2000
"""Binary digits of every number. Every one of them is as precise relative to itself, however small."""


@contextlib.contextmanager
def precisely():
    before, ctx.prec = ctx.prec, PRECISION
    try:
        yield
    finally:
        ctx.prec = before


def _rows(matrix):
    return [[matrix[i, j] for j in range(matrix.ncols())] for i in range(matrix.nrows())]


def _plus(rows, vector):
    return [[x + y for x, y in zip(row, vector, strict=True)] for row in rows]


class Everything:
    """Every sequence of a small model, from the definition of the model: its signs of neurons and margin.

    Nothing is shared with the search or the checker: no sums over positions, no shift that serves all sequences.

    sequences: by the values. differences: the right label's logit minus each other one. signs: +1, -1, or 0 if unknown.
    classes: the sequences of each length, last value and sum.
    """

    def __init__(self, model):
        self.model, self.sequences, self.classes = model, {}, {}
        with precisely():
            self._run()
        for values in self.sequences:
            self.classes.setdefault((len(values), values[-1], sum(values)), []).append(values)

    def _run(self):
        cfg = self.model.cfg
        W = {name.split(".")[-1]: weight.double() for name, weight in self.model.state_dict().items()}
        matrix = {
            name: arb_mat((weight[0] if weight.dim() == 3 else weight).tolist())
            for name, weight in W.items()
            if name.startswith("W")
        }
        bias = {name: [arb(x) for x in weight.flatten().tolist()] for name, weight in W.items() if name.startswith("b")}
        tokens = range(cfg.d_vocab)
        embedded = _rows(matrix["W_E"])
        # One row for each position and token.
        stream = [row for at in _rows(matrix["W_pos"]) for row in _plus(embedded, at)]
        q, k, v = (_plus(_rows(arb_mat(stream) * matrix[f"W_{x}"]), bias[f"b_{x}"]) for x in "QKV")
        root = arb(W["W_Q"].shape[-1]).sqrt()
        for n in range(1, cfg.n_ctx + 1):
            for sequence in product(tokens, repeat=n):
                at = [position * cfg.d_vocab + token for position, token in enumerate(sequence)]
                scores = [sum(x * y for x, y in zip(q[at[-1]], k[key], strict=True)) / root for key in at]
                weights = [score.exp() for score in scores]
                z = arb_mat([weights]) * arb_mat([v[key] for key in at]) * (1 / sum(weights))
                resid_mid = _plus(_plus(_rows(z * matrix["W_O"]), bias["b_O"]), stream[at[-1]])
                (pre,) = _plus(_rows(arb_mat(resid_mid) * matrix["W_in"]), bias["b_in"])
                written = _plus(_rows(arb_mat([[_relu(x) for x in pre]]) * matrix["W_out"]), bias["b_out"])
                resid_post = _plus(written, resid_mid[0])
                (logits,) = _plus(_rows(arb_mat(resid_post) * matrix["W_U"]), bias["b_U"])
                values = tuple(token - cfg.max_value for token in sequence)
                label = (sum(values) > 0) - (sum(values) < 0) + 1
                differences = [logits[label] - logits[other] for other in range(3) if other != label]
                self.sequences[values] = [(x > 0) - (x < 0) for x in pre], differences

    def signs(self, values):
        return self.sequences[values][0]

    def differences(self, values):
        return self.sequences[values][1]

    def right(self, values):
        """Whether a sequence is right; None if that is not known."""
        differences = self.differences(values)
        return True if all(x > 0 for x in differences) else False if any(x <= 0 for x in differences) else None

    def not_confirmed(self, document):
        """The first statement of a certificate that the sequences do not bear out; None if they bear out all."""
        with precisely():
            return next(self._not_confirmed(document), None)

    def _not_confirmed(self, document):
        for length in document["lengths"]:
            n = length["length"]
            for query in length["queries"]:
                for place in range(len(query["verdicts"])):
                    class_ = n, query["last"], query["lowest_sum"] + place
                    for complaint in self._of_class(query, place, self.classes[class_]):
                        yield f"{class_}: {complaint}"
            count = sum(self.right(values) for values in self.sequences if len(values) == n)
            if not int(length["right"][0]) <= count <= int(length["right"][1]):
                yield f"length {n}: {count} sequences are right"
        full = [values for values in self.sequences if len(values) == self.model.cfg.n_ctx]
        count = sum(all(self.right(values[:n]) for n in range(1, len(values) + 1)) for values in full)
        low, high = map(int, document["right_at_every_position"])
        if not low <= count <= high:
            yield f"{count} sequences are right at every position"

    def _of_class(self, query, place, members):
        for neuron, sign in enumerate(query["signs"][place]):
            if sign != "?" and any(self.signs(values)[neuron] != (1 if sign == "+" else -1) for values in members):
                yield f"neuron {neuron} is not always {sign}"
        verdict = query["verdicts"][place]
        if verdict == "R":
            bound = query["smallest"][place]
            if not (bound > 0 and all(x >= bound for values in members for x in self.differences(values))):
                yield "the smallest margin"
        elif verdict == "W":
            bound = query["largest"][place]
            if not (bound <= 0 and all(any(x <= bound for x in self.differences(values)) for values in members)):
                yield "the largest margin"
        else:
            count = sum(self.right(values) for values in members)
            if not int(query["right"][place][0]) <= count <= int(query["right"][place][1]):
                yield f"{count} sequences are right"
        if verdict == "S":
            for name, right in (("smallest_witness", False), ("largest_witness", True)):
                if self.right(tuple(query[name][place])) is not right:
                    yield name


def _relu(x):
    return x if x > 0 else arb(0) if x <= 0 else x.union(arb(0))
