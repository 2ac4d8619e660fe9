"""The checker of certificates for sorted lists: it accepts what is proved of a model, and of no other."""

import json
import subprocess
import sys

import numpy as np
import pytest
from list_certificates import SHA, STREAM, certificate_of, classes, logits_of, packed, tiny, unpacked, weights_of
from list_tampering import called, entries, excluded, holding, nodes, place_of, rejected, verify, with_line, witness

from sorted_list_model.proof.check.checker import Rejected, check

MODELS = [
    {"heads": 1},
    {"heads": 2},
    {"heads": 2, "steps": 50},
    {"heads": 2, "louder": 8.0},
    {"heads": 1, "louder": 8.0, "seed": 3},
    {"heads": 2, "max_value": 4, "list_len": 4, "steps": 10},
    {"heads": 2, "max_value": 3, "list_len": 1, "steps": 5},
    {"heads": 2, "max_value": 2, "list_len": 3, "steps": 10},
]


@pytest.mark.parametrize("sizes", MODELS, ids=str)
def test_what_is_proved_of_every_list_is_accepted(sizes):
    model = tiny(**sizes)
    lines = certificate_of(model)
    seen = []
    checked = check(lines, weights_of(model), SHA, seen.append)
    assert seen[-1] == checked.classes == len(lines) - 2
    assert seen == sorted(seen)
    last = json.loads(lines[-1])
    assert last == {"answers": checked.answers, "right": checked.right, "wrong": checked.wrong}
    assert checked.nodes == sum(len(unpacked(entry["nodes"])) for entry in entries(model))
    assert checked.found == sum(entry["found"] is not None for entry in entries(model))
    assert checked.bounds > 0
    assert checked.stream == STREAM


def test_the_certificates_have_everything_that_there_is_in_them():
    """Nodes of every kind, halved intervals of rho, and lists that are answered wrong."""
    for model in (tiny(), tiny(heads=1)):
        assert {kind for entry in entries(model) for kind in unpacked(entry["nodes"])} == {0, 1, 2, 3, 4}
        assert any(entry["found"] for entry in entries(model))
    of_all = [unpacked(entry["witness"]) for sizes in MODELS for entry in entries(tiny(**sizes))]
    assert sum(np.isnan(np.frombuffer(numbers, "<f4")).sum() for numbers in of_all) > 5


def test_a_certificate_of_real_arithmetic_alone_says_nothing_of_float32():
    alone = with_line(0, lambda entry: entry.update(float32={"stream": None, "scale": None}))
    checked = verify(alone)
    assert checked.stream is checked.scale is None
    half = with_line(0, lambda entry: entry["float32"].update(stream=None))
    rejected(half, 'header: "stream" is None, which is no number from 0 on')


@pytest.mark.parametrize("sizes", MODELS[:5], ids=str)
def test_sets_that_are_called_right_or_wrong_are_so_in_every_order(sizes):
    """What an accepted certificate says is true of the model, tried on every list."""
    model = tiny(**sizes)
    verify(certificate_of(model), model)
    numbers, logits = logits_of(model)
    right = logits.argmax(-1) == np.sort(numbers, 1)
    for entry, (k, _, _, sets) in zip(entries(model), classes(model.cfg), strict=True):
        of = {set_: right[[tuple(sorted(row)) == set_ for row in numbers.tolist()], k] for set_ in sets}
        assert entry["sets"] == len(sets)
        assert entry["right"] <= sum(orders.all() for orders in of.values())
        assert entry["wrong"] <= sum(not orders.any() for orders in of.values())


def test_another_checkpoint_is_rejected():
    lines = certificate_of(tiny())
    with pytest.raises(Rejected, match=r"of another checkpoint: sha256 '000000000000'\.\., not '111111111111'"):
        check(lines, weights_of(tiny()), "1" * 64)
    rejected(lines, r"^class \(.*\): ", tiny(seed=2))  # even under its name
    rejected(lines, '"n_heads" is 2, the checkpoint has 1', tiny(heads=1))
    rejected(lines, '"list_len" is 3, the checkpoint has 1', tiny(max_value=6, list_len=1))


