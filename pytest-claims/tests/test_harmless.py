"""A suite without claims runs as it would without the plugin: the same results, options, fixtures and imports."""

import json
import os
import re

import pytest

PLAIN = """
import decimal
import unittest
import warnings

import pytest


def test_passes():
    assert 1 + 1 == 2


def test_fails():
    assert {"gap": 1} == {"gap": 2}


def test_crashes():
    raise ValueError("two\\nlines")


@pytest.mark.skip(reason="later")
def test_skipped():
    pass


def test_skips_itself():
    pytest.skip("not here")


@pytest.mark.xfail(reason="known")
def test_known_to_fail():
    assert False


@pytest.mark.xfail(strict=True)
def test_unexpectedly_passes():
    pass


@pytest.mark.parametrize("checkpoint", ["a", "b"])
@pytest.mark.parametrize("model", [1, 2.5], ids=["one", "two-and-a-half"])
def test_parametrised(model, checkpoint):
    assert model


class TestClass:
    @pytest.fixture(autouse=True)
    def around(self):
        print("before")
        yield
        print("after")

    def test_method(self):
        print("within")


class Unit(unittest.TestCase):
    def test_method(self):
        self.assertEqual(1, 1)

    def test_subtests(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertNotEqual(i, 1)


def test_subtests(subtests):
    for i in range(3):
        with subtests.test(i=i):
            assert i != 1


def test_properties(record_property):
    record_property("exact", decimal.Decimal("0.1"))
    record_property("many", [object, {1}])


def test_captured(capsys, caplog):
    print("seen")
    assert capsys.readouterr().out == "seen\\n"


def test_own_options(pytestconfig):
    assert pytestconfig.getoption("device") == "tpu"
    assert pytestconfig.getoption("report") == "plain.txt"
    assert pytestconfig.getoption("checkpoint") == ["a", "b"]
    assert pytestconfig.getoption("baseline") is True


@pytest.mark.claim("is a mark of ours")
@pytest.mark.timing
def test_own_marks(measure, computed):
    assert measure == computed == "ours"


def test_warns():
    warnings.warn("careful")


def test_fails_while_setting_up(broken):
    pass


def test_fails_while_tearing_down(breaking):
    pass


def test_a_mock_has_every_attribute():
    from unittest.mock import MagicMock
    assert MagicMock().claims
"""

CONFTEST = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--device", default="cpu")
    parser.addoption("--report")
    parser.addoption("--checkpoint", nargs="+")
    parser.addoption("--baseline", action="store_true")

def pytest_configure(config):
    config.addinivalue_line("markers", "claim(text): ours")
    config.addinivalue_line("markers", "timing: ours")

@pytest.fixture
def measure():
    return "ours"

@pytest.fixture
def computed():
    return "ours"

@pytest.fixture
def broken():
    raise RuntimeError("no such file")

@pytest.fixture
def breaking():
    yield
    raise RuntimeError("cannot be closed")
"""

OPTIONS = ("--device=tpu", "--report=plain.txt", "--baseline", "--strict-markers", "-rA", "--checkpoint", "a", "b")


@pytest.fixture
def plain(suite):
    """Somebody else's suite, with tests of every kind."""
    suite.conftest(CONFTEST, loads=False)
    suite.write("tests/test_plain.py", PLAIN)
    suite.write("tests/test_broken.py", "import no_such_module")
    return suite


def junit(suite, *arguments, **options):
    result = suite.run("--junitxml=junit.xml", *arguments, process=True, **options)
    text = (suite.path / "junit.xml").read_text()
    text = re.sub(r' (time|timestamp|hostname)="[^"]*"', "", text)
    return int(result.ret), re.sub(r"0x[0-9a-f]+", "0x", text)


def lines(result):
    """What pytest prints, without times, addresses and the names of plugins."""
    text = re.sub(r"in \d+\.\d+s|0x[0-9a-f]+|=+", "", result.stdout.str())
    return [line for line in text.splitlines() if not line.startswith(("plugins: ", "running: ", "rootdir: "))]


