"""The box in which one types a list, in a real browser: it agrees with the model, and anybody can use it."""

import dataclasses

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from browsing import DESKTOP, PHONE, page_of_panel
from embedded import scaled

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.decomposition import decompose, readout
from sorted_list_model.list_box import list_box
from sorted_list_model.task import untrained

ODD_MODELS = {
    "three heads": SortedListConfig(n_ctx=9, max_value=9, n_heads=3, d_model=10, d_head=4),
    "two layers": SortedListConfig(n_ctx=9, max_value=9, n_layers=2, d_model=10, d_head=4),
    "lists of one number": SortedListConfig(n_ctx=3, max_value=9, n_heads=1, d_model=10, d_head=4),
}

READ = """() => {
  const values = (row) => [...row.querySelectorAll('td')].map((cell) => Number(cell.dataset.value));
  const rows = (selector) => [...document.querySelectorAll(selector)].map(values);
  const boosts = [...document.querySelectorAll('#list-queries input')].map((radio) => {
    radio.click();
    return {
      answers: [...document.querySelectorAll('#list-boosts thead [data-value]')].map((th) => Number(th.dataset.value)),
      rows: [...document.querySelectorAll('#list-boosts tbody tr')].map((row) => ({
        name: row.querySelector('th').textContent, values: values(row),
        head: row.dataset.head, source: row.dataset.source,
      })),
    };
  });
  const attention = [...document.querySelectorAll('#list-attention table')].map(
    (table) => [...table.querySelectorAll('tbody tr')].map(values));
  return { answers: rows('#list-answers tbody tr'), attention, boosts };
}"""


def with_biases(model):
    """A copy whose biases and layer norms do something, too."""
    changed = scaled(model)
    generator = torch.Generator().manual_seed(2)
    for name, tensor in changed.state_dict().items():
        if name.rpartition(".")[2] in ("b_Q", "b_K", "b_V", "b_O", "b_U", "w", "b"):
            tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.1)
    return changed


def typed(page, numbers):
    page.get_by_label("Numbers of the list").fill(", ".join(map(str, numbers)))
    return page.evaluate(READ)


def assert_box_agrees(page, model, numbers):
    n, data = len(numbers), SortedListDataset.of(torch.tensor([numbers]), model.cfg.max_value)
    seen = typed(page, numbers)
    logits, cache = scaled(model).double().run_with_cache(data.toks[:, :-1])
    chances, pattern = logits[0, n:].softmax(-1), cache[f"blocks.{model.cfg.n_layers - 1}.attn.hook_pattern"][0]
    centred = logits[0, n:] - logits[0, n:].mean(-1, keepdim=True)
    for query, (target, p_target, said, p_said) in enumerate(row[:4] for row in seen["answers"]):
        assert target == data.targets[0, query]
        assert said == chances[query].argmax()
        assert [p_target, p_said] == pytest.approx(chances[query, [int(target), int(said)]].tolist(), abs=1e-4)
        for head, table in enumerate(seen["attention"]):
            assert table[query] == pytest.approx(pattern[head, n + query, : n + query + 1].tolist(), abs=1e-4)
        *parts, total = (row["values"][1:] for row in seen["boosts"][query]["rows"])
        assert total == pytest.approx(centred[query, seen["boosts"][query]["answers"]].tolist(), abs=1e-4)
        assert torch.tensor(parts).sum(0).tolist() == pytest.approx(total, abs=1e-4)
    assert len(seen["answers"]) == len(seen["boosts"]) == n
    assert len(seen["attention"]) == model.cfg.n_heads
    if model.cfg.n_layers == 1:
        assert_boosts_are_those_of_the_decomposition(seen["boosts"], model, data)


def assert_boosts_are_those_of_the_decomposition(boosts, model, data):
    """Of what adds enough to have a row of its own, and of the direct path."""
    parts = decompose(model, data)
    toks = parts.sources[0]
    b_O = readout(model, model.blocks[0].attn.b_O.double())
    bias = model.ln_final.b.double() @ model.W_U.double() + model.unembed.b_U.double()
    named = 0
    for query, boost in enumerate(boosts):
        scale = parts.scale[0, query]
        expected = {"Direct path": parts.direct[0, query] / scale, "Biases": b_O / scale + bias}
        for row in boost["rows"]:
            weight, *values = row["values"]
            if row["head"] is not None:
                head, source = int(row["head"]), int(row["source"])
                assert weight == pytest.approx(parts.pattern[0, head, query, source].item(), abs=1e-4)
                added = parts.pattern[0, head, query, source] * parts.ov[head, source, toks[source]] / scale
            elif row["name"] in expected:
                added = expected[row["name"]]
            else:
                continue
            named += 1
            assert values == pytest.approx((added - added.mean())[boost["answers"]].tolist(), abs=1e-4)
    assert named >= 3 * len(boosts)


@pytest.fixture(scope="module")
def box(trained, tmp_path_factory):
    return page_of_panel(tmp_path_factory.mktemp("box"), list_box(trained))


@pytest.fixture
def page(visit, box):
    return visit(box)


def test_the_box_agrees_with_the_model(page, trained):
    for numbers in SortedListDataset(20, seed=5).lists.tolist():
        assert_box_agrees(page, trained, numbers)


@pytest.mark.parametrize("name", ODD_MODELS)
def test_the_box_agrees_with_models_of_other_sizes(visit, tmp_path, name):
    cfg = ODD_MODELS[name]
    model = with_biases(untrained(cfg, seed=3))
    page = visit(page_of_panel(tmp_path, list_box(model)))
    for numbers in SortedListDataset(10, cfg.list_len, cfg.max_value, seed=5).lists.tolist():
        assert_box_agrees(page, model, numbers)


