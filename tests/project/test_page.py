"""The page of a real report, in a real browser: what a reader sees, clicks, types, prints and hears read out."""

import json
import re

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from browsing import DESKTOP, PHONE, page_of

from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.data import VOCAB_OUT, labels_of
from cumsum_model.residual_stream import resid_mid_along_u
from cumsum_model.task import untrained
from toy_model.checkout import ROOT
from toy_model.engine import run

SUITE = "".join(path.read_text() for path in sorted((ROOT / "claims" / "cumsum").glob("test_*.py")))
ODD_MODELS = {
    "two layers, two heads": CumsumConfig(n_layers=2, n_heads=2, d_mlp=5),
    "small": CumsumConfig(max_value=1, n_ctx=4, d_model=6, d_head=3, d_mlp=2),
}


@pytest.fixture
def report(shipped_report):
    return shipped_report


@pytest.fixture(scope="module")
def document(shipped_report):
    return json.loads((shipped_report / "report.json").read_text())


@pytest.fixture
def page(visit, report):
    return visit(report / "report.html")


def test_the_page_is_small(report):
    assert (report / "report.html").stat().st_size <= 2**20


def test_the_verdict_comes_first(page, document):
    assert page.title() == f"{document['headline']} · verification report"
    assert page.locator("h1").inner_text() == document["headline"]
    assert page.locator("h1").bounding_box()["y"] < 200
    assert "Proved right at every position of all 672,749,994,932,560,009,201" in page.locator(".notes").inner_text()


def test_every_claim_is_there_with_what_it_measured(page, document):
    shown = page.locator("article.claim").all_inner_texts()
    assert len(shown) == len(document["claims"]) > 60
    for claim, text in zip(document["claims"], shown, strict=True):
        assert claim["statement"] in text
        assert claim["id"] in text
        for measurement in claim["measurements"]:
            assert measurement["name"] in text


def test_what_each_control_measured_can_be_unfolded(page, document):
    first = page.locator("article.claim").first
    table = first.locator(".controls table")
    assert not table.is_visible()
    first.locator(".controls summary").click()
    assert table.is_visible()
    for control in document["claims"][0]["controls"]:
        assert control["name"] in table.inner_text()


def test_every_figure_is_drawn_and_seen(page):
    figures = page.locator("figure")
    assert figures.count() == 12
    for i in range(12):
        svg = figures.nth(i).locator("svg")
        box = svg.bounding_box()
        assert box["width"] > 600
        assert box["height"] > 100
        assert svg.locator("path, rect, circle, image, use").count() > 5
        assert re.search(r"\d", figures.nth(i).locator(".drawing").get_attribute("aria-label"))
        figures.nth(i).locator("summary").click()
        assert not svg.is_visible()


def test_ids_are_unique_and_every_link_leads_somewhere(page):
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))
    targets = page.evaluate("[...document.querySelectorAll('a[href]')].map(link => link.getAttribute('href'))")
    assert targets
    for target in targets:
        assert target.startswith("#")
        assert target[1:] in ids


def test_the_filter_shows_one_verdict(page, document):
    page.get_by_text(re.compile(r"^Erratum \d+$")).click()
    visible = [a for a in page.locator("article.claim").all() if a.is_visible()]
    errata = [claim for claim in document["claims"] if claim["kind"] == "erratum"]
    assert len(visible) == len(errata) == len(re.findall("^@erratum", SUITE, re.MULTILINE))
    assert all("Published, in our words" in a.inner_text() for a in visible)
    assert page.locator("#shown").inner_text() == f"{len(errata)} of {len(document['claims'])} shown"
    assert not page.locator("#section-attention").is_visible()
    page.get_by_text(re.compile(r"^All \d+$")).click()
    assert page.locator("#section-attention").is_visible()


def test_the_filter_finds_words(page, document):
    page.get_by_label("Containing").fill("neuron  2")
    shown = [a.inner_text().lower() for a in page.locator("article.claim").all() if a.is_visible()]
    assert 3 < len(shown) < len(document["claims"])
    page.get_by_label("Containing").fill("nothing says this")
    assert page.locator("#shown").inner_text().startswith("0 of")


def test_a_link_to_a_claim_shows_it_whatever_is_filtered(page):
    page.get_by_label("Containing").fill("nothing says this")
    claim = page.locator("#claim-attention-is-uniform")
    assert not claim.is_visible()
    page.evaluate("location.hash = 'claim-attention-is-uniform'")
    claim.wait_for(state="visible")
    assert claim.is_visible()


