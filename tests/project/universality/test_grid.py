"""A grid of options: each cell is counted by itself, and the page shows all."""

import re

from pytest_claims.universality.folder import PAGE, publish
from pytest_claims.universality.summary import headline
from pytest_claims.universality.terminal import lines
from sweeps import finding_of, published


def test_cells_of_a_grid_are_counted_apart_in_the_order_of_what_was_varied(grid, about):
    universality = grid.found()
    assert [group.label for group in universality.groups] == ["d_mlp=4", "d_mlp=8", "d_mlp=16"]
    assert [finding_of(universality, group=i).standing for i in range(3)] == [
        "refuted everywhere",
        "universal",
        "universal",
    ]
    assert headline(universality) == f"{about - 1} of {about} claims hold on every run at every d_mlp"
    text = "\n".join(lines(universality))
    (row,) = [
        line for line in text.splitlines() if re.fullmatch(r"Exactly uniform attention .*\s0/6\s+6/6\s+6/6", line)
    ]
    assert len(row) <= 120


def test_the_page_of_a_grid_has_every_cell_and_a_figure_of_them(grid, about):
    page = published(grid.folder)[PAGE].decode()
    assert "On how many runs of each group a claim holds" in page
    for name in ("d_mlp=4", "d_mlp=8", "d_mlp=16"):
        assert f">{name}</h2>" in page
    assert 'id="figure-cells"' in page
    assert f"d_mlp=4: of {about} claims {about - 1} on all seeds, 1 on none; 0 of 6 models right everywhere" in page


def test_the_page_of_a_grid_can_be_read_by_anybody(grid, visit):
    from axe_playwright_python.sync_playwright import Axe

    publish(grid.folder)
    page = visit(grid.folder / PAGE, viewport={"width": 390, "height": 844}, color_scheme="light")
    page.evaluate("for (const folded of document.querySelectorAll('.spreads')) folded.open = true")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
