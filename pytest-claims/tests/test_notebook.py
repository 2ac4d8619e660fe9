"""`verify` judges as a run of pytest's does, on models at hand, and shows what came of it in a notebook."""

import importlib.util
import json
import linecache
import os
import re
import subprocess
import sys
import textwrap
from itertools import count

import pytest
from pytest_claims import verify
from pytest_claims.output.json import to_document

NUMBERS = count(1)

CONFTEST = """
def pytest_claims_load(path, device):
    return {"gap": 0.25}
"""

HEADER = '''
"""The gap: how wide it is"""
import pytest
from pytest_claims import CannotBeMade, claim, erratum, timing

def widen(model):
    """Makes the gap wide."""
    return {"gap": 4.0}

def copy(model):
    return dict(model)

def crash(model):
    raise RuntimeError("no such mechanism")

def impossible(model):
    raise CannotBeMade("it has no second layer")

def nothing(model):
    return None

def attach(model):
    """Widens it for a while."""
    before = model["gap"]
    model["gap"] = 5.0
    yield model
    model["gap"] = before

def stated(*controls, statement="The gap is small", **options):
    return claim(statement, source="us", over="everything", refuted_by=controls, **options)
'''

SMALL = """
@stated(widen, attach)
def test_gap(model, measure):
    assert measure("gap", model["gap"], "logits") < 1
"""


