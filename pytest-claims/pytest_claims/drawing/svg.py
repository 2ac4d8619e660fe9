"""SVG as matplotlib writes it, made fit to stand in a page: small, themed, with ids of its own and no global rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

NAMESPACE = "http://www.w3.org/2000/svg"

_NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_UNTURNED = re.compile(r"rotate\(-?0 [^)]*\)")
_LEVEL = re.compile(r"M(\S+) (\S+)L(\S+) \2(?=M|$)")
_UNFILLED = {"fill-opacity: 0": "fill: none"}
_DROPPED = ("metadata", "style")
_LENGTHS = ("x", "y", "transform")
_PX_PER_PT = 4 / 3


def embeddable(written: str, name: str, title: str, colours: Mapping[str, str], texts: Mapping[str, str]) -> str:
    """The same picture, to be set into a page beside others.

    Every id starts with `name`, and none is left that nothing refers to. Each colour becomes the CSS variable that
    `colours` has for it, with the colour itself where the page defines none. A text that is a key of `texts` becomes
    what stands there. Text takes its font from the page.
    """
    root = ET.fromstring(written)  # noqa: S314 - written by matplotlib just now
    _, _, width, height = root.attrib["viewBox"].split()
    ids = _new_ids(root, name)
    children = [child for old in root for child in _rewritten(old, ids, colours, texts)]
    root.clear()
    root.tag = "svg"
    root.attrib = {
        "xmlns": NAMESPACE,
        "viewBox": f"0 0 {width} {height}",
        "width": _rounded(float(width) * _PX_PER_PT),
        "height": _rounded(float(height) * _PX_PER_PT),
        "role": "img",
        "aria-label": title,
        "style": "stroke-linejoin: round; stroke-linecap: butt",
    }
    root.extend(children)
    return ET.tostring(root, encoding="unicode")


def _new_ids(root: ET.Element, name: str) -> dict[str, str]:
    """For each id that something refers to, its new one."""
    used = set()
    for element in root.iter():
        for attribute, value in element.attrib.items():
            if _bare(attribute) == "href" and value.startswith("#"):
                used.add(value[1:])
            used.update(_REFERENCE.findall(value))
    defined = [element.attrib["id"] for element in root.iter() if element.attrib.get("id") in used]
    # matplotlib derives an id from what it names: the same twice is the same thing twice.
    return {old: f"{name}-{i}" for i, old in enumerate(dict.fromkeys(defined), start=1)}


def _rewritten(
    old: ET.Element, ids: Mapping[str, str], colours: Mapping[str, str], texts: Mapping[str, str]
) -> Iterator[ET.Element]:
    tag = _bare(old.tag)
    if tag in _DROPPED:
        return
    children = [child for below in old for child in _rewritten(below, ids, colours, texts)]
    attributes = {}
    for attribute, value in old.attrib.items():
        kept = _attribute(_bare(attribute), value, ids, colours)
        if kept:
            attributes[_bare(attribute)] = kept
    if tag == "defs" and not children:
        return
    if tag == "g" and not attributes:
        yield from children
        return
    new = ET.Element(tag, attributes)
    new.extend(children)
    if tag == "text":
        new.text = texts.get(old.text or "", old.text)
    yield new


def _attribute(attribute: str, value: str, ids: Mapping[str, str], colours: Mapping[str, str]) -> str:
    """What an attribute becomes; empty if it is to go."""
    if attribute == "id":
        return ids.get(value, "")
    if attribute == "href":
        return f"#{ids[value[1:]]}" if value.startswith("#") else re.sub(r"\s", "", value)
    if attribute == "style":
        rules = (rule.strip() for rule in value.split(";"))
        kept = "; ".join(_UNFILLED.get(rule, rule) for rule in rules if rule and not rule.startswith("font-family"))
        return _COLOUR.sub(lambda match: f"var({colours[match[0].lower()]}, {match[0].lower()})", kept)
    if attribute == "d":
        path = re.sub(r"\s*([A-Za-z])\s*", r"\1", _shortened(value))
        return _LEVEL.sub(r"M\1 \2H\3", path).replace(" -", "-").strip()
    if attribute in _LENGTHS:
        return _shortened(_UNTURNED.sub("", value))
    return _REFERENCE.sub(lambda match: f"url(#{ids[match[1]]})", value)


def _shortened(numbers: str) -> str:
    return " ".join(_NUMBER.sub(lambda match: _rounded(float(match[0])), numbers).split())


def _rounded(number: float) -> str:
    """To a hundredth of a point, which no screen shows."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _bare(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]