@pytest.mark.parametrize(
    ("arguments", "n_tests"),
    [
        (("tests/test_plain.py",), 23),
        (("tests", "--continue-on-collection-errors"), 24),
        (("tests",), 1),
        (("tests/test_plain.py", "--maxfail=3"), 7),
        (("tests/test_plain.py", "-k", "passes or properties"), 3),
    ],
)
def test_the_junit_file_is_the_same_byte_for_byte(plain, arguments, n_tests):
    code, without = junit(plain, *arguments, *OPTIONS, plugins=())
    assert junit(plain, *arguments, *OPTIONS) == (code, without)
    assert without.count("<testcase") == n_tests


def test_what_is_printed_is_the_same(plain):
    arguments = ("tests/test_plain.py", *OPTIONS)
    without = plain.run(*arguments, plugins=(), process=True)
    result = plain.run(*arguments, process=True)
    assert lines(result) == lines(without)
    assert result.ret == without.ret == 1


def test_results_are_the_same_in_several_processes(plain):
    arguments = ("tests/test_plain.py", "-n2", "-k", "not properties", *OPTIONS)
    without = plain.run(*arguments, plugins=("xdist",))
    result = plain.run(*arguments, plugins=("claims", "xdist"))
    assert result.parseoutcomes() == without.parseoutcomes()
    assert result.ret == without.ret == 1


@pytest.mark.parametrize("option", ["--markers", "--fixtures", "--collect-only", "--setup-plan"])
def test_what_pytest_tells_of_a_suite_is_the_same_but_for_what_the_plugin_brings(plain, option):
    without = lines(plain.run(option, "tests/test_plain.py", *OPTIONS, plugins=()))
    with_it = lines(plain.run(option, "tests/test_plain.py", *OPTIONS))
    assert [line for line in without if line not in with_it] == []
    brought = [line for line in with_it if line not in without and line.strip()]
    if option != "--fixtures":
        assert brought == []


def test_all_its_options_and_settings_begin_with_its_name(suite):
    def options(plugins):
        text = suite.run("--help", plugins=plugins).stdout.str()
        return set(re.findall(r"^  (--?[\w-]+)", text, re.MULTILINE)) | set(
            re.findall(r"^  (\w+) \(", text, re.MULTILINE)
        )

    added = options(("claims",)) - options(())
    assert len(added) > 8
    assert all(name.startswith(("--claims-", "claims_")) for name in added), added


def test_a_run_without_tests_ends_as_without_the_plugin(suite):
    assert suite.run(process=True).ret == pytest.ExitCode.NO_TESTS_COLLECTED


OWN = """
import pytest

@pytest.fixture
def measure():
    return "own"

@pytest.fixture(scope="session")
def model():
    return "own"
"""


@pytest.mark.parametrize("when", ["before", "after", "in a conftest.py"])
def test_fixtures_of_another_plugin_come_before_those_of_the_same_name(suite, when):
    suite.write("own.py", OWN)
    suite.conftest('pytest_plugins = ["own"]' if when == "in a conftest.py" else "", loads=False)
    suite.write("test_plain.py", "def test_plain(measure, model): assert measure == model == 'own'")
    options = {"before": ("-p", "own", "-p", "claims"), "after": ("-p", "claims", "-p", "own")}
    result = suite.run(*options.get(when, ()), plugins=() if when in options else ("claims",), process=True)
    assert result.ret == 0


