"""What tests of a sweep have in common: claims by name, edits of reports, and the files that are published."""

from dataclasses import replace
from html.parser import HTMLParser

from pytest_claims.universality.folder import DOCUMENT, MEASURED_TABLE, PAGE, RUNS_TABLE, publish
from pytest_claims.universality.outcome import Proved

UNIFORM = "claims/cumsum/test_attention.py::test_uniform_attention_answers_alike"

TWO_NUMBERS = "claims/cumsum/test_ov_circuit.py::test_values_are_evenly_spaced"
"""A claim of two measurements."""

SEQUENCES = 11**20

RIGHT = Proved(SEQUENCES, (SEQUENCES,) * 2, (SEQUENCES,) * 2, 0.25, (1, 1, -1), None)

BACK_DOOR = replace(RIGHT, right_everywhere=(SEQUENCES - 17291,) * 2, smallest_margin=-0.5, wrong=(5,) * 20)


def claim_of(document, claim=UNIFORM):
    return next(entry for entry in document["claims"] if entry["id"] == claim)


def finding_of(universality, claim=UNIFORM, group=0):
    return next(finding for finding in universality.groups[group].findings if finding.claim == claim)


def turned(verdict, **changes):
    """An edit: the claim came out otherwise, without having measured anything else."""

    def edit(document):
        claim_of(document).update({"verdict": verdict, "good": False, **changes})

    return edit


def without(document):
    document["claims"].remove(claim_of(document))


FILES = (PAGE, DOCUMENT, MEASURED_TABLE, RUNS_TABLE)


def contents(folder):
    """Of the files about a sweep."""
    return {name: (folder / name).read_bytes() for name in FILES}


def published(folder, out=None):
    """The contents of the files about a sweep, made anew."""
    publish(folder, out)
    return contents(out or folder)


class Tables(HTMLParser):
    """The rows of each table of a page by its class, as texts, and what the page links to and is made of."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.rows, self.links, self.ids, self.tags, self.handlers, self.text = {}, [], [], [], [], ""
        self._table, self._hidden = None, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        self.links += [named["href"]] if tag == "a" else []
        self.ids += [named["id"]] if "id" in named else []
        self._hidden = tag in ("script", "style")
        if tag == "table":
            self._table = self.rows.setdefault(named.get("class"), [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")

    def handle_endtag(self, tag):
        self._hidden = False
        if tag == "table":
            self._table = None

    def handle_data(self, data):
        if not self._hidden:
            self.text += data
        if self._table and self._table[-1]:
            self._table[-1][-1] += data
