"""Which systems a run is about, by what is asked for and what the checkpoint is."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from another_system import COPYING
from saved_files import hooked

from cumsum_model.system import SYSTEM as CUMSUM
from cumsum_model.two_layers.system import SYSTEM as TWO_LAYERS
from sorted_list_model.system import SYSTEM as SORTED_LIST
from toy_model.checkout import CLAIMS, ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.choosing import Chosen, choose
from toy_model.guard import SYSTEMS as PACKAGES
from toy_model.system import system_of

SYSTEMS = (CUMSUM, TWO_LAYERS, SORTED_LIST)
FOLDERS = {"cumsum", "cumsum_two_layers", "lengths", "sorted_list"}
"""Of claims: of every system, and about a study, which no checkpoint is of."""


def chosen(*arguments, checkpoints=None, systems=SYSTEMS, folder=ROOT, **options):
    given = {"claims_checkpoint": checkpoints, "token_order": None, "n_heads": None, **options}
    config = SimpleNamespace(
        stash={},
        getoption=lambda name, default=None: given.get(name, default),
        rootpath=ROOT,
        args=list(map(str, arguments)),
        invocation_params=SimpleNamespace(dir=folder),
    )
    return choose(config, systems)


def refused(*arguments, **options):
    with pytest.raises(pytest.UsageError) as caught:
        chosen(*arguments, **options)
    told = str(caught.value)
    assert "\n" not in told
    return told


def test_the_systems_are_those_that_there_are_claims_about():
    assert tuple(map(system_of, PACKAGES)) == SYSTEMS
    assert {path.parent.name for path in CLAIMS.glob("*/conftest.py")} == FOLDERS
    assert {system.name for system in SYSTEMS} == FOLDERS - {"lengths"}


@pytest.mark.parametrize(
    ("arguments", "systems"),
    [
        (["claims"], SYSTEMS),
        (["claims", "tests"], SYSTEMS),
        (["."], SYSTEMS),
        (["claims/cumsum"], (CUMSUM,)),
        (["claims/sorted_list/test_task.py::test_accuracy"], (SORTED_LIST,)),
        (["claims/sorted_list", "claims/cumsum/test_task.py"], (CUMSUM, SORTED_LIST)),
        (["claims/cumsum_two_layers"], (TWO_LAYERS,)),
        (["claims/lengths"], ()),
        (["tests/toy_model"], ()),
    ],
)
def test_without_a_checkpoint_all_that_are_asked_for_run(arguments, systems):
    assert chosen(*arguments) == Chosen(CLAIMS, systems)


def test_paths_are_seen_from_where_pytest_was_called():
    assert chosen("cumsum", folder=CLAIMS) == Chosen(CLAIMS, (CUMSUM,))


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_checkpoint_is_of_the_system_that_can_read_it(system):
    found = chosen("claims", checkpoints=[system.reference])
    others = tuple(sorted(FOLDERS - {system.name}))
    assert found == Chosen(CLAIMS, (system,), others)
    assert found.header == [f"claims/{other} left out: checkpoint is of {system.name}" for other in others]
    assert all(found.leaves_out(CLAIMS / other) for other in others)
    assert not found.leaves_out(CLAIMS / system.name)


def test_a_checkpoint_is_of_the_narrowest_system_that_can_read_it():
    one_layer = chosen("claims", checkpoints=[CUMSUM.reference])
    two_layers = chosen("claims", checkpoints=[TWO_LAYERS.reference])
    assert (one_layer.systems, two_layers.systems) == ((CUMSUM,), (TWO_LAYERS,))
    assert chosen("claims", checkpoints=[TWO_LAYERS.reference], systems=(CUMSUM, SORTED_LIST)).systems == (CUMSUM,)
    assert chosen("claims", checkpoints=[CUMSUM.reference, TWO_LAYERS.reference]).systems == (CUMSUM,)


@pytest.mark.parametrize("made", ["hooked", "bridge", "folder", "shards", "several", "wrapped", "damaged"])
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_checkpoint_of_any_kind_is(save, tmp_path, system, made, reference, two_layers, trained_sorter):
    model = {"cumsum": reference, "cumsum_two_layers": two_layers, "sorted_list": trained_sorter}[system.name]
    folder = tmp_path / "folder"
    folder.mkdir()
    if made == "folder":
        safetensors.torch.save_file(dict(model.state_dict()), folder / "model.safetensors")
    elif made == "several":
        for name in ("one.safetensors", "other.safetensors"):
            safetensors.torch.save_file(dict(model.state_dict()), folder / name)
        (folder / "one.card.json").write_text("{}")
    elif made == "shards":
        where = {}
        for i, name in enumerate(model.state_dict()):
            where[name] = f"model-0000{1 + i % 2}-of-00002.safetensors"
        for file in set(where.values()):
            part = {name: tensor for name, tensor in model.state_dict().items() if where[name] == file}
            safetensors.torch.save_file(part, folder / file)
        index = f'{{"weight_map": {str(where).replace(chr(39), chr(34))}}}'
        (folder / "model.safetensors.index.json").write_text(index)
    else:
        state = model.bridge().state_dict() if made == "bridge" else hooked(model)
        if made == "damaged":  # which is for its own reader to say
            state["unembed.b_U"] = torch.full_like(state["unembed.b_U"], torch.nan)
        folder = save(state)
    options = {"token_order": "wrapped"} if made == "wrapped" else {}
    assert chosen("claims", checkpoints=[folder], **options).systems == (system,)


@pytest.fixture(scope="module")
def two_layers():
    return read_checkpoint(TWO_LAYERS.reference, TWO_LAYERS).model


@pytest.fixture(scope="module")
def trained_sorter():
    from sorted_list_model.scope import reference_model

    return reference_model()


def test_where_a_folder_is_named_its_reader_judges():
    assert chosen("claims/cumsum", checkpoints=[SORTED_LIST.reference]) == Chosen(CLAIMS, (CUMSUM,))


def test_what_no_system_can_read_is_refused_with_what_each_says(save, tmp_path):
    path = save({"embed.W_E": torch.zeros(4, 2), "blocks.0.mlp.W_in": torch.zeros(2, 2)})
    told = refused("claims", checkpoints=[path])
    assert told.startswith(f"{path}: of none of the systems; name the one that is meant, pytest claims/cumsum or ")
    assert "cumsum: pos_embed.W_pos is missing" in told
    assert "sorted_list: has an MLP (blocks.0.mlp.W_in) and no weights of a layer norm" in told
    text = tmp_path / "notes.txt"
    text.write_text("to be bought: milk")
    assert refused("claims", checkpoints=[text]) == (
        f"{text}: is neither a safetensors file nor a torch.save archive, but text"
    )
    assert refused("claims", checkpoints=[Path("nowhere")]) == "nowhere: No such file or directory"


def test_checkpoints_of_several_systems_are_refused():
    told = refused("claims", checkpoints=[system.reference for system in (CUMSUM, SORTED_LIST)])
    assert told == (
        f"name checkpoints of one system at a time: {CUMSUM.reference} is of cumsum; {SORTED_LIST.reference} is of "
        "sorted_list"
    )


def test_a_checkpoint_that_several_systems_can_read_is_refused():
    told = refused("claims", checkpoints=[SORTED_LIST.reference], systems=(*SYSTEMS, COPYING))
    assert told == (
        f"name the folder of claims, pytest claims/sorted_list or pytest claims/copying: {SORTED_LIST.reference} is of "
        "sorted_list and copying"
    )


def test_a_file_is_read_once(monkeypatch):
    from toy_model.checkpoint import stored

    read = []
    parse = stored.parse
    monkeypatch.setattr(stored, "parse", lambda content: read.append(content) or parse(content))
    chosen("claims", checkpoints=[SORTED_LIST.reference])
    assert len(read) == 1
