"""`universality`: what the command writes and says."""

import re
import shutil
import subprocess
import sys

from pytest_claims.universality.findings import universality
from pytest_claims.universality.runs import read_runs
from pytest_claims.universality.summary import headline
from sweeps import FILES, claim_of, contents

from cumsum_model.__main__ import main
from toy_model.checkout import ROOT


def test_the_command_writes_and_says_what(mixed, documents, tmp_path, capsys):
    shutil.copytree(mixed.folder / "runs", tmp_path / "sweep" / "runs")
    assert main(["universality", str(tmp_path / "sweep")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2] == headline(universality(read_runs(mixed.folder)))
    assert set(FILES) < {path.name for path in (tmp_path / "sweep").iterdir()}
    assert contents(tmp_path / "sweep") == contents(mixed.folder)
    assert all(len(line) <= 120 for line in printed if re.search(r"  \d+/\d+  ", line))
    assert sum(bool(re.search(r"  \d+/8  ", line)) for line in printed) == mixed.counts.about
    (measured,) = claim_of(documents["seed7"])["measurements"]
    assert f"  refuted by seed7: {measured['name']} {measured['value']:,}" in "\n".join(printed)
    assert "all but 17,291" in "\n".join(printed)
    assert "nothing is proved of it: too large" in "\n".join(printed)


def test_the_command_says_in_one_line_what_it_cannot_read_or_write(sweep, tmp_path, capsys):
    assert main(["universality", str(tmp_path / "nowhere")]) == 4
    assert re.fullmatch(r"error: .*nowhere: has no folder 'runs'.*\n", capsys.readouterr().err)
    sweep(0)
    (tmp_path / "file").write_text("")
    assert main(["universality", str(sweep.folder), "--out", str(tmp_path / "file")]) == 1
    assert re.fullmatch(r"error: --out .*file: .*\n", capsys.readouterr().err)


def test_nothing_heavy_is_loaded_to_show_help():
    script = (
        "import sys\nfrom cumsum_model.__main__ import main\n"
        "try:\n    main(['universality', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'scipy', 'pyarrow', 'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
