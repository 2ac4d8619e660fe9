"""A run that is killed at any moment goes on to the same model, to the bit."""

import dataclasses
import errno
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import subprocess
import sys

import pytest
import torch

from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.system import SYSTEM
from cumsum_model.task import PUBLISHED
from toy_model.checkpoint.checkpoint import TRAINING_FILE, read_checkpoint
from toy_model.recipe import Recipe, changed, options_of
from toy_model.training.state_file import Unfinished, UnfinishedError, encode, read_unfinished
from toy_model.training.training import train

TINY = ["--epochs", "4", "--train-size", "400", "--val-size", "50", "--batch-size", "100", "--seed", "3"]
SHORT = ["--epochs", "12", "--train-size", "10000", "--val-size", "500", "--seed", "3"]
ENDLESS = ["--epochs", "1000000000", *SHORT[2:]]
RESULT = ["model.card.json", "model.safetensors"]

# Starts children that have imported all they need, so that a hundred of them take seconds.
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(
    ["torch._dynamo", "toy_model.commands.train", "toy_model.checkpoint.card", "toy_model.training.state_file"]
)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def train_and_die(out, options, at, moments="operations on a file"):
    """Train in this process, which ends before its `at`-th operation on a file, as if it were killed there.

    moments: "calls" to end at its `at`-th call or return of a function instead. They are counted in NAME.calls beside
    `out`, if it comes to that.
    """
    passed = 0

    def count(*_):
        nonlocal passed
        passed += 1
        if passed == at:
            os._exit(9)

    def audit(event, arguments):
        on_file = event in ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir")
        if on_file and str(arguments[0]).startswith(str(out)):
            count()

    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if moments == "calls":
        sys.setprofile(count)
    else:
        sys.addaudithook(audit)
        fsync = os.fsync
        os.fsync = lambda descriptor: (count(), fsync(descriptor))[1]
    code = main(["train", "--out", str(out), *options])
    sys.setprofile(None)
    out.with_suffix(".calls").write_text(str(passed))
    os._exit(code)


def in_child(*arguments):
    child = FORKSERVER.Process(target=train_and_die, args=arguments)
    child.start()
    child.join()
    return child.exitcode


def test_killed_at_every_operation_on_a_file_it_goes_on_to_the_same_model(tmp_path):
    whole = tmp_path / "whole"
    assert in_child(whole, TINY, 0) == 0
    expected = contents(whole)
    assert sorted(expected) == RESULT
    killed = resumed = 0
    for at in range(1, 1_000):
        out = tmp_path / f"killed{at}"
        if in_child(out, TINY, at) == 0:
            break
        killed += 1
        leftover = contents(out) if out.exists() else {}
        if "model.safetensors" in leftover:
            assert leftover["model.safetensors"] == expected["model.safetensors"]
        if TRAINING_FILE in leftover:
            resumed += 1
            assert read_unfinished(out / TRAINING_FILE, SYSTEM).state.recipe.seed == 3
        assert in_child(out, TINY, 0) == 0
        assert contents(out) == expected, f"killed before operation {at}"
    assert killed > 40
    assert resumed > 20


def test_killed_at_twenty_random_moments_it_ends_in_the_same_model(tmp_path):
    """One run after another, each killed again and again until there were twenty kills in all.

    The moments are drawn among all calls and returns of functions, so that no clock decides where they fall.
    """
    assert in_child(tmp_path / "whole", SHORT, 0, "calls") == 0
    calls = int((tmp_path / "whole.calls").read_text())
    expected = contents(tmp_path / "whole")
    draw = random.Random(20)
    kills = runs = 0
    while kills < 20:
        runs += 1
        out = tmp_path / f"run{runs}"
        code = in_child(out, SHORT, int(draw.uniform(0, 0.9) * calls) + 1, "calls")
        assert code == 9  # nothing is done before: it dies on the way
        while code:
            assert code == 9
            kills += 1
            code = in_child(out, SHORT, int(draw.uniform(0, 0.9) * calls) + 1 if kills < 20 else 0, "calls")
        assert contents(out) == expected


@pytest.fixture
def endless(tmp_path):
    """A process that has finished one epoch and will not come to the last; its `stderr` goes on with the next."""
    command = [sys.executable, "-m", "cumsum_model", "train", "--out", str(tmp_path), *ENDLESS]
    training = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a job in the background ignores
    )
    try:
        assert training.stderr.readline().startswith("epoch 0 of")
        yield training
    finally:
        training.kill()
        training.communicate()


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_run_that_is_done_is_not_done_again(tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path), *TINY]) == 0
    before = contents(tmp_path)
    assert main(["train", "--out", str(tmp_path), *TINY]) == 0
    assert "was trained with this recipe: there is nothing to do" in capsys.readouterr().out
    assert main(["train", "--out", str(tmp_path), *TINY, "--d-mlp", "4"]) == 1
    assert contents(tmp_path) == before


