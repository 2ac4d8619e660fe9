"""What the boxes in which one tries a model have in common, in JavaScript and CSS: a system adds its own to it."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def script(own: str) -> str:
    """The whole script of a box: nothing in it can be seen from outside."""
    shared = (HERE / "box.js").read_text(encoding="utf-8")
    return f'"use strict";\n(() => {{\n{shared}\n{own}}})();\n'


def style(own: str) -> str:
    """The whole style sheet of a box."""
    return (HERE / "box.css").read_text(encoding="utf-8") + own
