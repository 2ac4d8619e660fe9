"""How much memory a suite about a large model takes: what the plugin keeps of it, and of the models made from it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

MEGABYTES = 100
N_CONTROLS = 16

CONFTEST = """
from pathlib import Path
import torch

def megabytes(what):
    status = Path("/proc/self/status").read_text()
    return int(status.partition(what + ":")[2].split()[0]) / 1024

class Large(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.W = torch.nn.Parameter(torch.zeros({n}), requires_grad=False)
        self.gain = torch.nn.Parameter(torch.ones(()), requires_grad=False)

def pytest_claims_load(config, path, device):
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    config.before = megabytes("VmRSS")
    return Large()

def pytest_unconfigure(config):
    print(f"peak {{megabytes('VmHWM') - config.before:.1f}} MB")
"""

CLAIMS = """
import copy
from pytest_claims import claim

def copied(i):
    def control(model):
        broken = copy.deepcopy(model)
        broken.gain += 1 + i
        return broken
    control.__name__ = f"raise_gain_{{i}}"
    return control

def attached(i):
    def control(model):
        model.gain += 1 + i
        yield model
        model.gain -= 1 + i
    control.__name__ = f"raise_gain_{{i}}"
    return control

CONTROLS = [{kind}(i) for i in range({n_controls})]

@claim("The gain is one", source="us", over="the weights", refuted_by=CONTROLS)
def test_gain(model, measure):
    assert measure("gain", model.gain) < 1.5

@claim("The gain is one, which is claimed twice", source="us", over="the weights", refuted_by=CONTROLS)
def test_gain_again(model, measure):
    assert measure("gain", model.gain) < 1.5
"""


def peak(folder, kind, n):
    """Megabytes that a run over a model of `n` numbers takes at most, beyond what it took before that was loaded."""
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST.format(n=n))
    (folder / "test_gain.py").write_text(CLAIMS.format(kind=kind, n_controls=N_CONTROLS))
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:benchmark", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"2 claims: 2 hold; controls refuted {2 * N_CONTROLS}/{2 * N_CONTROLS}" in run.stdout
    return float(re.search(r"peak (\S+) MB", run.stdout)[1])


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak of a process can be reset on Linux alone"
)
@pytest.mark.parametrize(("kind", "models"), [("copied", 3), ("attached", 2)])
def test_a_large_model_is_not_kept_many_times(tmp_path, kind, models):
    took = peak(tmp_path / "large", kind, n=MEGABYTES * 2**20 // 4) / MEGABYTES
    print(f"{kind}: {took:.2f} models in memory")
    assert 1 <= took < models
