"""The page's part for some claims, to stand in a notebook: its style acts on itself alone, and nothing of it runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace

from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.html import context, template
from pytest_claims.output.json import encode, from_document, to_document
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult

SCOPE = ".pytest-claims.pytest-claims"
"""Twice, so that it outweighs what notebooks say of tables."""

_DARK = ('body[data-jp-theme-light="false"]', "body.vscode-dark", '[data-theme="dark"]', '[theme="dark"]')
_LIGHT = ('body[data-jp-theme-light="true"]', "body.vscode-light", '[data-theme="light"]', '[theme="light"]')
"""How JupyterLab, VS Code, documentation and Colab say which theme they have, whatever the system prefers."""

_OWN = """
SCOPE { padding: .75rem 1rem; border: 1px solid var(--line); border-radius: 8px; font-size: 15px; }
SCOPE .verdict { margin: 0; font-size: 1.2em; font-weight: 600; color: var(--tone); }
SCOPE tr { background: none; }
SCOPE p { line-height: inherit; }
SCOPE .anchor { display: none; }
"""


def render_part(report: Report) -> str:
    """The claims of a report as the page shows them, below its verdict. The same report gives the same bytes."""
    document = to_document(report)
    report = from_document(document)
    report = replace(report, claims=[_without_code(result) for result in report.claims])
    shown = context(report, Illustrations())
    prefix = f"claims-{hashlib.sha256(encode(document)).hexdigest()[:8]}"
    shown["slugs"] = {claim: f"{prefix}-{slug}" for claim, slug in shown["slugs"].items()}
    page = template("report.html.jinja").make_module(shown)
    claims = "".join(page.claim(result) for result in report.claims)  # type: ignore[attr-defined]
    part = template("part.html.jinja")
    heading = report.headline if report.plain_claims else report.summary
    html = part.render(report=report, heading=heading, claims=claims, style="")
    style = _themed(shown["style"], html)
    return part.render(report=report, heading=heading, claims=claims, style=style)


def _without_code(result: ClaimResult) -> ClaimResult:
    """The claim without sources: they stand in the cells above."""
    checkpoint = result.checkpoint and replace(result.checkpoint, code="")
    return replace(result, checkpoint=checkpoint, controls=[replace(control, code="") for control in result.controls])


def _themed(style: str, html: str) -> str:
    """The page's style, of which only what the part has is left, with the theme of what it stands in."""
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    light, dark = re.findall(r":root\s*\{(.*?)\}", style, re.DOTALL)[:2]
    themes = [(_LIGHT, f"color-scheme: light; {light.partition(';')[2]}"), (_DARK, f"color-scheme: dark; {dark}")]
    blocks = [f"{', '.join(f'{theme} {SCOPE}' for theme in names)} {{{rules}}}" for names, rules in themes]
    return "\n".join([*_scoped(style, html), *blocks, _OWN.replace("SCOPE", SCOPE).strip()])


def _scoped(style: str, html: str) -> Iterator[str]:
    """Rules that act within the part alone."""
    for head, body in _rules(style):
        if head.startswith("@media"):
            inner = "\n".join(_scoped(body, html))
            if inner:
                yield f"{head} {{\n{inner}\n}}"
            continue
        selectors = [selector.strip() for selector in re.split(r",(?![^()]*\))", head)]
        within = [_within(selector) for selector in selectors if _is_used(selector, html)]
        if within:
            yield f"{', '.join(within)} {{{body}}}"


def _rules(style: str) -> Iterator[tuple[str, str]]:
    """What stands before each pair of braces, and what between them."""
    start = 0
    while (opening := style.find("{", start)) >= 0:
        depth, end = 1, opening + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(style[end], 0)
            end += 1
        yield style[start:opening].strip(), style[opening + 1 : end - 1]
        start = end


def _within(selector: str) -> str:
    return SCOPE if selector in (":root", "html", "body") else f"{SCOPE} {selector}"


def _is_used(selector: str, html: str) -> bool:
    if selector in (":root", "body"):
        return True
    names = re.findall(r"[.#]([A-Za-z][\w-]*)", selector)
    elements = re.findall(r"(?:^|[\s>+~])([a-z][a-z0-9]*)", selector)
    return all(re.search(rf'="[^"]*\b{name}\b', html) for name in names) and all(f"<{e}" in html for e in elements)
