"""Checkpoints from elsewhere: what is read, as what, and what is said of a file that was read in the wrong order."""

import ast
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict

import pytest
import safetensors.torch
import torch

from cumsum_model import diagnosis, mutants
from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.data import evaluation_set
from cumsum_model.report import details
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model.behaviour import accuracy
from toy_model.checkout import ROOT
from toy_model.checkpoint import naming, pickled, torch_archive
from toy_model.checkpoint.checkpoint import (
    CheckpointError,
    Misread,
    Reading,
    build_model,
    card_path,
    inspect_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from toy_model.checkpoint.naming import classic
from toy_model.engine import run

SMALL = CumsumConfig(max_value=2, n_ctx=6, n_layers=2, n_heads=2, d_model=8, d_head=3, d_mlp=5)


def hooked(model, wrapped=False):
    """The state dict of the HookedTransformer that `model` could have been, with its buffers."""
    state = OrderedDict((name, tensor.clone()) for name, tensor in model.state_dict().items())
    if wrapped:  # the original release fed negative values to the embedding, which Python counts from the end
        values = range(-model.cfg.max_value, model.cfg.max_value + 1)
        rows = torch.empty_like(state["embed.W_E"])
        for value in values:
            rows[value] = model.W_E[value + model.cfg.max_value]
        state["embed.W_E"] = rows
    for layer in range(model.cfg.n_layers):
        state[f"blocks.{layer}.attn.mask"] = torch.ones(model.cfg.n_ctx, model.cfg.n_ctx).tril().bool()
        state[f"blocks.{layer}.attn.IGNORE"] = torch.tensor(-torch.inf)
    return state


@pytest.fixture
def save(tmp_path):
    def save(state, name="new.pt", **options):
        torch.save(state, tmp_path / name, **options)
        return tmp_path / name

    return save


def equal(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def complaint(path, **options):
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, SYSTEM, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    return message.removeprefix(f"{path}: ")


# --- What is read


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("wrapped", [False, True], ids=["value", "wrapped"])
def test_a_state_dict_of_a_HookedTransformer_is_the_model(save, reference, wrapped, protocol):
    read = read_checkpoint(
        save(hooked(reference, wrapped), pickle_protocol=protocol),
        SYSTEM,
        reading=Reading("wrapped" if wrapped else None),
    )
    assert equal(read.model, reference)
    assert read.format == "torch.save state dict"
    assert read.notes == ("left out blocks.0.attn.mask, blocks.0.attn.IGNORE: buffers, not parameters",)


def test_the_sha256_is_that_of_the_file(save, reference):
    path = save(hooked(reference))
    assert read_checkpoint(path, SYSTEM).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_buffers_in_a_safetensors_file_are_left_out(tmp_path, reference):
    path = tmp_path / "new.safetensors"
    safetensors.torch.save_file(hooked(reference), path)
    assert equal(read_checkpoint(path, SYSTEM).model, reference)


@pytest.mark.parametrize("container", ["torch.save", "safetensors"])
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("n_heads", [1, 2])
def test_a_bridge_is_the_model_that_it_was_made_of(tmp_path, save, n_heads, n_layers, container):
    cfg = CumsumConfig(max_value=2, n_ctx=6, n_layers=n_layers, n_heads=n_heads, d_model=8, d_head=3, d_mlp=5)
    model = untrained(cfg, seed=1)
    for tensor in model.state_dict().values():  # biases, too
        tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(tensor.numel())))
    state = model.bridge().state_dict()
    if container == "torch.save":
        path = save(state)
    else:
        path = tmp_path / "bridge.safetensors"
        safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    read = read_checkpoint(path, SYSTEM, reading=Reading(token_order="value", n_heads=n_heads))
    assert read.model.cfg == cfg
    assert equal(read.model, model)
    assert read.format.endswith("of a TransformerLens bridge")


