"""What only an extra brings: a command that lacks it says in one line what to install."""

import subprocess
import sys

WITHOUT = """
import sys
for name in ("numpy", "matplotlib", "pyarrow"):
    sys.modules[name] = None
from pytest_claims.__main__ import main
sys.exit(main(["universality", "."]))
"""


def test_universality_without_its_extra_is_one_line():
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ")
    assert "pip install 'pytest-claims[universality]'" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