def test_the_same_link_again_shows_what_was_filtered_in_between(page):
    link = page.get_by_role("link", name="The neurons")
    link.click()
    page.wait_for_function("location.hash === '#section-neurons'")
    page.get_by_label("Containing").fill("identically zero")
    page.locator("#section-neurons").wait_for(state="hidden")
    link.press("Enter")  # by mouse, a page that scrolls under the pointer loses the click
    page.locator("#section-neurons").wait_for(state="visible")


@pytest.mark.parametrize("width", [320, 390, 640, 700, 1280])
def test_what_was_measured_can_be_read_at_every_width(visit, report, width):
    page = visit(report / "report.html", viewport={"width": width, "height": 800})
    names = page.locator(".measured tbody th")
    assert names.count() > 100
    assert min(names.evaluate_all("cells => cells.map(cell => cell.clientWidth)")) > 90
    headings = page.locator(".measured thead th").evaluate_all("cells => cells.map(c => c.scrollWidth - c.clientWidth)")
    assert width <= 640 or max(headings) <= 0


def test_only_what_scrolls_is_a_stop_for_the_keyboard(page):
    regions = page.locator(".scroll, .drawing")
    stops = regions.evaluate_all(
        "all => all.map(one => [one.tabIndex, one.scrollWidth > one.clientWidth, one.clientWidth > 0])"
    )
    assert all((tab == 0) == scrolls for tab, scrolls, seen in stops if seen)
    assert sum(tab == 0 for tab, _, _ in stops) < len(stops) / 4


def sequences(max_value, n_ctx):
    """Fifty sequences of every length and kind: random, near zero, constant, alternating."""
    generator = torch.Generator().manual_seed(7)
    for i in range(50):
        length = 1 + i % n_ctx
        if i % 5 == 0:
            yield [max_value * (1 if j % 2 else -1) for j in range(length)]
        elif i % 5 == 1:
            yield [[max_value, -max_value, 0][i % 3]] * length
        else:
            yield torch.randint(-max_value, max_value + 1, (length,), generator=generator).tolist()


READ_TABLE = """() => [...document.querySelectorAll('#positions tbody tr')].map(
    row => [...row.querySelectorAll('td')].map(cell => cell.dataset.value))"""


def assert_box_agrees(page, model, values):
    page.get_by_label("Values, separated by").fill(", ".join(map(str, values)))
    rows = page.evaluate(READ_TABLE)
    tokens = torch.tensor([values]) + model.cfg.max_value
    probabilities = run(model, tokens).double().softmax(-1)[0]
    projections = resid_mid_along_u(model, tokens)[0]
    _, cache = model.run_with_cache(tokens)
    pre = cache["blocks.0.mlp.hook_pre"][0]
    labels = labels_of(torch.tensor([values]))[0]
    assert len(rows) == len(values)
    for n, row in enumerate(rows):
        value, total, mean, projection, firing, *chances, right = row
        assert (int(value), int(total)) == (values[n], sum(values[: n + 1]))
        assert float(mean) == pytest.approx(sum(values[: n + 1]) / (n + 1), abs=1e-12)
        assert float(projection) == pytest.approx(projections[n].item(), abs=1e-4)
        assert [float(chance) for chance in chances] == pytest.approx(probabilities[n].tolist(), abs=1e-4)
        fired = {int(neuron) for neuron in firing.split()}
        assert set((pre[n] > 1e-4).nonzero().flatten().tolist()) <= fired
        assert fired <= set((pre[n] > -1e-4).nonzero().flatten().tolist())
        assert right == VOCAB_OUT[labels[n]]


def test_the_sequence_box_agrees_with_the_model(page, reference):
    for values in sequences(5, 20):
        assert_box_agrees(page, reference, values)
    assert page.locator("#answers").inner_text().startswith("All ")


@pytest.mark.parametrize("name", ODD_MODELS)
def test_the_sequence_box_agrees_with_models_of_other_sizes(visit, tmp_path, name):
    model = untrained(ODD_MODELS[name], seed=3)
    page = visit(page_of(tmp_path, model))
    for values in sequences(model.cfg.max_value, model.cfg.n_ctx):
        assert_box_agrees(page, model, values)