@pytest.mark.parametrize("name", ["W_E", "W_pos", "W_K", "W_V", "b_O", "W_U", "b_U", "ln1.w", "ln_final.w"])
def test_a_perturbed_weight_is_found(name):
    weights = {full: tensor.copy() for full, tensor in weights_of(tiny()).items()}
    next(tensor for full, tensor in weights.items() if full.endswith(name))[..., :3] += 2
    with pytest.raises(Rejected, match=r"^class \(.*\).* (does not prove|is not proved|not proved to be wrong)"):
        check(certificate_of(tiny()), weights, SHA)


@pytest.mark.parametrize("by", [1e3, -1e3])
def test_another_lambda_is_rejected(by):
    for place in range(1, len(entries()) + 1):
        entry = json.loads(certificate_of(tiny())[place])
        if unpacked(entry["excluded"])[:2] == b"\0\0":
            continue

        def change(numbers):
            numbers[2] += by

        rejected(
            with_line(place, witness(change)),
            called(place) + r", node 0: the witness does not prove that \w+ beats \w+ where Z_0 / Z_1 is between",
        )


def test_a_range_of_rho_that_leaves_lists_out_is_rejected():
    for end, factor in ((0, 1 + 1e-4), (1, 1 - 1e-4)):
        place = place_of(lambda entry: unpacked(entry["nodes"]) == b"\1")

        def change(numbers, end=end, factor=factor):
            numbers[end] *= factor

        rejected(with_line(place, witness(change)), called(place) + ", node 0: Z_0 / Z_1 is not proved to lie between")


def test_an_interval_of_rho_that_is_not_proved_is_rejected():
    """Each half counts."""
    sizes = MODELS[3]
    model = tiny(**sizes)
    place = place_of(lambda entry: np.isnan(np.frombuffer(unpacked(entry["witness"]), "<f4")).any(), model)
    for after in (1, 2):

        def change(numbers, after=after):
            first = next(index for index, number in enumerate(numbers) if np.isnan(number))
            numbers[first + after] = 5.0

        rejected(with_line(place, witness(change), certificate_of(model)), r": the witness does not prove that", model)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (witness(lambda numbers: numbers[:-1]), ', node 0: "witness" is cut short'),
        (witness(lambda numbers: [*numbers, 0.0]), ": its witness has more numbers than its nodes need"),
        (witness(lambda numbers: numbers[:1]), ', node 0: "witness" is cut short'),
        (witness(lambda numbers: [np.nan, *numbers[1:]]), ", node 0: Z_0 / Z_1 cannot lie between nan and"),
        (witness(lambda numbers: [-1.0, *numbers[1:]]), ", node 0: Z_0 / Z_1 cannot lie between -1 and"),
        (witness(lambda numbers: [numbers[0], np.inf, *numbers[2:]]), ", node 0: Z_0 / Z_1 cannot lie between .* inf"),
        (witness(lambda numbers: [numbers[1], numbers[0], *numbers[2:]]), ", node 0: Z_0 / Z_1 cannot lie between"),
        (witness(lambda numbers: [*numbers[:2], np.inf, *numbers[3:]]), ", node 0: its witness is not finite"),
        (witness(lambda numbers: [*numbers[:2], -np.inf, *numbers[3:]]), ", node 0: its witness is not finite"),
        (witness(lambda numbers: [*numbers[:2], 1e38, *numbers[3:]]), ", node 0: the witness does not prove"),
        (witness(lambda numbers: [0.0, 3e38, *numbers[2:]]), ", node 0: the witness does not prove"),
        (witness(lambda numbers: [*numbers[:2], *[np.nan] * 9000]), ", node 0: more than 4096 intervals"),
        (excluded(lambda numbers: numbers[:-1]), ', node 0: "excluded" is cut short'),
        (excluded(lambda numbers: []), ', node 0: "excluded" is cut short'),
        (excluded(lambda numbers: [*numbers, 0]), ": more answers are listed than its nodes exclude"),
        (excluded(lambda numbers: [6, *numbers[1:-1]]), ": called right, but the answer 6|SEP is not excluded"),
        (excluded(lambda numbers: [0]), ", node 0: called right, but the answer 0 is not excluded"),
        (excluded(lambda numbers: [*numbers[:-1], 8]), ", node 0: 8 is no answer"),
        (excluded(lambda numbers: [*numbers[:-1], 65535]), ", node 0: 65535 is no answer"),
        (excluded(lambda numbers: [*numbers[:-1], numbers[1]]), ", node 0: an answer is listed twice"),
        (excluded(lambda numbers: [65535, *numbers[1:]]), ', node 0: "excluded" is cut short'),
        (nodes(lambda kinds: []), ": 0 nodes are listed, at least 1 are missing"),
        (nodes(lambda kinds: [1, 1]), ": 2 nodes are listed, there are 1"),
        (nodes(lambda kinds: [5]), ", node 0: 5 is no kind of node"),
        (nodes(lambda kinds: [255]), ", node 0: 255 is no kind of node"),
        (nodes(lambda kinds: [2]), ", node 0: called wrong with 7 answers that beat the right one"),
        (nodes(lambda kinds: [0]), ': "right" is .*, which does not follow from its nodes: 0'),
    ],
)
def test_nodes_that_do_not_fit_together_are_rejected(change, reason):
    place = place_of(lambda entry: unpacked(entry["nodes"]) == b"\1" and entry["k"] == 1)
    rejected(with_line(place, change), called(place) + reason)


