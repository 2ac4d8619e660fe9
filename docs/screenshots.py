"""Take the pictures of the report that the README shows: `make screenshots`, after `make claims`."""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
VIEWS = {"report.png": "verdict", "report-section.png": "section-ov-circuit"}


def main(page_path: str) -> int:
    executable = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if executable is None:
        print("error: no browser: install chromium", file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1180, "height": 780}, reduced_motion="reduce")
        page = context.new_page()
        page.goto(Path(page_path).absolute().as_uri())
        for name, place in VIEWS.items():
            page.locator(f"#{place}").evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + scrollY - 80)")
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize()
            picture.save(HERE / name, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
