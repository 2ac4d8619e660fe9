"""Code, evidence and roles of a page in a real browser: what is clicked, typed, printed and read out."""

import shutil
from pathlib import Path

import pytest
from made_reports import CODE, EVIL, claim, erratum, limit, report, rival
from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.history import render_history
from pytest_claims.output.html import render_page
from pytest_claims.report.history import Entry, History
from pytest_claims.subject import Subject
from pytest_claims.verdict import Verdict

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

MIXED = report(
    claim("test_a", evidence="proved", section="First"),
    claim("test_b", evidence="exact", section="First"),
    claim("test_c", Verdict.REFUTED, evidence="exact", section="Second", gap=4.0),
    claim("test_d", code=EVIL, control_code=EVIL, named="evil", section="Second"),
    rival(),
    limit(),
    erratum(),
    exit_code=1,
    subject=Subject(environment=(("Suite", "0123456789abcdef" * 3),)),
)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here")
    browser_path = next(filter(None, map(shutil.which, NAMES)), None)
    if browser_path is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(NAMES)}")
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=browser_path, args=OPTIONS)


@pytest.fixture
def visit(browser, tmp_path):
    """Open a page; nothing may have been logged, thrown, asked or fetched by the end of the test."""
    complaints, contexts = [], []

    def visit(html, **options):
        path = Path(tmp_path, "page.html")
        path.write_text(html)
        contexts.append(browser.new_context(**{"viewport": DESKTOP, **options}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: complaints.append(request.url) if _foreign(request.url, path) else None)
        page.goto(path.as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def _foreign(url, path):
    return not url.startswith("data:") and url.partition("#")[0] != path.as_uri()


@pytest.fixture
def page(visit):
    return visit(render_page(MIXED, Illustrations()))


def seen(page):
    """The names of the claims that are visible."""
    return [a.get_attribute("id") for a in page.locator("article.claim").all() if a.is_visible()]


def violations(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe here")
    results = axe.Axe().run(page)
    return results.generate_report() if results.violations_count else ""


def test_code_is_folded_away_until_it_is_asked_for(page):
    code = page.locator("#claim-a .code")
    assert not code.locator("pre").is_visible()
    code.locator("summary").click()
    assert code.locator("pre").inner_text().rstrip() == CODE.rstrip()


def test_a_control_leads_to_its_code(page):
    page.locator("#claim-a .controls summary").click()
    page.locator("#claim-a .controls a").click()
    control = page.locator("#source-widen-gap pre")
    control.wait_for(state="visible")
    assert "def widen_gap(model):" in control.inner_text()


def test_verdict_and_evidence_are_filtered_together(page):
    page.get_by_text("Exact 2", exact=True).click()
    assert seen(page) == ["claim-b", "claim-c"]
    assert page.locator("#shown").inner_text() == "2 of 7 shown"
    page.get_by_text("Holds 3", exact=True).click()
    assert seen(page) == ["claim-b"]
    assert not page.locator("#section-it-2").is_visible()
    page.get_by_text("Any 7", exact=True).click()
    assert seen(page) == ["claim-a", "claim-b", "claim-d"]
    page.get_by_text("Unstated 4", exact=True).click()
    assert seen(page) == ["claim-d"]


def test_evidence_is_chosen_with_the_keyboard(page):
    page.locator("#filter input[name=evidence]").first.focus()
    page.keyboard.press("ArrowRight")
    assert seen(page) == ["claim-a"]
    page.keyboard.press("ArrowRight")
    assert seen(page) == ["claim-b", "claim-c"]
    assert page.get_by_role("radio", name="Exact 2").is_checked()
    assert page.get_by_role("group", name="Evidence").count() == 1


def test_words_of_code_are_no_words_of_a_claim(page):
    page.get_by_label("Containing").fill("metres")
    assert seen(page) == []
    page.get_by_label("Containing").fill("test_it.py::test_a")
    assert seen(page) == ["claim-a"]


def test_a_link_to_a_claim_shows_it_whatever_evidence_is_chosen(page):
    page.get_by_text("Proved 1", exact=True).click()
    page.evaluate("location.hash = 'claim-c'")
    page.locator("#claim-c").wait_for(state="visible")
    assert page.get_by_role("radio", name="Any 7").is_checked()


def test_code_is_not_printed(page):
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("#claim-a .controls table").is_visible()
    assert not page.locator("#claim-a .code pre").is_visible()
    assert not page.locator("#sources-of-controls").is_visible()


def test_hostile_code_does_nothing(page):
    page.locator("#claim-d .code summary").click()
    assert page.locator("#claim-d .code pre").inner_text() == EVIL
    page.wait_for_timeout(100)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_stands_in_the_way_of_a_screen_reader_or_weak_eyes(visit, scheme, viewport):
    page = visit(render_page(MIXED, Illustrations()), color_scheme=scheme, viewport=viewport)
    page.evaluate("for (const details of document.querySelectorAll('main details')) details.open = true")
    assert violations(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_history_can_be_read_by_anybody(visit, scheme, viewport):
    others = [report(claim("test_a"), claim("test_b", Verdict.ERROR), exit_code=1), report(claim("test_a"), limit())]
    history = History(tuple(Entry(f"reports/{i}", made_report) for i, made_report in enumerate([MIXED, *others] * 12)))
    page = visit(render_history(history), color_scheme=scheme, viewport=viewport)
    assert violations(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.get_by_role("row", name="Claim test_c").get_by_role("cell").first.inner_text() != ""