def test_a_bridge_is_taken_to_have_one_head_unless_told(save):
    model = untrained(SMALL, seed=1)
    path = save(model.bridge().state_dict())
    read = read_checkpoint(path, SYSTEM)
    assert (read.model.cfg.n_heads, read.model.cfg.d_head) == (1, 6)
    assert "taken to have 1 head" in read.notes[0]
    assert "blocks.0.attn.q.weight has 6 rows for all heads, which 4 heads cannot share" in complaint(
        path, reading=Reading(n_heads=4)
    )
    assert "W_Q has 2 heads by its shape, not 3" in complaint(save(hooked(model)), reading=Reading(n_heads=3))


@pytest.mark.parametrize("entry", ["state_dict", "model_state_dict", "model"])
def test_the_state_dict_in_a_training_checkpoint_is_found(save, reference, entry):
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))])
    saved = {"epoch": 3, entry: hooked(reference), "optimizer": optimizer.state_dict(), (1, 2): [None, 2**70, -0.5]}
    read = read_checkpoint(save(saved), SYSTEM)
    assert equal(read.model, reference)
    assert read.notes[0] == f'taken from its entry "{entry}"'


def test_a_checkpoint_with_two_state_dicts_is_not_guessed_at(save, reference):
    path = save({"state_dict": hooked(reference), "model": hooked(mutants.swap_verdicts(reference))})
    assert "holds several state dicts, state_dict and model" in complaint(path)


def test_parameters_and_metadata_of_modules_are_read(save, reference):
    assert equal(read_checkpoint(save(reference.state_dict()), SYSTEM).model, reference)  # has `_metadata`
    parameters = {name: torch.nn.Parameter(tensor) for name, tensor in reference.state_dict().items()}
    assert equal(read_checkpoint(save(parameters), SYSTEM).model, reference)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model."])
def test_a_prefix_that_all_names_have_is_dropped(save, reference, prefix):
    for state in (hooked(reference), reference.bridge().state_dict()):
        read = read_checkpoint(save({prefix + name: tensor for name, tensor in state.items()}), SYSTEM)
        assert equal(read.model, reference)
        assert f'names without their "{prefix}"' in read.notes