def test_the_examples_show_what_they_are_named_for(page):
    buttons = page.locator("#list-examples button")
    names = ["First of the validation set", "A large jump", "Close triple", "All above 30"]
    assert buttons.all_inner_texts() == names
    first = page.get_by_label("Numbers of the list").input_value()
    lists = {}
    for name in names:
        page.get_by_role("button", name=name).click()
        lists[name] = sorted(map(int, page.get_by_label("Numbers of the list").input_value().split()))
    assert first.split()[:3] == ["7", "5", "47"]
    assert lists["A large jump"] == [0, *range(40, 49)]
    assert any({d, d + 1, d + 2} <= set(lists["Close triple"]) for d in range(49))
    assert min(lists["All above 30"]) > 30


def test_a_wrong_answer_is_named_and_looked_at(page):
    page.get_by_role("button", name="A large jump").click()
    assert page.get_by_role("status").inner_text() == "9 of 10 answers are right."
    assert page.locator("#list-answers tr.wrong").inner_text().split() == ["0", "40", "0.0042", "0", "0.2795", "wrong"]
    assert page.get_by_role("radio", checked=True).get_attribute("value") == "1"
    headings = page.locator("#list-boosts thead th").all_inner_texts()
    assert "0 (answered)" in headings
    assert "40 (right)" in headings
    page.get_by_role("button", name="First of the validation set").click()
    assert page.get_by_role("status").inner_text() == "All 10 answers are right."
    assert page.locator("#list .wrong").count() == 0


def test_an_answer_that_is_not_in_the_list_is_called_so(page):
    typed(page, [5, 30, 32, 34, 36, 38, 40, 42, 44, 46])
    assert "22 (not in the list)" in page.locator("#list-answers tr.wrong").inner_text()


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ("", "Type 10 different numbers."),
        (" , ;", "Type 10 different numbers."),
        ("1 two 3", "“two”, number 2, is not a whole number."),
        ("1 2.5", "“2.5”, number 2, is not a whole number."),
        ("1 51", "51, number 2, is beyond 0 .. 50."),
        ("1 \u22122", "-2, number 2, is beyond 0 .. 50."),
        ("99999999999999999999999", "99999999999999999999…, number 1, is beyond 0 .. 50."),
        ("7", "This is 1 number; the model sorts lists of 10."),
        ("1 2 3", "These are 3 numbers; the model sorts lists of 10."),
        ("0 1 2 3 4 5 6 7 8 9 10", "These are 11 numbers; the model sorts lists of 10."),
        ("0 1 2 3 4 5 6 7 8 +8", "8 is there twice; the numbers of a list have to be different."),
        ("<img src=x onerror=alert(1)>", "“<img”, number 1, is not a whole number."),
    ],
)
def test_bad_input_says_what_is_wrong(page, numbers, told):
    field = page.get_by_label("Numbers of the list")
    field.fill(numbers)
    assert page.get_by_role("alert").inner_text() == told
    assert field.get_attribute("aria-invalid") == "true"
    assert not page.locator("#list-results").is_visible()
    assert page.get_by_role("status").count() == 0 or not page.get_by_role("status").inner_text()
    field.fill("9 8 7 6 5 4 3 2 1 0")
    assert field.get_attribute("aria-invalid") == "false"
    assert page.locator("#list-answers tbody tr").count() == 10


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 3e38])
def test_weights_that_are_no_numbers_leave_no_answer_and_no_error(visit, tmp_path, trained, weight):
    model = scaled(trained)
    model.W_U[:] = weight
    page = visit(page_of_panel(tmp_path, list_box(model)))
    assert page.get_by_role("status").inner_text().endswith("answers are right.")
    if weight != 3e38:
        assert "no number" in page.locator("#list-answers").inner_text()
        assert "no number" in page.locator("#list-boosts").inner_text()


def test_hostile_names_of_examples_stay_text(visit, tmp_path, trained):
    panel = list_box(trained)
    evil = "</script><script>alert(1)</script><img src=http://127.0.0.1:9 onerror=alert(2)>"
    examples = [{"name": evil, "values": panel.data["examples"][0]["values"]}]
    page = visit(page_of_panel(tmp_path, dataclasses.replace(panel, data={**panel.data, "examples": examples})))
    assert page.locator("#list-examples button").inner_text() == evil


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_stands_in_the_way_of_a_screen_reader_or_weak_eyes(visit, box, scheme, viewport):
    page = visit(box, color_scheme=scheme, viewport=viewport)
    page.get_by_role("button", name="A large jump").click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_the_keyboard_is_enough(page):
    page.get_by_role("button", name="A large jump").focus()
    page.keyboard.press("Enter")
    page.get_by_role("radio", checked=True).focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", checked=True).get_attribute("value") == "2"
    assert page.locator("#list-boosts-of").inner_text().startswith("After 40 the right answer is 41.")
    current = page.locator("#list-attention tr[aria-current=true] th").all_inner_texts()
    assert current == ["40", "40"]


def test_only_what_scrolls_is_a_stop_for_the_keyboard(visit, box):
    for viewport in (DESKTOP, PHONE):
        regions = visit(box, viewport=viewport).locator("#list .scroll")
        stops = regions.evaluate_all("all => all.map(one => [one.tabIndex === 0, one.scrollWidth > one.clientWidth])")
        assert len(stops) == 3
        assert all(is_stop == scrolls for is_stop, scrolls in stops)


def test_without_scripts_it_says_what_it_needs(visit, box):
    page = visit(box, java_script_enabled=False)
    assert "needs JavaScript" in page.locator("#sort-a-list").inner_text()
    assert not page.get_by_label("Numbers of the list").is_visible()
