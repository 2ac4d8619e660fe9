"""Hostile text stays text in the page, the document and the terminal."""

import shutil

import pytest
from pytest_claims.text import readable
from pytest_claims.universality.folder import DOCUMENT, PAGE
from pytest_claims.universality.terminal import lines
from sweeps import Tables, claim_of, published

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"'><b onmouseover='x'>&amp;&lt;",
    "]]> --> ${{ x }} {{ 7 * 7 }} {% raw %}",
    "line\nbreak\r\nand\ttab",
    "nul \x00 escape \x1b[31m right to left \u202e $x$",
    "::error::not a command",
]


def evil(text):
    def edit(document):
        for claim in document["claims"]:
            claim |= {"statement": text, "section": text, "source": text, "over": text, "reason": text}
            for measurement in claim["measurements"]:
                measurement |= {"name": text, "unit": text}
        claim_of(document)["verdict"] = "error"
        document["run"]["problems"] = [text]

    return edit


@pytest.fixture
def page_of(sweep):
    def page_of(text):
        for seed in range(2):
            sweep(seed, of="seed7", edit=evil(text), suite=text, unproved=text, varied={text: 4}, name=f"run{seed}")
        sweep.diverged(2, reason=text, suite=text, varied={text: 4}, name="run2")
        sweep(3, report=False, suite=text, varied={text: 5}, name="run3")
        files = published(sweep.folder)
        printed = lines(sweep.found())
        shutil.rmtree(sweep.folder)
        return Tables(files[PAGE].decode()), files[DOCUMENT], printed

    return page_of


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(page_of, text):
    (parsed, document, printed), (honest, _, _) = page_of(text), page_of("plain")
    assert parsed.tags == honest.tags, "markup came out of a text"
    assert parsed.handlers == []
    assert " ".join(readable(text).split()) in " ".join(parsed.text.split())
    document.decode("ascii")
    assert not any(control in line for line in printed for control in "\n\x00\x1b\u202e")
    assert not any(line.lstrip().startswith("::") for line in printed)