def test_views_strides_and_shared_storages_are_read(save, reference):
    state = hooked(reference)
    state["embed.W_E"] = state["embed.W_E"].T.contiguous().T
    whole = torch.cat([torch.ones(7), state["unembed.b_U"], torch.ones(5)])
    state["unembed.b_U"] = whole[7:10]
    state["blocks.0.attn.b_V"] = torch.tensor(0.25).expand(1, 12)
    read = read_checkpoint(save(state), SYSTEM).model
    for name, tensor in read.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def rezipped(path, change):
    """The same archive with other members, and checksums that fit."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def test_the_byte_order_of_the_machine_that_saved_is_respected(save, reference):
    path = save({name: tensor for name, tensor in hooked(reference).items() if not name.endswith("mask")})

    def turn(members):
        for name, content in members.items():
            if "/data/" in name:
                members[name] = torch.frombuffer(bytearray(content), dtype=torch.int32).numpy().byteswap().tobytes()
        members["new/byteorder"] = b"big"

    rezipped(path, turn)
    assert torch.equal(torch.load(path, weights_only=True)["embed.W_E"], reference.W_E)
    assert equal(read_checkpoint(path, SYSTEM).model, reference)


# --- What is refused


@pytest.mark.parametrize(
    "mask",
    [
        torch.ones(20, 20).bool(),
        torch.ones(20, 20).tril(),
        torch.ones(19, 19).tril().bool(),
        torch.ones(20, 20).triu().bool(),
    ],
    ids=["sees the future", "not boolean", "another context", "upside down"],
)
def test_a_mask_that_is_not_causal_belongs_to_another_model(save, reference, mask):
    state = hooked(reference) | {"blocks.0.attn.mask": mask}
    assert "blocks.0.attn.mask is not the causal mask" in complaint(save(state))


def test_IGNORE_has_to_hide_the_future(save, reference):
    old = hooked(reference) | {"blocks.0.attn.IGNORE": torch.tensor(-1e5)}
    assert equal(read_checkpoint(save(old), SYSTEM).model, reference)
    for ignore in (torch.tensor(0.0), torch.tensor(torch.nan), torch.tensor([-torch.inf] * 2)):
        state = hooked(reference) | {"blocks.0.attn.IGNORE": ignore}
        assert "blocks.0.attn.IGNORE is not a score that hides the future" in complaint(save(state))


class Touches:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("place", ["alone", "beside", "inside"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_a_pickle_asks_for_is_named_and_not_run(save, tmp_path, reference, place, protocol):
    touched = tmp_path / "touched"
    hostile = Touches(touched)
    state = {
        "alone": hostile,
        "beside": hooked(reference) | {"x": hostile},
        "inside": {"state_dict": {"embed.W_E": hostile}},
    }
    path = save(state[place], pickle_protocol=protocol)
    assert complaint(path).startswith("data.pkl names posix.mkdir, which no state dict needs; nothing was run")
    assert not touched.exists()
    torch.load(path, weights_only=False)
    assert touched.exists(), "the pickle is not hostile at all"


def test_a_whole_module_is_told_from_its_state_dict(save, reference):
    told = "holds a CumsumTransformer object, not a state dict: save model.state_dict()"
    assert complaint(save(reference)) == told
    assert complaint(save({"model": reference, "epoch": 3})) == told


def test_what_is_not_a_state_dict_is_named(save, reference):
    assert "holds a tensor, not a state dict" in complaint(save(torch.ones(3)))
    assert "holds a list, not a state dict" in complaint(save([torch.ones(3)]))
    assert "holds epoch, which is not a tensor" in complaint(save(hooked(reference) | {"epoch": 3}))
    assert "blocks.0.attn.q.bias is missing" in complaint(
        save({name: w for name, w in reference.bridge().state_dict().items() if name != "blocks.0.attn.q.bias"})
    )
    program = save(hooked(reference))
    rezipped(program, lambda members: members.update({"new/constants.pkl": b""}))
    assert "is a TorchScript program" in complaint(program)


def test_files_of_old_are_recognised(save, reference):
    assert "is a torch.save file from before torch 1.6" in complaint(
        save(hooked(reference), _use_new_zipfile_serialization=False)
    )


def test_no_unpickler_is_called(save, reference, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("unpickled")

    path = save(hooked(reference))
    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, forbidden)
    assert equal(read_checkpoint(path, SYSTEM).model, reference)


def test_no_unpickler_stands_in_the_code():
    for path in (ROOT / "cumsum_model").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not {"pickle", "_pickle", "dill", "joblib", "marshal", "shelve"} & set(imported), path
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert called not in ("torch.load", "torch.jit.load", "eval", "exec", "compile"), path


def test_a_small_file_cannot_ask_for_much_memory(save, monkeypatch):
    path = save({"embed.W_E": torch.zeros(1).expand(2**30, 2**10)})
    assert path.stat().st_size < 10_000
    assert "declares tensors of more than the 268,435,456 bytes" in complaint(path)


@pytest.mark.parametrize(
    ("module", "limit", "message"),
    [
        (pickled, "MAX_BYTES", "data.pkl takes"),
        (pickled, "MAX_OPCODES", "opcodes"),
        (pickled, "MAX_STACK", "data.pkl stacks more than"),
        (pickled, "MAX_MARKS", "data.pkl nests more than"),
        (torch_archive, "MAX_MEMBERS", "is an archive of more than"),
        (torch_archive, "MAX_TENSORS", "holds 18 tensors, more than"),
        (torch_archive, "MAX_TENSOR_BYTES", "declares tensors of more than"),
        (pickled, "MAX_DIMS", "data.pkl has a tensor whose offset, size or stride is impossible"),
        (torch_archive, "MAX_SIZE", "has a tensor of an impossible shape"),
    ],
)
def test_every_limit_is_kept(save, reference, monkeypatch, module, limit, message):
    path = save(hooked(reference))
    assert equal(read_checkpoint(path, SYSTEM).model, reference)
    monkeypatch.setattr(module, limit, 1)
    assert message in complaint(path)


def test_an_unfinished_training_run_says_how_to_go_on(tmp_path):
    (tmp_path / "training.safetensors").write_bytes(b"")
    told = complaint(tmp_path)
    assert told.startswith("training has not finished; run `python -m cumsum_model train --out")


# --- What is noticed


def test_rows_in_the_other_order_are_noticed(save, reference):
    path = save(hooked(reference, wrapped=True))
    as_they_stand = read_checkpoint(path, SYSTEM, reading=Reading("value")).model
    data = evaluation_set(5, 20)
    share = accuracy(run(as_they_stand, data.toks), data.labels)
    assert share < 0.5
    assert complaint(path) == (
        f"its embedding rows look wrapped (0, +1 .. +5, -5 .. -1): as they stand {share:.0%} of the evaluation set is "
        "answered rightly, in that order 100%; say --token-order wrapped, or --token-order value to take it as it is"
    )
    with pytest.raises(Misread) as caught:
        read_checkpoint(path, SYSTEM)
    assert caught.value.for_conversion.endswith(
        f"convert it: python -m cumsum_model convert {path} OUT.safetensors --token-order wrapped"
    )


def test_a_model_that_is_bad_in_any_order_is_taken_as_it_is(save, reference):
    for mutant in (mutants.untrained, mutants.swap_verdicts, mutants.attend_to_first):
        model = mutant(reference)
        assert equal(read_checkpoint(save(hooked(model)), SYSTEM).model, model)


def test_asking_for_an_order_that_is_wrong_is_obeyed(save, reference):
    read = read_checkpoint(save(hooked(reference)), SYSTEM, reading=Reading("wrapped"))
    assert torch.equal(read.model.W_E, reference.W_E.roll(5, 0))
    assert read.read_as == "torch.save state dict, embedding rows wrapped"


def two_heads_that_differ(reference):
    """The reference with a second head, which attends sharply and writes nothing: regrouped as one, it disturbs."""
    state = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    for name, tensor in reference.state_dict().items():
        if tensor.dim() > 1 and ".attn." in name and "b_O" not in name:
            state[name] = torch.cat([tensor, tensor])
    state["blocks.0.attn.W_O"][1] = 0
    state["blocks.0.attn.W_Q"][1] = 40 * torch.randn(24, 12, generator=torch.Generator().manual_seed(1))
    state["blocks.0.attn.W_K"][1] = 40 * torch.randn(24, 12, generator=torch.Generator().manual_seed(2))
    return build_model(state, SYSTEM)


@pytest.mark.parametrize("wrapped", [False, True], ids=["value", "wrapped"])
def test_another_number_of_heads_is_noticed(save, reference, wrapped):
    model = two_heads_that_differ(reference)
    state = model.bridge().state_dict()
    if wrapped:
        state["embed.weight"] = state["embed.weight"].roll(-5, 0)
    path = save(state)
    told = complaint(path)
    assert "its matrices look like those of 2 heads" in told
    assert ("its embedding rows look wrapped" in told) == wrapped
    assert ("say --token-order wrapped --n-heads 2" if wrapped else "say --n-heads 2") in told
    assert equal(read_checkpoint(path, SYSTEM, reading=Reading("wrapped" if wrapped else "value", 2)).model, model)


def test_one_forward_pass_is_enough_where_all_is_well(save, reference, monkeypatch):
    passes = []
    share_right = diagnosis.share_right
    monkeypatch.setattr(diagnosis, "share_right", lambda *seen: passes.append(seen) or share_right(*seen))
    read_checkpoint(save(hooked(reference)), SYSTEM)
    assert len(passes) == 1
    read_checkpoint(save(hooked(reference)), SYSTEM, reading=Reading("value"))
    read_checkpoint(REFERENCE, SYSTEM)  # its card vouches for it
    assert len(passes) == 1


def test_a_card_without_a_recipe_does_not_vouch(tmp_path, reference):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, build_model(classic(hooked(reference, wrapped=True), Reading())[0], SYSTEM), {})
    with pytest.raises(Misread):
        read_checkpoint(path, SYSTEM)


@pytest.mark.parametrize(
    "cfg",
    [
        CumsumConfig(max_value=1, n_ctx=3_300, d_model=4, d_head=2, d_mlp=2),
        CumsumConfig(max_value=4_900, n_ctx=1, d_model=30),
        CumsumConfig(n_layers=30, d_model=64, d_head=64, d_mlp=256),
    ],
    ids=["long", "many values", "deep"],
)
def test_large_models_are_judged_by_less(cfg):
    data = diagnosis.sample(cfg)
    assert diagnosis.FEWEST_SEQUENCES <= len(data) <= 1_000
    assert data.values.shape[1] <= diagnosis.MOST_POSITIONS


def test_what_cannot_be_judged_is_not_judged():
    assert diagnosis.sample(CumsumConfig(n_ctx=64, n_layers=100, d_model=4_096, d_mlp=16_384)) is None


def test_logits_that_are_not_finite_answer_nothing(reference):
    broken = mutants.add_some_noise(reference)
    broken.unembed.b_U.fill_(3e38)
    broken.unembed.W_U.mul_(1e38)
    assert diagnosis.share_right(broken, evaluation_set(5, 20)) < 1


# --- convert and inspect


def test_what_is_converted_is_what_was_read(save, tmp_path, reference, capsys):
    path, out = save(hooked(reference, wrapped=True)), tmp_path / "out.safetensors"
    assert main(["convert", str(path), str(out)]) == 4
    assert "say --token-order wrapped" in capsys.readouterr().err
    assert not out.exists()
    assert main(["convert", str(path), str(out), "--token-order", "wrapped"]) == 0
    assert out.read_bytes() == REFERENCE.read_bytes()
    read = read_checkpoint(out, SYSTEM)
    assert read.card["converted_from"] == {
        "file": "new.pt",
        "sha256": read_checkpoint(path, SYSTEM, reading=Reading("wrapped")).sha256,
        "format": "torch.save state dict",
        "token_order": "wrapped",
        "n_heads": 1,
    }
    trained_by = dict(details(read, "cpu").facts)["trained by"]
    assert trained_by.startswith("not known: the card has no recipe; converted from new.pt, torch.save state dict")


def test_what_the_card_says_is_carried_over(tmp_path):
    out, again = tmp_path / "out.safetensors", tmp_path / "again.safetensors"
    assert main(["convert", str(REFERENCE), str(out)]) == 0
    before, after = json.loads(card_path(REFERENCE).read_text()), json.loads(card_path(out).read_text())
    assert {name: after[name] for name in before} == before
    assert main(["convert", str(out), str(again)]) == 0
    assert json.loads(card_path(again).read_text())["converted_from"]["converted_from"] == after["converted_from"]
    assert "seed 42" in dict(details(read_checkpoint(again, SYSTEM), "cpu").facts)["trained by"]


def test_an_order_that_was_insisted_on_is_not_doubted_later(save, tmp_path, reference):
    path, out = save(hooked(reference, wrapped=True)), tmp_path / "out.safetensors"
    assert main(["convert", str(path), str(out), "--token-order", "value"]) == 0
    assert torch.equal(read_checkpoint(out, SYSTEM).model.W_E, reference.W_E.roll(-5, 0))


def test_a_file_and_what_it_was_converted_to_lie_beside_each_other(save, tmp_path, reference):
    path, out = save(hooked(reference), "mine.pt"), tmp_path / "mine.safetensors"
    assert main(["convert", str(path), str(out)]) == 0
    assert equal(read_checkpoint(out, SYSTEM).model, reference)
    assert read_checkpoint(path, SYSTEM).card is None
    assert card_path(path) != card_path(out)


def test_a_tensor_that_is_the_negative_of_its_bytes_is_refused(save, reference):
    """`torch.load` gives the negative; who reads the bytes alone would take another model for this one."""
    negated = torch.complex(torch.zeros(3), -reference.unembed.b_U.detach()).conj().imag
    assert negated.is_neg()
    assert torch.equal(negated, reference.unembed.b_U)
    path = save(hooked(reference) | {"unembed.b_U": negated})
    assert "the negative or conjugate of its bytes" in complaint(path)


def test_thousands_of_views_of_one_large_storage_are_copied_once(save, reference, monkeypatch):
    """Copied for each view, these would be 48 GB."""
    storage = torch.zeros(2**22)
    path = save(hooked(reference) | {f"view{i}": storage[i : i + 1] for i in range(3_000)})
    copied, frombuffer = [], torch.frombuffer
    monkeypatch.setattr(
        torch, "frombuffer", lambda content, **options: copied.append(len(content)) or frombuffer(content, **options)
    )
    complaint(path)
    assert storage.nbytes < sum(copied) < path.stat().st_size


def test_convert_replaces_nothing_unasked(save, tmp_path, reference, capsys):
    path, out = save(hooked(reference)), tmp_path / "out.safetensors"
    card_path(out).write_text("precious")
    assert main(["convert", str(path), str(out)]) == 1
    assert "out.card.json exists" in capsys.readouterr().err
    out.write_text("precious")
    assert main(["convert", str(path), str(out)]) == 1
    assert out.read_text() == card_path(out).read_text() == "precious"
    assert main(["convert", str(path), str(out), "--force"]) == 0
    assert equal(read_checkpoint(out, SYSTEM).model, reference)


@pytest.mark.parametrize(("out", "message"), [("new.pt", "has to end in .safetensors"), ("file/x.safetensors", "file")])
def test_where_nothing_can_be_written_is_one_line(save, tmp_path, reference, capsys, out, message):
    (tmp_path / "file").write_text("in the way")
    assert main(["convert", str(save(hooked(reference), "in.pt")), str(tmp_path / out)]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def inspected(path, *options, capsys):
    assert main(["inspect", str(path), *options]) == 0
    return capsys.readouterr().out


def test_inspect_says_what_is_in_a_file(save, reference, capsys):
    told = inspected(REFERENCE, capsys=capsys)
    for part in ("seed 42", "embed.W_E              [11, 24]", "0.0731691", "8 of 8"):
        assert part in told
    assert "MISREAD" not in told
    found = json.loads(inspected(save(hooked(reference)), "--json", capsys=capsys))
    assert found["config"]["d_model"] == 24
    assert found["parameters"]["blocks.0.attn.W_Q"] == [1, 24, 12]
    assert found["diagnosis"]["accuracy"] == 1
    assert found["diagnosis"]["r_squared_mean"] > 0.999
    assert found["looks_misread"] is None


def test_inspect_diagnoses_what_the_others_refuse(save, reference, capsys):
    path = save(hooked(reference, wrapped=True))
    assert "LOOKS MISREAD: its embedding rows look wrapped" in inspected(path, capsys=capsys)
    found = json.loads(inspected(path, "--json", capsys=capsys))
    assert found["looks_misread"]["options"] == "--token-order wrapped"
    assert "MISREAD" not in inspected(path, "--token-order", "wrapped", capsys=capsys)
    assert inspect_checkpoint(path, SYSTEM)[1].better == Reading("wrapped")


@pytest.mark.parametrize(
    "cfg",
    [
        CumsumConfig(n_layers=2),
        CumsumConfig(max_value=1, n_ctx=1, d_model=1, d_head=1, d_mlp=1),
        CumsumConfig(max_value=1, n_ctx=3_000, d_model=4, d_head=2, d_mlp=2),
        CumsumConfig(max_value=4_900, n_ctx=1, d_model=30),
        CumsumConfig(d_model=1_500, d_mlp=2_000),
    ],
    ids=["two layers", "ones", "long", "many values", "wide"],
)
def test_inspect_says_what_does_not_apply(tmp_path, cfg, capsys):
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, untrained(cfg, seed=1), {})
    found = json.loads(inspected(path, "--json", capsys=capsys))
    assert set(found["diagnosis"]) >= set(found["not_measured"])
    for name, value in found["diagnosis"].items():
        assert (value is None) == (name in found["not_measured"])
    assert "of its sequences" in found["evaluated_on"] or "the evaluation set" in found["evaluated_on"]
    if cfg.n_layers > 1:
        assert "this is an account of one layer, the model has 2" in found["not_measured"]["r_squared_mean"]
        assert "in the first of 2 layers" in inspected(path, capsys=capsys)


def test_inspect_survives_logits_that_are_not_finite(save, reference, capsys):
    state = hooked(reference)
    for name in ("embed.W_E", "blocks.0.attn.W_V", "blocks.0.attn.W_O", "blocks.0.mlp.W_in", "unembed.W_U"):
        state[name] = state[name] * 1e30
    found = json.loads(inspected(save(state), "--json", capsys=capsys))
    assert found["not_measured"]["cross_entropy"] == "not a finite number"


def test_commands_without_the_option_name_a_way_out(save, reference, capsys):
    path = save(hooked(reference, wrapped=True))
    for arguments in (
        ["certify", str(path)],
        ["check", str(REFERENCE), str(path)],
        ["mutants", "--checkpoint", str(path)],
    ):
        assert main(arguments) == 4
        told = capsys.readouterr().err
        assert f"convert it: python -m cumsum_model convert {path} OUT.safetensors --token-order wrapped" in told


# --- The suite


def verify(*arguments):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "claims/",
        "-p",
        "no:cacheprovider",
        "--no-controls",
        *map(str, arguments),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_suite_runs_on_a_wrapped_file_if_told(save, tmp_path, reference):
    path = save(hooked(reference, wrapped=True))
    refused = verify("--checkpoint", path)
    assert refused.returncode == 4
    assert f"{path}: its embedding rows look wrapped" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    report = tmp_path / "report"
    result = verify("--checkpoint", path, "--token-order", "wrapped", "-k", "attention or task", "--report", report)
    assert result.returncode == 0, result.stdout
    assert "torch.save state dict, embedding rows wrapped" in result.stdout
    subject = json.loads((report / "report.json").read_text())["subject"]
    assert dict(subject["facts"])["file"].startswith("torch.save state dict, embedding rows wrapped; left out")


def test_a_table_of_mutants_is_not_that_of_other_rows():
    wrapped = read_checkpoint(REFERENCE, SYSTEM, reading=Reading("wrapped"))
    assert "matrix" not in details(wrapped, "cpu").suite


def test_impossible_readings_are_refused():
    with pytest.raises(ValueError, match="token_order is 'sideways'"):
        Reading("sideways")
    with pytest.raises(ValueError, match="n_heads must be at least 1"):
        Reading(n_heads=0)
    assert naming.TOKEN_ORDERS == ("value", "wrapped")


def test_archives_in_memory_and_on_disk_are_the_same(reference):
    file = io.BytesIO()
    torch.save(hooked(reference), file)
    state, notes = torch_archive.read_archive(file.getvalue())
    assert state.keys() == hooked(reference).keys()
    assert notes == ()
