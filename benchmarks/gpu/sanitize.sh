#!/bin/sh
# Runs tests on a GPU under NVIDIA's compute-sanitizer: memory, races in shared memory, barriers,
# reads of what nobody has written. Arguments go to pytest; by default a few modules with kernels of
# every kind. Status 2: there is no compute-sanitizer (it comes with the CUDA toolkit).
set -eu
cd "$(dirname "$0")/../.."
if ! command -v compute-sanitizer >/dev/null; then
    echo "compute-sanitizer was not found; it comes with NVIDIA's CUDA toolkit." >&2
    exit 2
fi
if [ $# -eq 0 ]; then
    set -- tests/runtime/cuda tests/kernels/test_library_contracts.py \
        tests/codegen/test_native_contracts.py tests/programs
fi
status=0
for tool in memcheck racecheck synccheck initcheck; do
    echo "== $tool"
    GRAPHFLOW_CACHE=0 compute-sanitizer --tool "$tool" --error-exitcode 1 --target-processes all \
        python -m pytest -q -n0 -m gpu -p no:cacheprovider "$@" || status=1
done
exit $status
