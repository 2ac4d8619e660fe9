#!/usr/bin/env bash
# Measure everything that a GPU has to say, in at most eight minutes, into a folder.
#
#     benchmarks/on_gpu.sh [DIR]            (default: runs/gpu)
#
# Needs a checkout, and a Python with torch (CUDA), numpy, scipy, einops, jaxtyping, safetensors, rich, numba,
# hypothesis, pytest, pytest-benchmark and pytest-xdist; nothing is fetched and nothing has to be installed. Without
# transformer_lens the rows of the bridge say that they were not run. Where a machine has no network, take along a folder
# of wheels of what it lacks, and name it:
#
#     pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels \
#         transformer-lens==4.3.0 datasets dill multiprocess lazy-importer python-flint dask distributed
#     WHEELS=wheels benchmarks/on_gpu.sh
#
# PYTHON names the interpreter (default: python3). Without a CUDA device everything runs on the CPU at small sizes: a dry
# run, which says that the script works and nothing of speed.
set -u
cd "$(dirname "$0")/.." || exit
python=${PYTHON:-python3}
out=${1:-runs/gpu}
mkdir -p "$out" || exit

export PYTHONPATH=$PWD:$PWD/pytest-claims${PYTHONPATH:+:$PYTHONPATH}
if [ -n "${WHEELS:-}" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$out/site" "$WHEELS"/*.whl || exit
    export PYTHONPATH=$PYTHONPATH:$PWD/$out/site
fi

if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
else
    echo "nvidia-smi: not there"
fi
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    device=cuda dry=() selected=()
else
    echo "torch sees no CUDA device: a dry run on the CPU"
    device=cpu dry=(--dry) selected=(-k attention)
fi

# Where the project is not installed, pytest does not find its plugins by itself.
plugins=()
"$python" -c 'import sys, importlib.metadata as m; sys.exit(not m.entry_points(group="pytest11", name="claims"))' ||
    plugins=(-p pytest_claims.plugin -p toy_model.guard -W ignore::pytest.PytestAssertRewriteWarning)

failed=()
part() { # NAME SECONDS COMMAND..: run a part for at most so long, and go on whatever becomes of it
    local name=$1 seconds=$2 start=$SECONDS
    shift 2
    echo "== $name"
    timeout --signal=INT --kill-after=5 "$seconds" "$@" >"$out/$name.log" 2>&1
    local code=$?
    [ $code -eq 0 ] || failed+=("$name (exit code $code; $out/$name.log)")
    tail -n 30 "$out/$name.log"
    echo "== $name took $((SECONDS - start)) s"
}

part agreement 40 "$python" -m benchmarks.gpu agreement --device $device --into "$out" "${dry[@]}"
part training 110 "$python" -m benchmarks.gpu training --device $device --into "$out" "${dry[@]}"
part forward 130 "$python" -m benchmarks.gpu forward --device $device --into "$out" "${dry[@]}"
part claims 190 "$python" -P -m pytest "${plugins[@]}" claims/ --device=$device -q "${selected[@]}"
"$python" -m benchmarks.gpu table "$out" | tee "$out/gpu.md"

if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
