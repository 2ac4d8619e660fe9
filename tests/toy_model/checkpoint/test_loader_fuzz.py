"""Whatever file is given, it loads exactly or is refused in one line; nothing runs, nothing hangs, no memory is eaten.

Hundreds of damaged and hostile files of every kind that is read, all made from seeds, are read by one child process
under a limit of memory and an alarm, with every import, execution and write on record (`read_files.py`). What loads
has to be what an independent reader finds in the same damaged file: safetensors.numpy, or torch.load with
weights_only and nothing around it. A failure names the mutation, the source and the seed, which `cases` makes the file
from again.
"""

import io
import json
import os
import random
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from fuzz_archives import MEMBER_MUTATIONS, PICKLE_MUTATIONS, archived, members, with_pickle
from fuzz_bytes import BYTE_MUTATIONS, HEADER_MUTATIONS, TENSOR_MUTATIONS, with_header
from fuzz_hostile import FORMS, HOSTILE, abused_pickles, archive_of, around, called, impossible_tensors, odd_archives
from fuzz_sources import ARCHIVES, CONFIG, IGNORE, MASK, STATES, bridge_state, to_file

from toy_model.checkout import ROOT

NUMPY = [(np._core.multiarray.scalar, "numpy._core.multiarray.scalar"), np.dtype, np.dtypes.Float64DType]
"""What a numpy scalar beside the weights is made of."""

PER_KIND = 16
"""Files per kind of random mutation and source, each from its own seed."""


@dataclass(frozen=True)
class Case:
    """A file, how it came to be, and how it is to be read."""

    kind: str
    source: str
    seed: int
    content: bytes

    @property
    def name(self):
        return f"{self.kind}, of {self.source}, seed {self.seed}"

    @property
    def reading(self):
        return {
            "token_order": {"wrapped": "wrapped", "hooked": None}.get(self.source, "value"),
            "n_heads": 2 if "bridge" in self.source else None,
        }


