"""Ways in, and ways to waste an evening, that an attack found beyond those of the other files."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch

from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.scope import reference_model
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from toy_model.checkpoint.container import MAX_HEADER
from toy_model.sweep import cluster

COMMAND = [str(Path(sys.executable).with_name("cumsum-model"))]
FEW = ["--no-controls", "-k", "test_architecture"]

LEAVES_A_MARK = """
import importlib, os, sys
with open(os.path.join(os.path.dirname(__file__), "ran"), "a") as file:
    file.write(__name__)
here, path = sys.modules.pop(__name__), sys.path[:]
sys.path[:] = [place for place in path if place not in ("", os.getcwd())]
sys.modules[__name__] = importlib.import_module(__name__)
sys.path[:] = path
"""
"""A module that takes the place of another, leaves a mark, and lets all go on as if it were that one."""


def run(*words, cwd, timeout=None, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=kept | variables, capture_output=True, text=True, check=False, timeout=timeout
    )


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("execnet", ["verify", "model.safetensors", *FEW, "-n", "2"]),
        ("threading", ["verify", "model.safetensors", *FEW, "-n", "2"]),
        ("execnet", ["mutants", "-n", "2", "--checkpoint", "model.safetensors", "-k", "test_architecture"]),
        ("threading", ["sweep", "--seeds", "1", "--epochs", "1", "--train-size", "500", "--workers", "1", *FEW]),
    ],
    ids=["verify", "verify by any module", "mutants", "sweep"],
)
def test_no_process_imports_from_the_folder_it_is_started_in(tmp_path, module, words):
    """pytest-xdist and Dask start theirs with `python -c`, for which the folder comes first."""
    shutil.copy(REFERENCE, tmp_path / "model.safetensors")
    (tmp_path / f"{module}.py").write_text(LEAVES_A_MARK)
    out = ["--out", "out"] if words[0] != "verify" else []
    result = run(*words, *out, cwd=tmp_path)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert not (tmp_path / "ran").exists()


def test_the_mark_would_be_left(tmp_path):
    (tmp_path / "execnet.py").write_text(LEAVES_A_MARK)
    subprocess.run([sys.executable, "-c", "import execnet"], cwd=tmp_path, check=True)
    assert (tmp_path / "ran").read_text() == "execnet"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["certify", ""], 4),
        (["check", "certificate.json", ""], 4),
        (["inspect", ""], 4),
        (["mutants", "--checkpoint", ""], 4),
        (["verify", ""], 4),
        (["verify", "--baseline="], 4),
        (["verify", "--report="], 4),
        (["render", ""], 2),
        (["diff", "", ""], 2),
        (["train", "--out", ""], 2),
        (["sweep", "--seeds", "1", "--out", ""], 2),
        (["universality", ""], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_an_empty_path_is_neither_the_shipped_model_nor_this_folder(tmp_path, words, code):
    """As of a variable that is not set."""
    for file in ("model.safetensors", "report.json", "certificate.json"):
        shutil.copy(REFERENCE, tmp_path / file)
    result = run(*words, cwd=tmp_path)
    assert result.returncode == code, result.stdout + result.stderr
    assert "empty" in result.stderr
    assert result.stdout == ""


def test_who_ends_verify_ends_pytest(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [*COMMAND, "verify", "--report=report"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **quiet) as process:
        started = psutil.Process(process.pid)
        while not (tmp_path / "report" / "report.json").exists():  # it says that it has not finished
            time.sleep(0.05)
        children = started.children(recursive=True)
        assert children
        process.send_signal(signal.SIGTERM)
        assert process.wait() != 0
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive
    assert json.loads((tmp_path / "report" / "report.json").read_text())["tone"] == "unfinished"


@pytest.mark.parametrize("level", ["1", "2"])
def test_assertions_are_not_left_out(tmp_path, level):
    result = run("verify", *FEW, cwd=tmp_path, PYTHONOPTIMIZE=level)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 claim: 1 hold" in result.stdout


# What is printed


EVIL = "a\n::error::evil\x1b[2J"


@pytest.mark.parametrize("words", [["inspect"], ["certify"], ["check", "x"], ["convert"], ["verify"]], ids=" ".join)
@pytest.mark.parametrize("there", [True, False], ids=["there", "not there"])
def test_the_name_of_a_file_adds_no_line(tmp_path, words, there):
    name = f"{EVIL}.safetensors"
    if there:
        shutil.copy(REFERENCE, tmp_path / name)
    options = [f"{EVIL}.out.safetensors"] if words == ["convert"] else FEW if words == ["verify"] else []
    result = run(*words, name, *options, cwd=tmp_path)
    printed = result.stdout + result.stderr
    assert "\x1b[2J" not in printed
    assert not [line for line in printed.splitlines() if line.lstrip().startswith("::error::evil")]


def report_with(tmp_path, name, change):
    """The report of a run of two claims, changed."""
    kept = tmp_path / "kept"
    if not kept.exists():
        assert run("verify", f"--report={kept}", "-k", "test_architecture or QK_is_zero", cwd=tmp_path).returncode == 0
    document = json.loads((kept / "report.json").read_text())
    change(document)
    path = tmp_path / name
    path.write_text(json.dumps(document))
    return path


def test_a_report_prints_no_command_to_github(tmp_path, capsys):
    def evil(document):
        document["claims"][0] |= {"statement": "x\n::stop-commands::mine", "id": "::error::mine\n::error::too"}

    before = report_with(tmp_path, "evil.json", evil)
    main(["diff", str(before), str(report_with(tmp_path, "good.json", lambda document: None))])
    printed = capsys.readouterr().out
    assert "stop-commands" in printed
    assert not [line for line in printed.splitlines() if line.lstrip().startswith("::")]


def test_slack_that_cannot_be_is_refused_and_none_is_divided_by_zero(tmp_path, capsys):
    def judgements(document):
        for claim in document["claims"]:
            for measurement in claim["measurements"]:
                yield from measurement["comparisons"]

    def with_slack(slack):
        return lambda document: [judgement.update(holds=True, slack=slack) for judgement in judgements(document)]

    zero = report_with(tmp_path, "zero.json", with_slack(0.0))
    some = report_with(tmp_path, "some.json", with_slack(0.5))
    infinite = report_with(tmp_path, "infinite.json", with_slack("Infinity"))
    negative = report_with(tmp_path, "negative.json", with_slack(-1))
    for before, after in ((zero, some), (some, zero), (infinite, some), (some, infinite), (infinite, zero)):
        main(["diff", str(before), str(after)])
        told = capsys.readouterr()
        assert "nan" not in told.out
        assert "inf%" not in told.out
        assert told.err == ""
    assert main(["diff", str(some), str(negative)]) == 4
    assert "a comparison holds with a slack of -1" in capsys.readouterr().err


# What is written


def test_a_file_that_is_replaced_through_a_link_stays_private(tmp_path):
    report = report_with(tmp_path, "report.json", lambda document: None)
    (tmp_path / "real.html").write_text("private")
    (tmp_path / "real.html").chmod(0o600)
    (tmp_path / "report.html").symlink_to("real.html")
    assert main(["render", str(report)]) == 0
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600


def test_a_table_of_mutants_is_whole_or_as_it_was(tmp_path):
    """On a disk that is full when the table is to be written, which is after everything ran."""
    table = tmp_path / "matrix.json"
    table.write_text("as it was")
    (tmp_path / "full.py").write_text(
        "import pytest_claims.hooks.tables as tables\n"
        "def write_whole(path, content): raise OSError(28, 'No space left on device')\n"
        "tables.write_whole = write_whole\n"
    )
    words = ["verify", f"--matrix={table}", "-k", "test_architecture", "-p", "full"]
    result = run(*words, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert "the table could not be saved to" in " ".join(result.stdout.split())
    assert "Traceback" not in result.stdout + result.stderr
    assert table.read_text() == "as it was"


def test_a_table_of_mutants_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    result = run("mutants", "-k", "test_architecture", "--out", "pipe", cwd=tmp_path, timeout=600)
    assert result.returncode == 4
    assert "pipe: is not a regular file" in result.stderr
    assert "saved" not in result.stdout
    result = run("verify", "--matrix=fresh.json", "-k", "nothing_is_called_so", cwd=tmp_path)
    assert not (tmp_path / "fresh.json").exists()


# What is read


def rewritten(header, data):
    text = header.encode()
    return struct.pack("<Q", len(text)) + text + data


def test_a_tensor_that_stands_twice_in_a_header_is_refused(tmp_path):
    """Which of the two is meant is for each reader to decide: another might see another model."""
    content = REFERENCE.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = content[8 : 8 + length].decode(), content[8 + length :]
    name = '"blocks.0.attn.W_K"'
    entry = json.dumps(json.loads(header)["blocks.0.attn.W_Q"])
    path = tmp_path / "twice.safetensors"
    path.write_bytes(rewritten(f"{{{name}:{entry},{header.strip()[1:]}", data))
    with pytest.raises(CheckpointError, match=r"its header has blocks\.0\.attn\.W_K twice"):
        read_checkpoint(path, SYSTEM)


def test_a_header_larger_than_any_is_not_read(tmp_path):
    path = tmp_path / "large.safetensors"
    path.write_bytes(rewritten("{" + " " * MAX_HEADER + "}", b""))
    with pytest.raises(CheckpointError, match="has a header of 4,194,306 bytes, more than the 4,194,304"):
        read_checkpoint(path, SYSTEM)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (CumsumConfig(n_ctx=100, max_value=49, d_model=2, d_head=1, d_mlp=1), "attention scores"),
        (CumsumConfig(n_ctx=3333, max_value=1, d_model=2, d_head=1, d_mlp=1), "attention scores"),
        (CumsumConfig(n_ctx=1, max_value=4999, d_model=2, d_head=1, d_mlp=1), "attention scores"),
        (CumsumConfig(n_ctx=2, d_model=2, n_heads=257, d_head=1, d_mlp=1), "has 257 heads, more than the 256"),
    ],
    ids=["many states", "long", "many tokens", "many heads"],
)
def test_a_small_file_asks_for_no_gigabytes(tmp_path, capsys, config, told):
    path = tmp_path / "small.safetensors"
    write_checkpoint(path, untrained(config, seed=1), {"made_of": {}})
    assert path.stat().st_size < 100_000
    (tmp_path / "certificate.json").write_text(
        json.dumps({"format": "cumsum certificate", "version": 1, "checkpoint": {}, "lengths": []})
    )
    for words in (["certify", str(path)], ["check", str(tmp_path / "certificate.json"), str(path)]):
        assert main(words) == 4
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line


def test_what_may_overflow_as_computed_is_not_proved_right(tmp_path, capsys):
    model = reference_model()
    state = {
        name: 3e37 * tensor if name.startswith("unembed") else tensor for name, tensor in model.state_dict().items()
    }
    large = untrained(model.cfg, seed=1)
    large.load_state_dict(state)
    assert not torch.isfinite(large(torch.full((1, 20), 10))).all()
    path = tmp_path / "large.safetensors"
    write_checkpoint(path, large, {"made_of": {}})
    assert main(["certify", str(path)]) == 1
    assert "logits may overflow, so as computed nothing is proved" in capsys.readouterr().out


def test_a_scheduler_that_says_nothing_is_not_waited_for(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = []
        threading.Thread(target=lambda: accepted.append(server.accept()), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert main(["sweep", "--seeds", "1", "--out", str(tmp_path), "--scheduler", address]) == 4
        for connection, _ in accepted:
            connection.close()
    *_, told = capsys.readouterr().err.splitlines()
    assert told.startswith(f"error: --scheduler {address}: cannot be reached (")


def test_no_section_of_a_page_takes_the_name_of_a_panel(tmp_path):
    """The box finds its weights by a name, which a file of claims might have, too."""

    def renamed(document):
        for i, claim in enumerate(document["claims"]):
            name = ("panel-try-a-sequence-data", "sequence", "values")[i % 3]
            claim["id"] = f"claims/cumsum/test_{name}.py::test_{i}"

    assert main(["render", str(report_with(tmp_path, "report.json", renamed))]) == 0
    page = (tmp_path / "report.html").read_text()
    for name in ("panel-try-a-sequence-data", "sequence", "values"):
        assert page.count(f'id="{name}"') == 1
