"""Files that ask for more than weights: nothing in them is run, and none takes much memory."""

import ast
import os
import pickle
import sys

import numpy as np
import pytest
import torch
from saved_files import Touches, complaint, equal, hooked, read, rezipped

from toy_model.checkout import ROOT
from toy_model.checkpoint import archive, survey, torch_file


@pytest.mark.parametrize("place", ["alone", "beside", "inside"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
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
    expected = "holds a CumsumTransformer object, not a state dict: save model.state_dict()"
    assert complaint(save(reference)) == expected
    assert complaint(save({"model": reference, "epoch": 3})) == expected


def test_what_is_not_a_state_dict_is_named(save, reference):
    assert "holds a tensor, not a state dict" in complaint(save(torch.ones(3)))
    assert "holds a list, not a state dict" in complaint(save([torch.ones(3)]))
    assert "holds blocks.0.scale, which is not a tensor" in complaint(save(hooked(reference) | {"blocks.0.scale": 3}))
    assert "holds epoch and lr, and no tensor" in complaint(save({"epoch": 3, "lr": 0.1}))
    assert "holds nothing" in complaint(save({}))
    program = save(hooked(reference))
    rezipped(program, lambda members: members.update({"new/constants.pkl": b""}))
    assert "is a TorchScript program" in complaint(program)


def test_torch_load_is_the_only_unpickler_and_always_restricted():
    calls = []
    for path in [*(ROOT / "toy_model").rglob("*.py"), *(ROOT / "cumsum_model").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not {"pickle", "_pickle", "dill", "joblib", "marshal", "shelve"} & set(imported), path
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert called not in (
                "torch.jit.load",
                "eval",
                "exec",
                "compile",
                "torch.serialization.add_safe_globals",
            ), path
            if called == "torch.load":
                calls.append((path.name, {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}))
    ((name, options),) = calls
    assert name == "torch_file.py"
    assert options["weights_only"] == "True"


def test_what_the_user_allows_elsewhere_is_not_allowed_here(save, tmp_path, reference):
    """`add_safe_globals` is for a whole process; the survey of names is ours."""
    path = save(hooked(reference) | {"x": Touches(tmp_path / "touched")})
    with torch.serialization.safe_globals([Touches, (os.mkdir, "posix.mkdir")]):
        assert complaint(path).startswith("data.pkl names posix.mkdir, which no state dict needs")


def test_nothing_stays_allowed(save, reference):
    before = set(torch.serialization.get_safe_globals())
    read(save({"model": hooked(reference), "best": np.float64(0.5)}))
    assert set(torch.serialization.get_safe_globals()) == before


def test_a_member_under_many_names_is_read_under_none(save, reference):
    """To the zip reader inside torch a name ends at a zero byte: each of these loads the same megabytes anew."""
    path = save({"embed.W_E": torch.zeros(2**20)})

    def rename(members):
        (name,) = [name for name in members if name.endswith("data.pkl")]
        assert b"X\x01\0\0\x000" in members[name]
        members[name] = members[name].replace(b"X\x01\0\0\x000", b"X\x03\0\0\x000\0a")

    rezipped(path, rename)
    assert torch.load(path, weights_only=True)["embed.W_E"].shape == (2**20,)
    assert "refers to a storage in a way that torch.save does not" in complaint(path)


def test_a_codec_is_not_imported_for_a_file(save, tmp_path):
    path = save({"bytes": b"abc"})
    assert complaint(path) == "holds bytes, and no tensor: save model.state_dict()"

    def change(members):
        (name,) = [name for name in members if name.endswith("data.pkl")]
        assert b"X\x06\0\0\0latin1" in members[name]
        members[name] = members[name].replace(b"X\x06\0\0\0latin1", b"X\x05\0\0\0rot13")

    rezipped(path, change)
    sys.modules.pop("encodings.rot_13", None)
    assert complaint(path) == "data.pkl names a codec other than latin1, which no state dict needs"
    assert "encodings.rot_13" not in sys.modules


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_later_pickle_protocol_has_a_way_out(save, reference, protocol):
    message = complaint(save({"model": hooked(reference), "bytes": b"abc"}, pickle_protocol=protocol))
    assert (
        "was written with a pickle protocol that torch.load(weights_only=True) does not read; save it with the"
        in message
    )


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_no_warning_of_torch_is_seen(save, reference, zipped, recwarn):
    read(save({"model": hooked(reference), "best": np.float64(0.5)}, _use_new_zipfile_serialization=zipped))
    assert not recwarn.list


def test_a_legacy_file_cannot_declare_more_than_it_has(save, reference):
    content = save(hooked(reference), _use_new_zipfile_serialization=False).read_bytes()
    path = save({})
    path.write_bytes(content[:-400])
    assert "damaged" in complaint(path) or "cut short" in complaint(path)
    before = b"M\x08\x01"  # 264 numbers of W_E
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, b"J\xff\xff\xff\x7f"))
    assert complaint(path) == "is cut short: it lacks bytes of its tensors"


def test_a_small_file_cannot_ask_for_much_memory(save, monkeypatch):
    path = save({"embed.W_E": torch.zeros(1).expand(2**30, 2**10)})
    assert path.stat().st_size < 10_000
    assert "declares tensors of more than the 268,435,456 bytes" in complaint(path)


@pytest.mark.parametrize(
    ("module", "limit", "message"),
    [
        (torch_file, "MAX_BYTES", "data.pkl takes"),
        (survey, "MAX_OPCODES", "opcodes"),
        (survey, "MAX_DEPTH", "data.pkl nests values more than"),
        (survey, "MAX_WORK", "data.pkl would take too long to read"),
        (archive, "MAX_MEMBERS", "is an archive of more than"),
        (torch_file, "MAX_TENSORS", "holds 18 tensors, more than"),
        (torch_file, "MAX_TENSOR_BYTES", "declares tensors of more than"),
        (torch_file, "MAX_DIMS", "axes, more than the 1 that are read"),
    ],
)
def test_every_limit_is_kept(save, reference, monkeypatch, module, limit, message):
    path = save(hooked(reference))
    assert equal(read(path).model, reference)
    monkeypatch.setattr(module, limit, 1)
    assert message in complaint(path)


def test_thousands_of_views_of_one_large_storage_are_loaded_once(save, reference, monkeypatch):
    """Loaded for each view, these would be 48 GB."""
    storage = torch.zeros(2**22)
    path = save(hooked(reference) | {f"view{i}": storage[i : i + 1] for i in range(3_000)})
    loaded, load = [], torch.load
    monkeypatch.setattr(torch, "load", lambda *given, **options: loaded.append(load(*given, **options)) or loaded[-1])
    complaint(path)
    views = [tensor for name, tensor in loaded[0].items() if name.startswith("view")]
    assert len({tensor.untyped_storage().data_ptr() for tensor in views}) == 1


def nested(depth):
    """Tuples in tuples, each twice: small in a file, and 2 ** depth to walk through."""
    pair = ()
    for _ in range(depth):
        pair = (pair, pair)
    return pair


@pytest.mark.parametrize("place", ["key", "member of a set", "value"])
def test_tuples_that_would_take_for_ever_are_refused(save, reference, place):
    shared = nested(60)
    path = save({})
    pickled = pickle.dumps(shared, protocol=2)[2:-1]  # whole, since its hash is what would take for ever
    around = {
        "key": b"}" + pickled + b"Ns",
        "member of a set": b"c__builtin__\nset\n]" + pickled + b"a\x85R",
        "value": b"}X\x01\0\0\0a" + pickled + b"s",
    }

    def change(members):
        (name,) = [name for name in members if name.endswith("data.pkl")]
        members[name] = b"\x80\x02" + around[place] + b"."

    rezipped(path, change)
    assert "data.pkl would take too long to read" in complaint(path)
