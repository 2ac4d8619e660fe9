"""What is kept between claims: models and what was computed of them, as long as a claim that comes asks for it."""

import pytest

COUNTING = """
import collections, weakref
living = weakref.WeakSet()

class Model:
    def __init__(self, gap):
        self.gap = gap
        living.add(self)

def pytest_claims_load(path):
    return Model(float(path.read_text()) if path else 0.25)
"""

CLAIMS = """
def wide(model):
    print("made wide")
    return type(model)(9.0)

def wider(model):
    print("made wider")
    return type(model)(99.0)

def square(model):
    print("squared", model.gap)
    return model.gap ** 2

def power(model, k):
    print("raised", model.gap, "to", k)
    return model.gap ** k
"""


def told(result, word):
    return [line[line.index(word) :] for line in result.outlines if word in line]


@pytest.fixture
def counted(suite):
    suite.conftest(COUNTING, loads=False)

    def counted(body, *arguments, **options):
        suite.claims(CLAIMS + body)
        return suite.run("-s", *arguments, **options)

    return counted


def test_a_control_is_made_once_for_all_claims_that_ask_for_it(counted):
    result = counted(
        """
@stated(refuted_by=[wide, wider])
def test_one(model, measure):
    assert measure("gap", model.gap) < 1

@stated(refuted_by=[wide])
def test_two(model, measure):
    assert measure("gap", model.gap) < 2
"""
    )
    assert result.ret == 0
    assert told(result, "made wide") == ["made wide", "made wider"]


def test_a_control_is_dropped_once_no_claim_that_comes_asks_for_it(suite, counted):
    suite.conftest(
        COUNTING
        + """
def pytest_runtest_logfinish(nodeid):
    print("alive", nodeid.rpartition("::")[2], sorted(model.gap for model in living))
""",
        loads=False,
    )
    result = counted(
        """
@stated(refuted_by=[wide, wider])
def test_one(model, measure):
    assert measure("gap", model.gap) < 1

@stated(refuted_by=[wide])
def test_two(model, measure):
    assert measure("gap", model.gap) < 2
""",
        process=True,
    )
    assert result.ret == 0
    assert told(result, "alive") == [
        "alive test_one[checkpoint] [0.25]",
        "alive test_one[wide] [0.25, 9.0]",
        "alive test_one[wider] [0.25, 9.0]",
        "alive test_two[checkpoint] [0.25, 9.0]",
        "alive test_two[wide] [0.25]",
    ]


def test_what_is_computed_is_kept_for_the_checkpoint_and_for_each_control(counted):
    result = counted(
        """
@stated(refuted_by=[wide, wider])
def test_one(model, computed, measure):
    assert measure("gap", computed(square, model)) < 1
    assert measure("gap", computed(square, model)) < 1

@stated(refuted_by=[wide])
def test_two(model, checkpoint, computed, measure):
    assert computed(square, checkpoint) == 0.0625
    assert measure("gap", computed(square, model)) < 2
"""
    )
    assert result.ret == 0
    assert sorted(told(result, "squared")) == ["squared 0.25", "squared 9.0", "squared 99.0"]


def test_what_is_computed_depends_on_the_other_arguments_as_well(counted):
    result = counted(
        """
@stated(refuted_by=[wide])
def test_one(model, computed, measure):
    assert measure("square", computed(power, model, 2)) < 1
    assert measure("cube", computed(power, model, 3)) < 1
    assert measure("square again", computed(power, model, 2)) < 1
"""
    )
    assert result.ret == 0
    assert sorted(told(result, "raised")) == [f"raised {gap} to {k}" for gap in (0.25, 9.0) for k in (2, 3)]


def test_what_is_computed_of_a_part_that_a_claim_makes_is_not_mixed_up_with_another(counted):
    result = counted(
        """
@stated(refuted_by=[wide])
def test_one(model, computed, measure):
    for factor in (1, 2, 3):
        part = type(model)(factor * model.gap)
        assert measure(f"square of {factor}", computed(square, part)) < 1
        assert computed(square, part) == part.gap ** 2
"""
    )
    assert result.ret == 0
    assert len(told(result, "squared")) == 6


def test_what_is_computed_of_one_checkpoint_is_not_taken_for_that_of_the_next(suite, counted):
    for name, gap in (("a", 0.5), ("b", 0.75)):
        suite.write(f"{name}.pt", str(gap))
    result = counted(
        """
@stated(refuted_by=[wide])
def test_one(model, checkpoint, computed, measure):
    assert computed(square, checkpoint) == checkpoint.gap ** 2
    assert measure("gap", computed(square, model)) < 1
""",
        "--claims-checkpoint",
        "a.pt",
        "b.pt",
    )
    assert result.ret == 0
    assert sorted(told(result, "squared")) == ["squared 0.5", "squared 0.75", "squared 9.0", "squared 9.0"]


def test_what_is_computed_of_what_a_generator_attached_is_not_that_of_the_checkpoint(suite):
    suite.conftest(
        """
        class Model:
            gap = 0.25
            def __init__(self):
                self.factor = 1

        def pytest_claims_load():
            return Model()
        """,
        loads=False,
    )
    suite.claims(
        """
        def scaled(model):
            model.factor = 40
            yield model
            model.factor = 1

        def size(model):
            return model.gap * model.factor

        @stated(refuted_by=[scaled])
        def test_one(model, computed, measure):
            assert measure("gap", computed(size, model)) < 1

        @stated(refuted_by=[scaled])
        def test_two(model, computed, measure):
            assert measure("gap", computed(size, model)) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 0
    assert suite.verdicts() == {"test_one": ["holds", "refuted"], "test_two": ["holds", "refuted"]}


def test_what_cannot_be_computed_is_tried_again(counted):
    result = counted(
        """
def fails(model):
    print("tried", model.gap)
    raise ValueError("too small")

@stated(refuted_by=[wide])
def test_one(model, computed, measure):
    with pytest.raises(ValueError):
        computed(fails, model)
    with pytest.raises(ValueError):
        computed(fails, model)
    assert measure("gap", model.gap) < 1
"""
    )
    assert result.ret == 0
    assert [line for line in told(result, "tried ") if line[-1].isdigit()] == ["tried 0.25"] * 2 + ["tried 9.0"] * 2


def test_a_proof_is_made_once_for_models_of_one_fingerprint(counted):
    result = counted(
        """
@stated(refuted_by=[wide])
def test_one(model, proved, measure):
    for _ in range(3):
        assert measure("without a part", proved(square, type(model)(model.gap / 2))) < 1

@stated(refuted_by=[wide])
def test_two(model, proved, measure):
    assert measure("without a part", proved(square, type(model)(model.gap / 2))) < 1
    assert measure("whole", proved(square, model)) < 1
"""
    )
    assert result.ret == 0
    assert sorted(told(result, "squared")) == ["squared 0.125", "squared 0.25", "squared 4.5", "squared 9.0"]


def test_the_model_of_a_control_is_the_same_object_for_all_claims_of_a_run(counted):
    result = counted(
        """
seen = {}

@stated(refuted_by=[wide])
def test_one(model, request, measure):
    seen[request.node.name.partition("[")[2]] = model
    assert measure("gap", model.gap) < 1

@stated(refuted_by=[wide])
def test_two(model, request, measure):
    assert seen[request.node.name.partition("[")[2]] is model
    assert measure("gap", model.gap) < 1
"""
    )
    assert result.ret == 0