def cases():
    good = {source: to_file(source, make()) for source, make in STATES.items()}
    for source, content in good.items():
        yield Case("as it is", source, 0, content)
        for change in BYTE_MUTATIONS:
            for seed in range(PER_KIND // 2):
                yield Case(change.__name__, source, seed, change(content, random.Random(seed)))
        for change in TENSOR_MUTATIONS:
            for seed in range(PER_KIND // 4):
                rng, state = random.Random(seed), STATES[source]()
                change(state, rng)
                if (
                    source in (*ARCHIVES, "before torch 1.6")
                    or sum(tensor.numel() for tensor in state.values()) < 10**6
                ):
                    yield Case(change.__name__, source, seed, to_file(source, state))
        if source == "before torch 1.6":
            continue
        if source not in ARCHIVES:
            for change in HEADER_MUTATIONS:
                for seed in range(PER_KIND // 2):
                    yield Case(change.__name__, source, seed, with_header(content, change, random.Random(seed)))
            continue
        for change in PICKLE_MUTATIONS:
            for seed in range(PER_KIND):
                rng = random.Random(seed)
                mutated = with_pickle(content, lambda pickled, rng=rng, change=change: change(pickled, rng))
                yield Case(change.__name__, source, seed, mutated)
        for change in MEMBER_MUTATIONS:
            for seed in range(PER_KIND // 2):
                entries = members(content)
                change(entries, random.Random(seed))
                yield Case(change.__name__, source, seed, archived(entries))
    for name in HOSTILE:
        for seed, form in enumerate(FORMS):
            pickled = around(called(name, form), random.Random(f"{name} {form}"))
            yield Case(f"hostile {form}", "hooked", seed, archive_of(pickled))
            yield Case(f"hostile {form}, bare", "hooked", seed, pickled)
    for seed, content in enumerate(impossible_tensors()):
        yield Case("impossible tensor", "hooked", seed, content)
    for seed, pickled in enumerate(abused_pickles()):
        yield Case("abused pickle", "hooked", seed, archive_of(pickled))
    for seed, content in enumerate(odd_archives()):
        yield Case("odd archive", "hooked", seed, content)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Every case with what became of it, from one child process; a crash or a hang names the file it died on."""
    folder = tmp_path_factory.mktemp("files")
    first = [
        {
            "path": str(folder / f"first-{source}".translate(str.maketrans(" .", "--"))),
            **Case("", source, 0, b"").reading,
        }
        for source in STATES
    ]
    for entry, (source, make) in zip(first, STATES.items(), strict=True):
        Path(entry["path"]).write_bytes(to_file(source, make()))
    all_cases = list(cases())
    entries = []
    for number, case in enumerate(all_cases):
        path = folder / f"{number:05}.bin"
        path.write_bytes(case.content)
        entries.append({"path": str(path), **case.reading})
    (folder / "manifest.json").write_text(json.dumps({"first": first, "files": entries}))
    script = ROOT / "tests" / "helpers" / "read_files.py"
    child = subprocess.Popen(
        [sys.executable, "-W", "error", script, folder / "manifest.json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment(),
    )  # fmt: skip
    try:
        output, complaints = child.communicate(timeout=1800)  # to read hundreds of files, which takes seconds
    except subprocess.TimeoutExpired:
        child.kill()
        output, complaints = child.communicate()
    results = [json.loads(line) for line in output.splitlines()]
    assert len(results) == len(all_cases), f"died on {all_cases[len(results)].name}: {complaints[-500:]}"
    return [
        (case, Path(entry["path"]), result) for case, entry, result in zip(all_cases, entries, results, strict=True)
    ]


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_there_are_enough_of_them_and_both_things_happen(outcomes, capsys):
    """What became of them is printed, so that it can be quoted."""
    counts = Counter((case.kind, result["outcome"]) for case, _, result in outcomes)
    loaded = sum(result["outcome"] == "loaded" for _, _, result in outcomes)
    largest = max(outcomes, key=lambda outcome: outcome[2]["memory"])
    slowest = max(outcomes, key=lambda outcome: outcome[2]["seconds"])
    with capsys.disabled():
        print(f"\n{len(outcomes)} files: {loaded} loaded, {len(outcomes) - loaded} refused")
        for kind in dict.fromkeys(case.kind for case, _, _ in outcomes):
            print(f"  {kind:<28} loaded {counts[kind, 'loaded']:>4}, refused {counts[kind, 'refused']:>4}")
        print(f"most memory {largest[2]['memory'] / 2**20:.0f} MB: {largest[0].name}")
        print(f"slowest {slowest[2]['seconds']:.2f} s: {slowest[0].name}")
    assert len(outcomes) >= 600
    assert loaded >= 100
    assert all(result["outcome"] == "loaded" for case, _, result in outcomes if case.kind in ("as it is", "strided"))


def test_every_file_loads_or_is_refused_in_one_line_that_names_it(outcomes):
    for case, path, result in outcomes:
        assert result["outcome"] in ("loaded", "refused"), (case.name, result)
        if result["outcome"] == "refused":
            line = result["told"]
            assert line.startswith(f"{path}: "), (case.name, line)
            assert line.isprintable(), (case.name, line)
            assert len(line) < len(str(path)) + 400, (case.name, line)


def test_reading_runs_imports_and_writes_nothing(outcomes):
    for case, _, result in outcomes:
        assert result["caused"] == [], case.name
    unexpected = {entry.name.partition(".")[2] for entry in outcomes[0][1].parent.iterdir()} - {
        "",
        "bin",
        "bin.npz",
        "npz",
        "json",
    }
    assert unexpected == set()


def test_no_hostile_pickle_is_loaded(outcomes):
    for case, _, result in outcomes:
        if case.kind.startswith(("hostile", "impossible", "abused")):
            assert result["outcome"] == "refused", case.name


def test_what_loads_is_what_an_independent_reader_finds(outcomes):
    for case, path, result in outcomes:
        if result["outcome"] == "loaded":
            theirs = read_independently(case.content)
            with np.load(f"{path}.npz") as ours:
                state = {name: torch.from_numpy(ours[name]) for name in ours.files}
            if case.reading["token_order"] == "wrapped":
                rows = [v % len(state["embed.W_E"]) for v in range(-CONFIG.max_value, CONFIG.max_value + 1)]
                assert sorted(rows) == list(range(len(rows)))
                unrolled = torch.empty_like(state["embed.W_E"])
                unrolled[rows] = state["embed.W_E"]
                state["embed.W_E"] = unrolled
            if "bridge" in case.source:
                state = bridge_state(state)
            assert theirs.keys() == state.keys(), case.name
            for name, tensor in state.items():
                assert tensor.numpy().tobytes() == theirs[name].tobytes(), (case.name, name)
                assert tuple(tensor.shape) == theirs[name].shape, (case.name, name)
                assert theirs[name].dtype == np.float32, (case.name, name)


def read_independently(content):
    """The parameters in a file by their names, as float32, without the buffers of HookedTransformer and wrappers."""
    if content[8:9] == b"{":
        state = safetensors.torch.load(content)
    else:
        with torch.serialization.safe_globals(NUMPY), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        state = state.get("state_dict", state)
    arrays = {}
    for name, tensor in state.items():
        plain = name.replace("module.", "").replace("_orig_mod.", "").removeprefix("model.").removeprefix("net.")
        if plain not in (MASK, IGNORE):
            assert plain not in arrays
            arrays[plain] = tensor.detach().float().numpy()
    return arrays