@pytest.fixture
def half(tmp_path):
    """A folder with a run that stopped after two of four epochs."""
    made = dataclasses.replace(PUBLISHED, seed=3, epochs=4, train_size=400, val_size=50, batch_size=100)
    states = []
    train(made, SYSTEM, keep=states.append)
    out = tmp_path / "half"
    out.mkdir()
    unfinished = Unfinished(states[1], "cpu", 1, torch.__version__)
    (out / TRAINING_FILE).write_bytes(encode(unfinished))
    return out


def test_from_every_epoch_the_same_model(tmp_path):
    recipe = dataclasses.replace(
        PUBLISHED,
        seed=5,
        config=CumsumConfig(max_value=2, n_ctx=5, n_layers=2, n_heads=2, d_model=8, d_head=4, d_mlp=4),
        epochs=4,
        train_size=300,
        val_size=40,
        batch_size=64,
    )
    states = []
    whole = train(recipe, SYSTEM, keep=states.append)
    assert [state.epochs_done for state in states] == [1, 2, 3, 4]
    for state in states:
        path = tmp_path / TRAINING_FILE
        path.write_bytes(encode(Unfinished(state, "cpu", 1, torch.__version__)))
        resumed = train(recipe, SYSTEM, start=read_unfinished(path, SYSTEM).state)
        assert resumed.history == whole.history
        assert resumed.kept == whole.kept
        for name, tensor in whole.model.state_dict().items():
            assert torch.equal(resumed.model.state_dict()[name], tensor)


def test_an_adam_that_forgot_would_be_noticed():
    """What is kept is needed: without any one part of it the model is another."""
    recipe = dataclasses.replace(PUBLISHED, seed=5, epochs=2, train_size=400, val_size=40, batch_size=100)
    states = []
    whole = train(recipe, SYSTEM, keep=states.append)
    first = states[0]
    forgotten = {
        "moments": {name: torch.zeros_like(tensor) for name, tensor in first.moments.items()},
        "weights": first.weights | {"embed.W_E": torch.zeros_like(first.weights["embed.W_E"])},
        "generator": torch.Generator().manual_seed(0).get_state(),
    }
    for part, instead in forgotten.items():
        resumed = train(recipe, SYSTEM, start=dataclasses.replace(first, **{part: instead}))
        assert resumed.history != whole.history, part


def test_a_state_of_another_recipe_is_refused():
    states = []
    train(
        dataclasses.replace(PUBLISHED, seed=5, epochs=1, train_size=100, val_size=40, batch_size=100),
        SYSTEM,
        keep=states.append,
    )
    with pytest.raises(ValueError, match="another recipe"):
        train(
            dataclasses.replace(PUBLISHED, seed=6, epochs=1, train_size=100, val_size=40, batch_size=100),
            SYSTEM,
            start=states[0],
        )


def test_other_options_do_not_go_on_with_it(half, capsys):
    before = contents(half)
    for options, message in (
        (["--lr-end", "0.0005"], "lr-end 0.0001, not 0.0005"),
        (["--d-mlp", "4"], "d-mlp 8, not 4"),
        (["--threads", "2"], "threads 1, not 2"),
    ):
        assert main(["train", "--out", str(half), *TINY, *options]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert "--force" in error
        assert error.count("\n") == 1
    assert contents(half) == before
    assert main(["train", "--out", str(half), *TINY, "--lr-end", "0.0005", "--force"]) == 0
    assert read_checkpoint(half, SYSTEM).card["recipe"]["lr_end"] == 0.0005
    assert sorted(contents(half)) == RESULT


def test_going_on_is_said(half, capsys):
    assert main(["train", "--out", str(half), *TINY]) == 0
    error = capsys.readouterr().err
    assert "going on after epoch 2 of 4" in error
    assert "last digits" not in error
    assert error.count("validation accuracy") == 2


def test_another_version_of_torch_is_said(half, capsys):
    unfinished = read_unfinished(half / TRAINING_FILE, SYSTEM)
    (half / TRAINING_FILE).write_bytes(encode(dataclasses.replace(unfinished, torch_version="1.0")))
    assert main(["train", "--out", str(half), *TINY]) == 0
    assert "it began with torch 1.0 on cpu, so the last digits may differ" in capsys.readouterr().err


def damaged(content):
    flipped = bytearray(content)
    flipped[-100] ^= 1
    yield "flipped", bytes(flipped), "was changed since it was written"
    yield "cut", content[:-10], "is not the state of a training run"
    yield "empty", b"", "is not the state of a training run"
    yield "text", b"not a state at all" * 10, "is not the state of a training run"
    yield "checkpoint", None, "is not the state of a training run"


def test_a_history_that_was_changed_is_noticed(half, capsys):
    """It chooses the epoch that is kept."""
    path = half / TRAINING_FILE
    content = path.read_bytes()
    index = content.index(b"val_accuracy")
    digit = content.index(b"0.", index) + 2
    path.write_bytes(content[:digit] + (b"9" if content[digit : digit + 1] != b"9" else b"8") + content[digit + 1 :])
    assert main(["train", "--out", str(half), *TINY]) == 1
    assert "was changed since it was written" in capsys.readouterr().err


def test_a_damaged_state_is_one_line_and_stays(half, capsys):
    state = half / TRAINING_FILE
    train_options = ["train", "--out", str(half), *TINY]
    whole = state.read_bytes()
    for kind, content, message in damaged(whole):
        if content is None:
            main(["train", "--out", str(half / "other"), *TINY])
            content = (half / "other" / "model.safetensors").read_bytes()
            capsys.readouterr()
        state.write_bytes(content)
        assert main(train_options) == 1, kind
        error = capsys.readouterr().err
        assert message in error
        assert str(state) in error
        assert error.count("\n") == 1
        assert state.read_bytes() == content
    state.unlink()
    with pytest.raises(UnfinishedError, match="No such file"):
        read_unfinished(state, SYSTEM)


def test_two_processes_do_not_train_into_one_folder(endless, tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path), *TINY]) == 1
    assert "another process is training into it" in capsys.readouterr().err
    assert endless.poll() is None