def test_the_right_answer_is_not_excluded():
    place = place_of(lambda entry: unpacked(entry["nodes"]) == b"\1")
    y = entries()[place - 1]["y"]
    changed = with_line(place, excluded(lambda numbers: [*numbers[:-1], y]))
    rejected(changed, called(place) + ", node 0: the right answer is listed among the wrong ones")


def test_a_node_that_is_missing_is_rejected():
    """Wherever in the tree it is: nodes are numbered by their place in it."""
    for kind in (3, 4):
        place = holding(kind)
        kinds = list(unpacked(entries()[place - 1]["nodes"]))
        for gone in range(len(kinds)):
            rejected(with_line(place, nodes(lambda of, gone=gone: of[:gone] + of[gone + 1 :])), called(place))


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("other", range(5))
def test_a_node_of_another_kind_is_rejected(kind, other):
    place = holding(kind)
    index = list(unpacked(entries()[place - 1]["nodes"])).index(kind)

    def change(kinds):
        kinds[index] = other

    changed = with_line(place, nodes(change))
    if kind == other:
        verify(changed)
    else:
        rejected(changed, called(place))


def test_a_split_where_nothing_is_free_is_rejected():
    first = place_of(lambda entry: entry["k"] == 2)  # nothing is free above the third of three numbers
    rejected(with_line(first, nodes(lambda kinds: [3])), called(first) + ", node 0: split on a number above, but all")
    first = place_of(lambda entry: entry["k"] == 1)
    rejected(with_line(first, nodes(lambda kinds: [4])), called(first) + ", node 0: split on a number below, but all")


def test_a_wrong_node_for_a_right_one_is_rejected():
    """The witness of an exclusion proves nothing of the contrary, nor the other way round."""
    place = holding(2)

    def change(entry):
        entry["nodes"] = packed(unpacked(entry["nodes"]).replace(b"\2", b"\0"))
        entry["wrong"] = 0

    rejected(with_line(place, change), called(place) + r", node \d+: the witness does not prove that")


