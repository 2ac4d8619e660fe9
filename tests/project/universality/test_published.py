"""The files about a sweep: tables, document and page say the same, wherever they lie."""

import json
import re
import shutil
from collections import Counter
from fractions import Fraction

import pyarrow.parquet as pq
import pytest
from pytest_claims.universality.findings import universality
from pytest_claims.universality.folder import DOCUMENT, MEASURED_TABLE, PAGE, RUNS_TABLE
from pytest_claims.universality.runs import read_runs
from pytest_claims.universality.summary import headline
from sweeps import SEQUENCES, UNIFORM, Tables, contents, published


def test_the_same_runs_give_the_same_bytes_wherever_they_lie(mixed, tmp_path):
    before = contents(mixed.folder)
    elsewhere = shutil.copytree(mixed.folder, tmp_path / "elsewhere")
    assert published(elsewhere) == before
    for name in before:
        (elsewhere / name).unlink()
    assert published(elsewhere) == before


def test_the_table_has_a_row_for_every_comparison_of_every_report(mixed):
    rows = pq.read_table(mixed.folder / MEASURED_TABLE).to_pylist()
    expected = Counter()
    for place in sorted((mixed.folder / "runs").iterdir()):
        if (place / "report.json").exists():
            for claim in json.loads((place / "report.json").read_text())["claims"]:
                made = [
                    (m["name"], c.get("operator"), c.get("bound"), float(m["value"]), c.get("slack"))
                    for m in claim["measurements"]
                    for c in m["comparisons"] or [{}]  # what served as a bound was compared with nothing of its own
                ]
                expected.update(
                    (place.name, claim["id"], claim["verdict"], *comparison) for comparison in made or [(None,) * 5]
                )
    names = ("run", "claim", "verdict", "measurement", "operator", "bound_text", "value", "slack")
    assert Counter(tuple(row[name] for name in names) for row in rows) == expected
    (refuting,) = [row for row in rows if row["claim"] == UNIFORM and row["holds"] is False]
    assert (refuting["run"], refuting["seed"], refuting["bound"]) == ("seed7", 7, 0)
    assert refuting["room"] < 0 < refuting["value"]
    nothing = [row for row in rows if row["measurement"] is None]
    assert nothing
    assert all(row["value"] is row["bound"] is row["holds"] is row["room"] is None for row in nothing)


def test_the_table_of_runs_has_exact_numbers_of_sequences(mixed):
    rows = {row["run"]: row for row in pq.read_table(mixed.folder / RUNS_TABLE).to_pylist()}
    assert [row["ending"] for row in rows.values()] == ["counted"] * 7 + ["diverged", "unread", "counted"]
    assert int(rows["seed7"]["sequences"]) - int(rows["seed7"]["right_everywhere_high"]) == 17291
    assert rows["seed7"]["wrong"] == " ".join(["5"] * 20)
    assert (rows["seed7"]["claims_hold"], rows["seed7"]["claims_about"]) == (mixed.counts.about - 1, mixed.counts.about)
    assert rows["seed8"]["why"] == "the loss was not finite in epoch 2"
    assert rows["seed8"]["sequences"] is None


def test_the_document_is_plain_json_with_whole_numbers_as_text(mixed):
    content = (mixed.folder / DOCUMENT).read_bytes()
    content.decode("ascii")
    document = json.loads(content, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert document["counts"] == {"runs": 10, "counted": 8, "diverged": 1, "unread": 1}
    runs = {run["name"]: run for run in document["runs"]}
    assert runs["seed7"]["proved"]["right_everywhere"] == [str(SEQUENCES - 17291)] * 2
    assert Fraction(int(runs["seed7"]["proved"]["right_everywhere"][0]), SEQUENCES) < 1
    assert (runs["seed10"]["proved"], runs["seed10"]["unproved"]) == (None, "too large")
    (group,) = document["groups"]
    assert len(group["claims"]) == sum(vars(mixed.counts).values())
    for claim in group["claims"]:
        assert claim["n"] == claim["holds"] + claim["refuted"] + claim["errors"] + claim["not_run"]
        assert claim["n"] + claim["not_about"] == 8
        for measured in claim["measured"]:
            values = [point["value"] for point in measured["points"]]
            assert (measured["least"], measured["greatest"]) == (min(values), max(values))
            rooms = [point["room"] for point in measured["points"] if point["room"] is not None]
            assert measured["tightest"]["room"] == min(rooms, default=None)
            assert measured["tightest"].items() <= next(
                point.items() for point in measured["points"] if point["run"] == measured["tightest"]["run"]
            )


def test_every_row_of_the_page_is_in_the_document(mixed):
    files = contents(mixed.folder)
    page, document = Tables(files[PAGE].decode()), json.loads(files[DOCUMENT])
    shown = [row for row in page.rows["over-seeds"] if row[0] != "Measured"]
    measured = [quantity for claim in document["groups"][0]["claims"] for quantity in claim["measured"]]
    assert len(shown) == len(measured) > 90
    for row, quantity in zip(shown, measured, strict=True):
        assert row[0].startswith(quantity["name"])
        assert [float(row[i].replace(",", "")) for i in (1, 2, 3)] == pytest.approx(
            [float(quantity[which]) for which in ("least", "median", "greatest")],
            rel=1e-3,  # large counts are text
        )
        assert row[4].startswith(quantity["bound"])
        assert row[6].strip() == quantity["tightest"]["run"]
    assert [row[0].strip() for row in page.rows["runs"][1:]] == [run["name"] for run in document["runs"]]
    for claim in document["groups"][0]["claims"]:
        assert claim["statement"] in " ".join(page.text.split())
        assert claim["n"] == 0 or claim["verdict"][1:] in page.text
    assert document["headline"] in page.text


def test_every_link_leads_somewhere_also_from_another_folder(mixed, tmp_path):
    published(mixed.folder, tmp_path / "other" / "place")
    for out in (mixed.folder, tmp_path / "other" / "place"):
        files = contents(out)
        page = Tables(files[PAGE].decode())
        assert len(page.ids) == len(set(page.ids))
        outside = [link for link in page.links if not link.startswith("#")]
        assert set(page.links) - set(outside) <= {f"#{name}" for name in page.ids}
        document = json.loads(files[DOCUMENT])
        outside += [run["link"] for claim in document["groups"][0]["claims"] for run in claim["refuted_by"]]
        assert any(link.endswith("runs/seed7/report.html#claim-uniform-attention-answers-alike") for link in outside)
        for link in outside:
            path, _, anchor = link.partition("#")
            assert not anchor or f'id="{anchor}"' in (out / path).read_text()
            assert (out / path).is_file()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_can_be_read_by_anybody(mixed, visit, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(mixed.folder / PAGE, viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert page.locator("h1").inner_text() == headline(universality(read_runs(mixed.folder)))
    page.locator(".spreads summary").first.click()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for svg in page.locator("figure svg").all():
        assert svg.bounding_box()["height"] > 50
    page.get_by_text(re.compile(r"^The seed's accident \d+$")).click()
    shown = [article for article in page.locator("article.claim").all() if article.is_visible()]
    assert len(shown) == 1
    assert "Refuted by seed7" in shown[0].inner_text()