def cell(body, header=HEADER):
    """What a cell of a notebook defines: its source is where IPython keeps it, in no file."""
    source = header + textwrap.dedent(body)
    name = f"<ipython-input-{next(NUMBERS)}-0123456789ab>"
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    names = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), names)
    return names


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a file of claims, and import it."""
    monkeypatch.chdir(tmp_path)

    def write(body, header=HEADER):
        path = tmp_path / "test_small.py"
        path.write_text(header.lstrip() + textwrap.dedent(body))
        spec = importlib.util.spec_from_file_location(f"test_small_{next(NUMBERS)}", path)
        made = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, made.__name__, made)
        spec.loader.exec_module(made)
        return made

    return write


def test_a_claim_of_a_cell_is_judged_on_the_model_and_on_its_controls():
    model = {"gap": 0.25}
    result = verify(model, cell(SMALL)["test_gap"])
    assert result
    assert result.good
    assert result.verdict == "holds"
    assert [(m.name, m.value, m.unit) for m in result.measurements] == [("gap", 0.25, "logits")]
    assert [(c.subject, c.verdict, c.measurements[0].value) for c in result.controls] == [
        ("widen", "refuted", 4.0),
        ("attach", "refuted", 5.0),
    ]
    assert model == {"gap": 0.25}


def test_what_is_printed_is_what_a_run_prints():
    lines = repr(verify({"gap": 0.25}, cell(SMALL)["test_gap"])).splitlines()
    assert lines[1].startswith("dict, sha256 ")
    assert [" ".join(line.split()) for line in lines[4:]] == [
        "HOLDS The gap is small",
        "over everything; us",
        "gap 0.25 logits < 1 slack 0.75",
        "controls refuted 2/2: widen (4), attach (5)",
        "",
        "1 claim: 1 hold; controls refuted 2/2; assertions shown to fail 1/1",
    ]


BODIES = {
    "holds": SMALL,
    "refuted": SMALL.replace("< 1", "< 0.1"),
    "refuted, over several lines": SMALL.replace("assert", "assert (\n        ").replace(
        "< 1", "\n        < 0.1\n    )"
    ),
    "survived": SMALL.replace("attach", "copy"),
    "in error on a control": SMALL.replace("attach", "crash"),
    "no model": SMALL.replace("attach", "nothing"),
    "cannot be made": SMALL.replace("attach", "impossible"),
    "no control can be made": SMALL.replace("widen, attach", "impossible"),
    "an assertion that none breaks": SMALL + '    assert measure("size", len(model)) == 1\n',
    "raises": SMALL + "    raise KeyError('W_E')\n",
    "fails on what is not measured": SMALL + "    assert len(model) == 2\n",
    "measures nothing": "@stated(widen)\ndef test_gap(model, measure):\n    pass\n",
    "is not asserted": "@stated(widen)\ndef test_gap(model, measure):\n    measure('gap', model['gap']) > 1\n",
    "skips itself": SMALL + "    pytest.skip('not today')\n",
    "fails itself": SMALL + "    pytest.fail('not today')\n",
    "marked": "@pytest.mark.skip(reason='not today')" + SMALL,
    "not about it": SMALL.replace("attach", "attach, unless=lambda model: 'it has no gap'"),
    "unless what": SMALL.replace("attach", "attach, unless=lambda model: 3"),
    "a rival": '@claim("It is wide", source="us", over="all", role="alternative", true_of=[widen])\n'
    'def test_wide(model, measure):\n    assert measure("gap", model["gap"]) > 1\n',
    "a rival that wins": '@claim("It is narrow", source="us", over="all", role="alternative", true_of=[widen])\n'
    'def test_narrow(model, measure):\n    assert measure("gap", model["gap"]) < 1\n',
    "an erratum": '@erratum("It is wide", source="us", over="all", true_of=[widen])\n'
    'def test_wide(model, measure):\n    assert measure("gap", model["gap"]) > 1\n',
    "a known limit": SMALL.replace("attach", 'attach, role="stress"').replace("< 1", "< 0.1"),
    "an interval": SMALL.replace('"logits"', "interval=(0.2, 3.0)"),
    "published": SMALL.replace('"logits"', "published=0.24").replace(" < 1", ".as_published(within=0.1)"),
    "published and never compared": SMALL.replace('"logits"', "published=0.24"),
    "parametrised": '@pytest.mark.parametrize("low", [-1, pytest.param(0, id="zero")])\n'
    '@pytest.mark.parametrize(("high", "name"), [(1, "one"), (2.5, None)])\n'
    '@stated(widen, statement="The gap lies between {low} and {high:.1f}, {name}, {set}")\n'
    "def test_between(model, measure, high, name, low):\n"
    '    assert low < measure("gap", model["gap"]) < high\n'
    '    assert measure("gap", model["gap"]) < high\n',
    "in a class": "class TestIt:\n    @stated(widen)\n    def test_gap(self, model, measure):\n"
    '        assert measure("gap", model["gap"]) < 1\n',
    "under hypothesis": "from hypothesis import given, settings, strategies as st\n"
    "@given(scale=st.integers(1, 3))\n@settings(database=None, derandomize=True)"
    + SMALL.replace("(model, measure)", "(model, measure, scale)").replace('model["gap"],', 'scale * model["gap"],'),
    "refuted under hypothesis": "from hypothesis import given, settings, strategies as st\n"
    "@given(scale=st.integers(1, 9))\n@settings(database=None, derandomize=True)"
    + SMALL.replace("(model, measure)", "(model, measure, scale)").replace('model["gap"],', 'scale * model["gap"],'),
    "computed": "@stated(widen)\ndef test_gap(model, checkpoint, measure, computed, proved):\n"
    '    assert measure("gap", computed(dict.get, model, "gap")) < 1\n'
    '    assert measure("excess", model["gap"] - computed(dict.get, checkpoint, "gap")) < 1\n'
    '    assert measure("size", proved(lambda m: m["gap"], {"gap": 2 * model["gap"]})) < 1\n',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_verdict_is_that_of_a_run_of_pytest(module, tmp_path, body):
    if "hypothesis" in body:
        pytest.importorskip("hypothesis", reason="this claim is searched for counterexamples by hypothesis")
    claims = module(body)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GITHUB"))}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "pytest_claims.plugin", "-p", "no:cacheprovider", "."]
    run = subprocess.run([*command, "--claims-report", "report"], env=environment, capture_output=True, text=True)
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    result = verify({"gap": 0.25}, claims)
    document = json.loads(json.dumps(to_document(result.report)))
    assert [_plain(claim) for claim in document["claims"]] == [_plain(claim) for claim in written["claims"]], run.stdout
    for part in ("tone", "headline", "summary", "exit_code", "sources"):
        assert document[part] == written[part], part
    assert document["subject"]["line"] == written["subject"]["line"]
    assert result.good == (run.returncode == 0)


def _plain(claim):
    """A claim as JSON, without the words of a broken assert statement, of which pytest shows the numbers."""
    return json.loads(re.sub(r'assert [^"]*"', 'assert .."', json.dumps(claim).replace('\\"', "'")))


def test_a_fixture_that_nobody_gives_is_named():
    take = SMALL.replace("(model, measure)", "(model, measure, tokens)")
    test = cell(take)["test_gap"]
    with pytest.raises(TypeError, match=r"test_gap takes the fixture 'tokens': verify\(model, test_gap, tokens=\.\.\)"):
        verify({"gap": 0.25}, test)
    assert verify({"gap": 0.25}, test, tokens=[1, 2])
    with pytest.raises(TypeError, match="no claim takes 'words'; they take: tokens"):
        verify({"gap": 0.25}, test, tokens=[1, 2], words=3)
    with pytest.raises(TypeError, match=r"verify\(\) makes 'checkpoint' itself"):
        verify({"gap": 0.25}, test, tokens=[1, 2], checkpoint=3)


def test_what_a_claim_uses_without_taking_it_is_asked_for_too():
    test = cell("@pytest.mark.usefixtures('cuda')" + SMALL)["test_gap"]
    with pytest.raises(TypeError, match="test_gap takes the fixture 'cuda'"):
        verify({"gap": 0.25}, test)
    assert verify({"gap": 0.25}, test, cuda=None)


@pytest.mark.parametrize(
    ("claim", "error", "message"),
    [
        (print, TypeError, "print is no claim"),
        ("test_gap", TypeError, "a str is no claim"),
        (cell("@timing('fast', over='all')\ndef test_it(): ...")["test_it"], TypeError, "test_it is no claim"),
        ([], ValueError, "there is no claim in it"),
        (cell(SMALL.replace("widen, attach", ""))["test_gap"], ValueError, "test_gap has no control"),
        (
            [cell(SMALL)["test_gap"], cell(SMALL)["test_gap"]],
            ValueError,
            "several claims are called notebook::test_gap",
        ),
        (
            cell("@pytest.mark.parametrize('x', [1], indirect=True)" + SMALL.replace("measure)", "measure, x)"))[
                "test_gap"
            ],
            ValueError,
            "x: parameters of fixtures",
        ),
    ],
)
def test_what_proves_nothing_is_refused(claim, error, message):
    with pytest.raises(error, match=message):
        verify({"gap": 0.25}, claim)


def test_a_parametrised_claim_without_a_case_is_not_green():
    test = cell("@pytest.mark.parametrize('x', [])" + SMALL.replace("measure)", "measure, x)"))["test_gap"]
    result = verify({"gap": 0.25}, test)
    assert (result.verdict, result.good) == ("not run", False)
    assert "there is no value for x" in repr(result)


def test_several_claims_are_judged_together_and_share_what_is_computed():
    calls = []

    def read(model):
        calls.append(dict(model))
        return model["gap"]

    names = cell("""
        @stated(widen)
        def test_gap(model, measure, computed, read):
            assert measure("gap", computed(read, model)) < 1

        @stated(widen)
        def test_twice(model, measure, computed, read):
            assert measure("twice the gap", 2 * computed(read, model)) < 1
    """)
    result = verify({"gap": 0.25}, [names["test_gap"], names["test_twice"]], read=read)
    assert result.good
    assert [claim.verdict for claim in result.claims] == ["holds", "holds"]
    assert calls == [{"gap": 0.25}, {"gap": 4.0}]


def test_a_claim_or_a_control_that_changes_the_model_ends_it():
    with pytest.raises(RuntimeError, match=r"notebook::test_gap\[checkpoint\]: it changed the model"):
        verify({"gap": 0.25}, cell(SMALL + "    model['gap'] = 0.5\n")["test_gap"])
    forgets = cell(
        SMALL.replace("attach", "leave"), HEADER + "def leave(model):\n    model['gap'] = 9.0\n    yield model\n"
    )
    with pytest.raises(RuntimeError, match=r"notebook::test_gap\[leave\]: it changed the model"):
        verify({"gap": 0.25}, forgets["test_gap"])


def test_what_a_generator_attaches_is_taken_off_whatever_happens():
    model = {"gap": 0.25}
    names = cell(SMALL + "    assert undefined\n")
    result = verify(model, names["test_gap"])
    assert result.verdict == "error"
    assert model == {"gap": 0.25}
    with pytest.raises(KeyboardInterrupt):
        verify(model, cell(SMALL + "    if model['gap'] > 4.5: raise KeyboardInterrupt\n")["test_gap"])


def test_a_model_that_cannot_be_read_is_not_green_unless_it_is_said_how():
    class Opaque:
        __slots__ = ("gap",)

        def __init__(self, gap):
            self.gap = gap

    test = cell(
        """
        @stated(lambda model: None)
        def test_gap(model, measure):
            assert measure("gap", model.gap) < 1
    """.replace("lambda model: None", "wider"),
        HEADER + "def wider(model):\n    return type(model)(4.0)\n",
    )["test_gap"]
    result = verify(Opaque(0.25), test)
    assert not result.good
    assert "cannot be read" in result.report.problems[0]
    assert "cannot be read" in result._repr_html_()
    assert verify(Opaque(0.25), test, fingerprint=lambda model: str(model.gap))


def test_source_that_nobody_has_is_refused():
    names = {"__name__": "__main__"}
    exec(compile(HEADER + SMALL, "<somewhere>", "exec"), names)
    with pytest.raises(ValueError, match=r"test_gap: its source cannot be read \(<somewhere>\)"):
        verify({"gap": 0.25}, names["test_gap"])


def test_a_module_that_was_edited_and_loaded_again_is_read_again(module):
    assert verify({"gap": 0.25}, module(SMALL))
    edited = module(SMALL.replace("    assert", "    doubled = 2\n\n    assert doubled * "))
    assert verify({"gap": 0.25}, edited).measurements[0].value == 0.25
    assert verify({"gap": 0.25}, module("# comment\n\n" + SMALL)).controls[0].verdict == "refuted"


def test_the_page_part_acts_on_itself_alone_and_runs_nothing():
    html = verify({"gap": 0.25}, cell(SMALL.replace("is small", "is <b>small</b>"))["test_gap"])._repr_html_()
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    within = re.sub(r"@media[^{]*\{", "", style)
    selectors = [s for head in re.findall(r"([^{}]+)\{", within) for s in re.split(r",(?![^()]*\))", head)]
    assert len(selectors) > 40
    for selector in selectors:
        assert re.match(r"(\S+ )?\.pytest-claims\.pytest-claims", selector.strip()), selector
    assert "prefers-color-scheme: dark" in style
    assert 'data-jp-theme-light="false"' in style
    assert "<script" not in html
    assert "http" not in html
    assert "The gap is small" in html
    assert len(html) < 15_000


def test_text_of_a_claim_is_no_markup():
    html = verify({"gap": 0.25}, cell(SMALL.replace('"gap", m', '"<img src=x>", m'))["test_gap"])._repr_html_()
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html


def test_the_same_result_is_shown_alike_and_two_results_share_no_anchor():
    test = cell(SMALL)["test_gap"]
    first, again = (verify({"gap": 0.25}, test)._repr_html_() for _ in range(2))
    second = verify({"gap": 0.5}, test)._repr_html_()
    assert first == again
    assert not set(re.findall(r' id="([^"]+)"', first)) & set(re.findall(r' id="([^"]+)"', second))


def test_a_red_result_shows_why_and_opens_its_controls():
    html = verify({"gap": 0.25}, cell(SMALL.replace("attach", "copy"))["test_gap"])._repr_html_()
    assert 'data-tone="bad"' in html
    assert '<details class="controls" open>' in html
    assert "1 control survived" in html


def test_in_ipython_a_claim_and_its_verdict_stand_in_one_cell():
    pytest.importorskip("IPython", reason="IPython is not installed")
    # IPython replaces hooks of the process that it runs in.
    cells = [HEADER, SMALL + "\nfrom pytest_claims import verify\nresult = verify({'gap': 0.25}, test_gap)\nresult"]
    cells += ["print(result.good, result.claims[0].claim, len(result.claims[0].records[0].source_id))"]
    cells += [SMALL.replace("< 1", "< 0.1") + "\nprint(verify({'gap': 0.25}, test_gap))"]
    script = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
for cell in {cells!r}:
    shell.run_cell(cell, store_history=True).raise_error()
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "HOLDS     The gap is small" in run.stdout
    assert "True notebook::test_gap 16" in run.stdout
    assert "REFUTED   The gap is small" in run.stdout


def test_what_is_printed_in_jupyter_is_text(monkeypatch):
    """Rich would display it by itself, and give nothing back."""
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
    assert "HOLDS     The gap is small" in repr(verify({"gap": 0.25}, cell(SMALL)["test_gap"]))