def test_the_sequence_box_says_where_the_model_is_wrong(visit, tmp_path):
    page = visit(page_of(tmp_path, untrained(CumsumConfig(), seed=3)))
    assert re.match(r"\d+ of 20 answers are right\.", page.locator("#answers").inner_text())
    assert page.locator("#positions tr.wrong").count() > 0
    page.get_by_role("button", name="A wrong one").click()
    assert ", says " in page.locator("#positions tbody tr").last.inner_text()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "Type at least one value."),
        (" , ;", "Type at least one value."),
        ("1 two 3", "“two”, value 2, is not a whole number."),
        ("1 2.5", "“2.5”, value 2, is not a whole number."),
        ("1 1e1", "“1e1”, value 2, is not a whole number."),
        ("1 - 1", "“-”, value 2, is not a whole number."),
        ("1 6", "6, value 2, is beyond -5 .. 5."),
        ("-99999999999999999999", "-9999999999999999999…, value 1, is beyond -5 .. 5."),
        ("1 " * 21, "These are 21 values; the model reads at most 20."),
        ("<img src=x onerror=alert(1)>", "“<img”, value 1, is not a whole number."),
    ],
)
def test_bad_input_says_what_is_wrong(page, typed, message):
    field = page.get_by_label("Values, separated by")
    field.fill(typed)
    assert page.get_by_role("alert").inner_text() == message
    assert field.get_attribute("aria-invalid") == "true"
    assert page.evaluate(READ_TABLE) == []
    field.fill("\u22121,+2;0")
    assert page.get_by_role("alert").count() == 0
    assert [row[0] for row in page.evaluate(READ_TABLE)] == ["-1", "2", "0"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_stands_in_the_way_of_a_screen_reader_or_weak_eyes(visit, report, scheme, viewport):
    page = visit(report / "report.html", color_scheme=scheme, viewport=viewport)
    page.locator(".controls summary").first.click()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_axe_would_notice(visit, report, tmp_path):
    page = (report / "report.html").read_text().replace("--muted: #59626d", "--muted: #c9c9c9")
    (tmp_path / "pale.html").write_text(page)
    assert Axe().run(visit(tmp_path / "pale.html")).violations_count > 0


def test_a_phone_scrolls_one_way_only(visit, report):
    page = visit(report / "report.html", viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert not page.locator("nav ol").is_visible()
    page.locator("nav summary").click()
    assert page.locator("nav ol").is_visible()


def test_the_keyboard_is_enough(page, document):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.locator("#filter input[type=radio]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "holds"
    holding = sum(claim["verdict"] == "holds" for claim in document["claims"])
    assert 0 < holding < len(document["claims"])
    assert page.locator("#shown").inner_text().startswith(f"{holding} of ")


def test_paper_gets_everything_and_no_controls(page):
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#filter").is_visible()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".controls table").first.is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert not page.locator(".controls table").first.is_visible()
    assert len(page.pdf()) > 100_000


def test_without_scripts_the_report_can_be_read(visit, report, document):
    page = visit(report / "report.html", java_script_enabled=False)
    assert page.locator("article.claim").count() == len(document["claims"])
    assert page.locator("article.claim").last.is_visible()
    assert not page.locator("#filter").is_visible()
    assert "needs JavaScript" in page.locator("#try-a-sequence").inner_text()


def test_the_page_lets_no_other_script_run_and_nothing_be_fetched(visit, page):
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.taken = true';
        document.body.append(script);
        const image = document.createElement('img');
        image.src = 'http://127.0.0.1:9/x.png';
        document.body.append(image);
    }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.taken") is None
    assert len(visit.complaints) >= 2
    assert all("Content Security Policy" in complaint or "127.0.0.1" in complaint for complaint in visit.complaints)
    visit.complaints.clear()


def test_hostile_text_does_nothing_in_a_browser(visit, report, tmp_path):
    evil = "</script><script>alert(1)</script><img src=http://127.0.0.1:9 onerror=alert(2)>\"'"
    document = json.loads((report / "report.json").read_text())
    document["suite"] = {"matrix": {"claims": [evil], "mutants": [evil], "letters": ["X"]}}
    document["subject"]["line"] = document["subject"]["notes"][0]["text"] = evil
    for claim in document["claims"]:
        claim["statement"] = claim["over"] = claim["section"] = evil
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert main(["render", str(tmp_path / "report.json")]) == 0
    page = visit(tmp_path / "report.html")
    page.wait_for_timeout(200)
    assert evil in page.locator("h3").first.inner_text()