@pytest.mark.parametrize("name", ["sets", "right", "wrong"])
@pytest.mark.parametrize("by", [1, -1, 10**30])
def test_a_count_that_does_not_follow_is_rejected(name, by):
    place = place_of(lambda entry: {1, 3} <= set(unpacked(entry["nodes"])))

    def change(entry):
        entry[name] += by

    rejected(with_line(place, change), called(place) + f': "{name}" is .*, which (does not follow|is no whole)')
    name = name.replace("sets", "answers")
    rejected(with_line(-1, change_of(name, by)), f'^last line: "{name}" is .*, which does not follow from its nodes')


def change_of(name, by):
    def change(entry):
        entry[name] += by

    return change


@pytest.mark.parametrize("number", [True, 1.0, "1", None, -1, [1]])
def test_what_is_no_whole_number_is_rejected(number):
    place = holding(1)
    for name in ("sets", "right", "wrong"):
        changed = with_line(place, lambda entry, name=name: entry.update({name: number}))
        rejected(changed, called(place) + f': "{name}" is .*, which is no whole number')
    for name in ("k", "y") if number is not None else ():
        rejected(with_line(place, lambda entry, name=name: entry.update({name: number})), "is missing: its line is of")
    rejected(with_line(-1, lambda entry: entry.update(right=number)), "which is no whole number")
    rejected(with_line(0, lambda entry: entry.update(version=number)), "^header: the version is .*, which is no whole")


def test_a_list_that_is_said_to_be_wrong_is_of_its_class_and_wrong():
    place = place_of(lambda entry: entry["found"])
    list_ = entries()[place - 1]["found"]
    for found, reason in (
        (list_[:-1], "is no list of 3 different numbers"),
        ([*list_[:-1], list_[0]], "is no list of 3 different numbers"),
        ([*list_[:-1], 7], "is no list of 3 different numbers"),
        ([*list_[:-1], -1], "is no list of 3 different numbers"),
        ([*list_[:-1], True], "is no list of 3 different numbers"),
        ([float(number) for number in list_], "is no list of 3 different numbers"),
        (str(list_), "is no list of 3 different numbers"),
        ({}, "is no list of 3 different numbers"),
        ([4, 5, 6] if sorted(list_) != [4, 5, 6] else [0, 1, 2], "is a list of another class"),
    ):
        changed = with_line(place, lambda entry, found=found: entry.update(found=found))
        rejected(changed, called(place) + f': "found" {reason}')
    numbers, logits = logits_of(tiny())
    for number, (k, _, y, sets) in enumerate(classes(tiny().cfg), start=1):
        for row in range(0, len(numbers), 3):
            if tuple(sorted(numbers[row].tolist())) in sets:
                margin = logits[row, k, y] - np.delete(logits[row, k], y).max()
                changed = with_line(number, lambda entry, row=row: entry.update(found=numbers[row].tolist()))
                if margin <= -1e-6:
                    verify(changed)
                else:
                    rejected(changed, called(number) + ': "found" is a list whose answer is not proved to be wrong')


def test_classes_come_once_each_and_in_order():
    lines = list(certificate_of(tiny()))
    rejected(
        [lines[0], lines[2], lines[1], *lines[3:]], r"^class \(0, SEP, 0\) is missing: its line is of \(0, None, 1"
    )
    rejected([*lines[:5], *lines[6:]], called(5) + " is missing")
    rejected([*lines[:5], lines[4], *lines[5:]], called(5) + " is missing")
    rejected([*lines[:-2], lines[-1]], called(len(lines) - 2) + ": it lacks 'd', 'excluded'")
    rejected([lines[1], lines[0], *lines[2:]], "^header: it lacks 'budget'")


def test_the_checker_shares_no_code_with_the_search():
    script = (
        "import sys; from sorted_list_model.proof.check import checker; "
        "print(*sorted(n for n in sys.modules if n.startswith('sorted_list_model.') or n in ('torch', 'numba')))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    of_the_checker = ["balls", "bounds", "checker", "circuit", "document", "lists", "program", "scale", "tree"]
    package = "sorted_list_model.proof"
    assert loaded == [package, f"{package}.check", *(f"{package}.check.{name}" for name in of_the_checker)]