def test_a_claim_that_would_get_the_fixture_of_another_plugin_is_told(suite):
    suite.write("own.py", OWN)
    suite.claims()
    result = suite.run("-p", "own", process=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines("*its fixture 'model' is that of own.py:8, which hides the plugin's*")


HEAVY = ["jinja2", "jsonschema", "matplotlib", "numpy", "rich", "torch", "pyarrow", "hypothesis"]

TELL = """
import gc, os, sys, threading, json

def state():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return [environment, gc.get_threshold(), gc.isenabled(), gc.get_freeze_count(), threading.active_count()]

before = state()

def pytest_unconfigure():
    told = dict(modules=sorted(sys.modules), before=before, after=state())
    open("told.json", "w").write(json.dumps(told))
"""


def told(suite, *arguments, plugins=("claims",)):
    result = suite.run(*arguments, plugins=plugins, process=True)
    return result, json.loads((suite.path / "told.json").read_text())


@pytest.mark.parametrize("arguments", [("test_plain.py",), ("--collect-only",), ("--fixtures",)])
def test_nothing_heavy_is_imported_for_a_run_without_claims(suite, arguments):
    suite.conftest(TELL, loads=False)
    suite.write("test_plain.py", "def test_plain(): pass\ndef test_fails(): assert 0")
    _, without = told(suite, *arguments, plugins=())
    _, with_it = told(suite, *arguments)
    brought = set(with_it["modules"]) - set(without["modules"])
    heavy = [name for name in brought if name.partition(".")[0] in HEAVY or name.startswith("pygments.lexers")]
    assert heavy == []
    assert len(brought) < 60, sorted(brought)


def test_help_costs_no_heavy_import(suite, monkeypatch):
    suite.conftest("", loads=False)
    suite.write(
        "sitecustomize.py",
        "import atexit, sys\natexit.register(lambda: open('modules.txt', 'w').write(' '.join(sys.modules)))",
    )
    monkeypatch.setenv("PYTHONPATH", str(suite.path), prepend=os.pathsep)
    suite.run("--help", process=True)
    loaded = (suite.path / "modules.txt").read_text().split()
    assert "pytest_claims.plugin" in loaded
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []


def test_a_run_of_claims_imports_no_library_of_models_or_figures(suite):
    suite.conftest(TELL)
    suite.claims()
    _, with_it = told(suite, "--claims-report=report")
    brought = {name.partition(".")[0] for name in with_it["modules"]}
    assert brought & {"numpy", "torch", "matplotlib", "pyarrow", "hypothesis", "scipy"} == set()


@pytest.mark.parametrize("claims", [False, True], ids=["plain tests", "claims"])
def test_the_collector_of_garbage_the_environment_and_threads_are_left_alone(suite, claims):
    suite.conftest(TELL)
    suite.write("test_plain.py", "def test_plain(): pass")
    if claims:
        suite.claims()
    result, with_it = told(suite, "--claims-report=report" if claims else "-q")
    assert result.ret == 0
    assert with_it["before"] == with_it["after"]


def test_matrices_multiplied_in_several_threads_before_the_claims_do_no_harm(suite):
    pytest.importorskip("numpy", reason="numpy is not installed")
    suite.conftest(
        """
        import os
        os.environ.update(OPENBLAS_NUM_THREADS="4", OMP_NUM_THREADS="4")
        import threading
        import numpy

        square = numpy.random.default_rng(0).standard_normal((400, 400))
        square @ square
        threads = [threading.Thread(target=lambda: square @ square) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        def pytest_claims_load():
            return {"W": square / 1000}
        """,
        loads=False,
    )
    suite.claims(
        """
        def scaled(model):
            return {"W": 1e6 * model["W"]}

        @pytest.mark.parametrize("power", range(20))
        @stated("To the power of {power} the entries are small", refuted_by=[scaled])
        def test_small(model, measure, power):
            product = model["W"]
            for _ in range(power):
                product = product @ model["W"]
            assert measure("largest entry", abs(product).max()) < 1
        """
    )
    result = suite.run(process=True)
    assert result.ret == 0
    result.assert_outcomes(passed=40)


def test_the_random_state_is_left_alone(suite):
    suite.conftest("import random\nrandom.seed(0)\n")
    suite.claims()
    suite.write("test_random.py", "import random\ndef test_random(): print('drawn', random.random())")
    drawn = [
        [line for line in suite.run("-s", "test_random.py", *rest, process=True).outlines if "drawn" in line]
        for rest in ((), ("claims",))
    ]
    assert [line[0][line[0].index("drawn") :] for line in drawn] == [drawn[0][0][drawn[0][0].index("drawn") :]] * 2
