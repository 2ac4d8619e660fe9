"""Text that people and files can put where text is expected, and a page as a parser sees it."""

from html.parser import HTMLParser

# What people and files can put where text is expected.
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"'><b onmouseover='x'>&amp;&lt;",
    "]]> --> ${{ x }} {{ 7 * 7 }} {% raw %}",
    "| pipe `tick` *star* _line_ [link](http://x) #1 @someone ~~gone~~ $x$ www.x.org https://x.org",
    "line\nbreak\r\nand\ttab",
    "nul \x00 bell \x07 escape \x1b[31m delete \x7f",
    "right to left \u202e override, no character \ufffe \uffff",
    "not UTF-8: \udcff\udc80",
    "x" * 10_000,
    "::error::not a command",
]


class Page(HTMLParser):
    """What a page consists of, as an HTML parser sees it."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.scripts, self.handlers, self._inside = [], [], [], [], []
        self.feed(text)
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._inside.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        if tag == "script":
            self.scripts.append(dict(attributes))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._inside):
            self.texts.append(data)


def hostile_suite(text):
    """A suite whose statement, source, over, names, reasons and units are all the same text."""
    return f"""
    EVIL = {text!r}

    def build_evil(model):
        raise RuntimeError(EVIL)
    build_evil.__doc__ = EVIL

    def widen_evil(model):
        return {{"gap": 4.0}}
    widen_evil.__doc__ = EVIL

    @claim(EVIL, source=EVIL, over=EVIL, refuted_by=[widen_evil, build_evil])
    def test_evil(model, measure):
        assert measure(EVIL, model["gap"], EVIL) < 0.1, EVIL
"""
