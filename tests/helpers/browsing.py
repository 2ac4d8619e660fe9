"""A real browser for tests of pages, and pages for it: the fixtures `browser` and `visit` are in conftest.py."""

import shutil

from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.html import render_page
from pytest_claims.report.report import Report
from pytest_claims.subject import Subject

from cumsum_model.report import details, illustrate
from cumsum_model.system import SYSTEM
from toy_model.checkpoint.checkpoint import read_checkpoint, write_checkpoint

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing of the browser's own may look for the network: whatever asks for anything is then the page.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


def executable():
    """Where a browser is; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def page_of(tmp_path, model):
    """A page about a model of which no claim was run."""
    write_checkpoint(tmp_path / "model.safetensors", model, {})
    subject = details(read_checkpoint(tmp_path, SYSTEM), "cpu")
    report = Report(subject=subject, exit_code=1)
    (tmp_path / "report.html").write_text(render_page(report, illustrate(report)))
    return tmp_path / "report.html"


def page_of_panel(tmp_path, panel):
    """A page with a panel and nothing else to see."""
    subject = Subject(path="a model", sha256="0" * 64, facts=(), notes=(), environment=(), suite={})
    page = render_page(Report(subject=subject, exit_code=1), Illustrations({}, [panel]))
    (tmp_path / "report.html").write_text(page)
    return tmp_path / "report.html"
