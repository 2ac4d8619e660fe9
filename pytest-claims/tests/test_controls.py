"""Controls: functions that make a broken model, and generators that break the model and mend it again."""

import pytest


@pytest.fixture
def judged(suite):
    """Run one claim with a control, and give the result with the verdicts on the checkpoint and on the control."""
    suite.conftest(
        """
        class Model:
            def __init__(self, gap):
                self.gap = gap
                self.hooks = []

            def measured(self):
                return self.gap + sum(self.hooks)

        def pytest_claims_load():
            return Model(0.25)

        def pytest_claims_fingerprint(model):
            return f"{model.gap} {model.hooks}"
        """,
        loads=False,
    )

    def judged(control, *options, name="broken"):
        suite.claims(
            f"""
{control}

@stated(refuted_by=[{name}])
def test_gap(model, measure):
    assert measure("gap", model.measured()) < 1

@stated(refuted_by=[{name}])
def test_gap_again(model, measure):
    assert measure("gap", model.measured()) < 2
"""
        )
        result = suite.run("--claims-report=report", *options)
        return result, suite.verdicts()

    return judged


def test_a_function_makes_another_model(judged):
    result, verdicts = judged("def broken(model):\n    return type(model)(9.0)")
    assert result.ret == 0
    assert verdicts == {"test_gap": ["holds", "refuted"], "test_gap_again": ["holds", "refuted"]}


def test_a_generator_attaches_something_and_takes_it_off(judged):
    result, verdicts = judged(
        """
def broken(model):
    model.hooks.append(9.0)
    yield model
    model.hooks.clear()
"""
    )
    assert result.ret == 0
    assert verdicts == {"test_gap": ["holds", "refuted"], "test_gap_again": ["holds", "refuted"]}


def test_a_generator_may_yield_a_new_model(judged):
    result, verdicts = judged("def broken(model):\n    yield type(model)(9.0)")
    assert result.ret == 0
    assert verdicts["test_gap"] == ["holds", "refuted"]


def test_a_generator_takes_off_what_it_attached_when_the_claim_crashes_on_it(judged):
    result, verdicts = judged(
        """
def broken(model):
    model.hooks.append("no number")
    yield model
    model.hooks.clear()
"""
    )
    assert result.ret == 1
    assert verdicts == {"test_gap": ["holds", "error"], "test_gap_again": ["holds", "error"]}
    assert "it changed the checkpoint" not in result.stdout.str()


@pytest.mark.parametrize(
    "control",
    [
        "def broken(model):\n    model.hooks.append(9.0)\n    yield model",
        "def broken(model):\n    model.gap = 9.0\n    yield model",
        "def broken(model):\n    model.gap = 9.0\n    return type(model)(9.0)",
        "def broken(model):\n    model.gap = 9.0\n    raise CannotBeMade('of this one')",
        "def broken(model):\n    model.gap = 9.0\n    raise ValueError('of this one')",
    ],
    ids=["left attached", "left edited", "edited in passing", "edited and given up", "edited and crashed"],
)
def test_a_control_that_leaves_the_model_another_stops_the_run(judged, control):
    result, verdicts = judged(control)
    assert result.ret == 1
    assert verdicts["test_gap"] == ["holds", "error"]
    assert verdicts["test_gap_again"] == ["not run", "not run"]
    result.stdout.fnmatch_lines("*test_gap[[]broken[]]: it changed the checkpoint under test*")


