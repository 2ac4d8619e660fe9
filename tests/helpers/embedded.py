"""What every figure has to be so that it can be set into a page beside others, whatever it shows."""

import copy
import hashlib
import re
from xml.etree import ElementTree as ET

from pytest_claims.drawing.canvas import PALETTE


def digest(drawn):
    return hashlib.sha256(repr(drawn).encode()).hexdigest()


def elements(figure):
    return list(ET.fromstring(figure.svg).iter())


def ids(figure):
    return [element.attrib["id"] for element in elements(figure) if "id" in element.attrib]


def numbers(text):
    return re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text)


def scaled(model, **factors):
    """A copy with some parameters multiplied: W_U=1e6."""
    changed = copy.deepcopy(model)
    for name, tensor in changed.state_dict().items():
        tensor.mul_(factors.get(name.rpartition(".")[2], 1))
    return changed


def assert_drawn_with_words(figure):
    assert figure.missing is None
    assert figure.svg.startswith("<svg ")
    assert ET.fromstring(figure.svg).attrib["aria-label"] == figure.title
    assert "\n" not in figure.title
    assert figure.caption.endswith((".", ")"))


def assert_says_why_not(figure):
    assert figure.svg is None
    assert figure.missing
    assert "\n" not in figure.missing
    assert figure.caption == figure.alt == ""


def assert_ids_are_unique_and_referred_to(drawn):
    everywhere = [name for figure in drawn for name in ids(figure)]
    assert len(everywhere) == len(set(everywhere))
    for figure in drawn:
        assert all(name.startswith(f"{figure.name}-") for name in ids(figure))
        referred_to = re.findall(r'(?:href="#|url\(#)([^")]*)', figure.svg)
        assert set(referred_to) == set(ids(figure))


def assert_nothing_runs_or_loads(figure):
    assert figure.svg.count("http") == figure.svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
    tags = {element.tag.rpartition("}")[2] for element in elements(figure)}
    assert tags <= {"svg", "g", "defs", "clipPath", "rect", "path", "use", "text", "image"}
    for element in elements(figure):
        assert not any(name.startswith("on") for name in element.attrib)
        assert element.attrib.get("href", "#").startswith(("#", "data:image/png;base64,"))
    for banned in ("<?xml", "<!", "font-family", "Date", "matplotlib"):
        assert banned not in figure.svg


def assert_colours_are_variables(figure):
    variables = {f"var({variable}, {colour})" for colour, variable in PALETTE.items()}
    for element in elements(figure):
        assert not {"fill", "stroke", "color"} & element.attrib.keys()
        style = dict(re.findall(r"([\w-]+): ?([^;]+)", element.attrib.get("style", "")))
        for rule in ("fill", "stroke"):
            assert style.get(rule, "none") in {"none", *variables}
    rest = re.sub(r"var\(--\w+, #[0-9a-f]{6}\)|(?:href=\"|url\()#[^\")]*", "", figure.svg)
    assert not re.search(r"#[0-9a-fA-F]{3}", re.sub(r"base64,[^\"]*", "", rest))


def assert_nothing_is_black_by_default(figure):
    """What has no fill of its own is black, and invisible on dark paper."""
    root = ET.fromstring(figure.svg)
    unseen = {id(child) for parent in root.iter() if parent.tag.endswith(("defs", "clipPath")) for child in parent}
    for element in root.iter():
        if element.tag.rpartition("}")[2] in ("path", "text", "use", "rect") and id(element) not in unseen:
            assert "fill:" in element.attrib["style"], ET.tostring(element)