def test_interrupted_it_says_how_to_go_on(endless):
    endless.send_signal(signal.SIGINT)
    error = endless.stderr.read()
    assert endless.wait() == 130
    assert re.fullmatch(
        r"interrupted; [1-9]\d* of 1000000000 epochs are kept, the same command goes on from there",
        error.splitlines()[-1],
    )
    assert "Traceback" not in error


def test_a_disk_that_fills_up_keeps_the_last_good_state(half, capsys, monkeypatch):
    good = (half / TRAINING_FILE).read_bytes()
    fsync = os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["train", "--out", str(half), *TINY]) == 1
    error = capsys.readouterr().err
    assert "No space left on device; 2 of 4 epochs are kept" in error
    assert contents(half) == {TRAINING_FILE: good}
    monkeypatch.setattr(os, "fsync", fsync)
    assert main(["train", "--out", str(half), *TINY]) == 0


def test_a_file_size_limit_is_a_full_disk_for_real(tmp_path):
    """No patching: the kernel refuses to write more than a few thousand bytes into any file."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))

    command = [sys.executable, "-m", "cumsum_model", "train", "--out", str(tmp_path), *TINY]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("File too large; nothing was written")
    assert "Traceback" not in done.stderr
    assert not contents(tmp_path)


def test_what_a_killed_writer_left_is_swept_up(half):
    (half / ".model.safetensors.ab_cd012").write_bytes(b"half a model")
    (half / f".{TRAINING_FILE}.xyzxyzxy").write_bytes(b"half a state")
    (half / ".model.card.json.swp").write_bytes(b"not ours")
    assert main(["train", "--out", str(half), *TINY]) == 0
    assert sorted(contents(half)) == [".model.card.json.swp", *RESULT]


def test_a_run_that_diverges_leaves_nothing(tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path), *TINY, "--lr-start", "1e30", "--lr-end", "1e30"]) == 3
    assert "the loss is" in capsys.readouterr().err
    assert not contents(tmp_path)


def test_tensorboard_has_each_step_once(half, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = tmp_path / "logs"
    assert main(["train", "--out", str(half), *TINY, "--tensorboard", str(logs)]) == 0
    log = EventAccumulator(str(logs)).Reload()
    assert [event.step for event in log.Scalars("loss/training")] == list(range(9, 17))
    assert [event.step for event in log.Scalars("accuracy/validation")] == [12, 16]
    assert log.Scalars("learning rate")[-1].value == pytest.approx(1e-4)


def test_every_number_of_a_recipe_is_an_option_with_its_default():
    of_recipe = {field.name for field in dataclasses.fields(Recipe)} - {"config"}
    of_model = {field.name for field in dataclasses.fields(CumsumConfig)}
    options = options_of(PUBLISHED)
    assert {option.field for option in options if not option.of_model} == of_recipe
    assert {option.field for option in options if option.of_model} == of_model
    assert all(option.meaning for option in options)
    assert changed(PUBLISHED, {option.field: option.value for option in options}) == PUBLISHED


def test_every_option_reaches_the_recipe(tmp_path):
    sizes = {"--max-value": 2, "--seq-len": 5, "--n-layers": 2, "--n-heads": 2, "--d-model": 8, "--d-head": 4}
    rest = {"--d-mlp": 4, "--batch-size": 64, "--lr-start": 0.002, "--lr-end": 0.0002, "--weight-decay": 0.0}
    options = [str(part) for pair in {**sizes, **rest}.items() for part in pair]
    assert main(["train", "--out", str(tmp_path), *TINY, *options]) == 0
    recipe = json.loads((tmp_path / "model.card.json").read_text())["recipe"]
    flat = {**recipe, **recipe["config"]}
    for flag, number in {**sizes, **rest}.items():
        name = flag[2:].replace("-", "_")
        assert flat["n_ctx" if name == "seq_len" else name] == number
    assert read_checkpoint(tmp_path, SYSTEM).model.cfg == CumsumConfig(**recipe["config"])