def test_a_claim_that_edits_the_checkpoint_stops_the_run(suite):
    suite.claims(
        """
        @stated()
        def test_gap(model, checkpoint, measure):
            checkpoint["gap"] = 0.1
            assert measure("gap", model["gap"]) < 1

        @stated()
        def test_later(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 1
    assert suite.verdicts() == {"test_gap": ["error", "not run"], "test_later": ["not run", "not run"]}


@pytest.mark.parametrize(
    ("control", "said"),
    [
        ("def broken(model):\n    yield model\n    yield model", "broken yields more than once"),
        ("def broken(model):\n    return\n    yield", "broken yields no model"),
        ("def broken(model):\n    yield None", "broken yields no model"),
        ("def broken(model):\n    return model", "broken returns the model that it was given"),
        ("def broken(model):\n    pass", "broken returns no model"),
        ("def broken(model):\n    return (type(model)(9.0) for _ in range(1))", "broken returns a generator"),
        ("def broken(model):\n    raise ValueError('no such\\nhead')", "no such"),
        ("def broken(model):\n    yield model\n    raise ValueError('cannot put it back')", "cannot put it back"),
        ("def broken(model):\n    pytest.fail('no such head')", "no such head"),
    ],
)
def test_a_control_that_is_no_other_model_is_an_error_of_that_control(judged, control, said):
    result, verdicts = judged(control)
    assert result.ret == 1
    assert verdicts == {"test_gap": ["holds", "error"], "test_gap_again": ["holds", "error"]}
    assert said in result.stdout.str()


def test_a_control_that_attaches_nothing_survives(judged):
    result, verdicts = judged("def broken(model):\n    yield model")
    assert result.ret == 1
    assert verdicts["test_gap"] == ["holds", "survived"]


@pytest.mark.parametrize("how", ["def broken(model):\n    ", "def broken(model):\n    yield from ()\n    "])
def test_a_control_that_cannot_be_made_is_not_about_the_model(judged, how):
    result, verdicts = judged(f"{how}raise CannotBeMade('it has one head')")
    assert verdicts["test_gap"] == ["holds", "not about this model"]
    assert result.ret == 1, "nothing else shows that the claim can fail"
    assert "it has one head" in result.stdout.str()


def test_beside_a_control_that_cannot_be_made_another_is_enough(suite):
    suite.claims(
        """
        class NoSuchHead(Exception):
            cannot_be_made = True

        def ablate(model):
            raise NoSuchHead("it has one head")

        @stated(refuted_by=[ablate, widen])
        def test_gap(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    assert suite.run("--claims-report=report").ret == 0
    assert suite.verdicts() == {"test_gap": ["holds", "not about this model", "refuted"]}


def test_a_skip_in_a_control_is_a_run_that_is_missing(judged):
    result, verdicts = judged("def broken(model):\n    pytest.skip('not today')")
    assert result.ret == 1
    assert verdicts["test_gap"] == ["holds", "not run"]


def test_a_partial_is_a_control_once_it_has_a_name(judged):
    control = """
import functools
def scale(model, factor):
    return type(model)(factor * model.gap)
broken = functools.partial(scale, factor=40)
"""
    result, verdicts = judged(control + "broken.__name__ = 'broken'")
    assert result.ret == 0
    assert verdicts["test_gap"] == ["holds", "refuted"]
    result, _ = judged(control)
    assert result.ret != 0
    assert "has a control without a name ('')" in result.stdout.str()


def test_a_partial_of_a_generator_attaches_as_well(judged):
    result, verdicts = judged(
        """
import functools
def attach(model, hook):
    model.hooks.append(hook)
    yield model
    model.hooks.clear()
broken = functools.partial(attach, hook=9.0)
broken.__name__ = "broken"
"""
    )
    assert result.ret == 0
    assert verdicts["test_gap"] == ["holds", "refuted"]


def test_an_untrained_model_is_a_control(suite):
    suite.claims(
        """
        from pytest_claims import untrained

        def fresh():
            return {"gap": 8.0}

        @stated(refuted_by=[untrained(fresh), untrained(fresh, seed=3)])
        def test_gap(model, measure):
            assert measure("gap", model["gap"]) < 1
        """
    )
    result = suite.run("-v", "--claims-report=report")
    assert result.ret == 0
    assert suite.verdicts() == {"test_gap": ["holds", "refuted", "refuted"]}
    result.stdout.fnmatch_lines("*[[]untrained_from_seed_3[]]*")


def test_a_run_without_controls_is_no_whole_one(suite):
    suite.claims()
    assert suite.run("--claims-no-controls", "--claims-report=report").ret == 0
    assert suite.report()["tone"] == "partial"
    assert suite.report()["run"]["controls_left_out"] is True
