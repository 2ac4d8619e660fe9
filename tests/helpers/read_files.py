"""Reads every file of a manifest in one process, under watch; run by test_loader_fuzz.py.

For each file one line of JSON on standard output: how it ended, what reading it caused beside reading, how much
memory and time it took. What was loaded is saved beside it, for the parent to compare with what others read.
"""

import encodings.cp437  # noqa: F401  # in which zipfile decodes names that are not flagged as UTF-8
import json
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from cumsum_model.system import SYSTEM
from toy_model.checkpoint.checkpoint import CheckpointError, Reading, read_checkpoint

MEMORY = 2**30
SECONDS = 60
"""Of processor time for one file, which other work on the machine takes none of. Each needs milliseconds."""

caused = []
watching = False


def writes(arguments):
    mode, flags = arguments[1], arguments[2]
    return (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & 0o1103)


def watch(event, arguments):
    if not watching:
        return
    family = event.partition(".")[0]
    if (
        event in ("exec", "import", "compile", "marshal.loads", "pickle.find_class", "os.system", "os.exec", "os.fork")
        or family in ("subprocess", "socket", "shutil", "ctypes", "urllib", "webbrowser", "tempfile")
        or event in ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.putenv", "os.posix_spawn")
        or (event == "open" and writes(arguments))
    ):
        caused.append(f"{event} {arguments!r}"[:200])


def status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def give_up(*_):
    raise TimeoutError(f"took more than {SECONDS} seconds of processor time")


def read(entry):
    global watching
    caused.clear()
    before = forget_peak() or status("VmRSS")
    checkpoint, message = None, ""
    started = time.perf_counter()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    watching = True
    try:
        checkpoint = read_checkpoint(entry["path"], SYSTEM, reading=Reading(entry["token_order"], entry["n_heads"]))
        outcome = "loaded"
    except CheckpointError as error:
        outcome, message = "refused", str(error)
    except BaseException as error:
        outcome, message = type(error).__name__, str(error)
    finally:
        watching = False
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.perf_counter() - started
    memory = max(0, status("VmHWM") - before)
    if checkpoint is not None:
        np.savez(f"{entry['path']}.npz", **{n: w.numpy() for n, w in checkpoint.model.state_dict().items()})
    return {"outcome": outcome, "told": message, "caused": list(caused), "seconds": seconds, "memory": memory}


def main():
    manifest = json.loads(Path(sys.argv[1]).read_text())
    signal.signal(signal.SIGPROF, give_up)
    sys.addaudithook(watch)
    for entry in manifest["first"]:  # what torch and einops import when they are first used
        read(entry)
    limit = status("VmSize") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for entry in manifest["files"]:
        print(json.dumps(read(entry)), flush=True)


if __name__ == "__main__":
    main()
