#!/bin/bash
# What the platform does in its container: unpack submission/submission.zip into the working folder and run its main.sh,
# or else its main.py. Everything it prints goes to submission/log.txt as well; the exit code is that of the submission.
#   docker run --rm --network none -v "$PWD/data:/code_execution/data:ro" -v "$PWD/submission:/code_execution/submission" whaledo-runtime:cpu
# ROOT=/codeexecution is the folder of the cloud challenge (-e ROOT=/codeexecution), WORKDIR=workdir the one below the root
# where Pose Bowl unpacks and runs (-e WORKDIR=workdir). `whaledo` itself unpacks outside the container, where the zip can be
# looked at first, and starts main.sh or main.py without this script.
set -uo pipefail
ROOT=${ROOT:-/code_execution}
ZIP=$ROOT/submission/submission.zip
LOG=$ROOT/submission/log.txt
WORK=$ROOT/${WORKDIR:-}

fail() { echo "entrypoint: $1" >&2; exit 2; }

run() {
    [ -f "$ZIP" ] || fail "$ZIP is missing; mount the folder that holds submission.zip at $ROOT/submission."
    problem=$(python -m zipfile -e "$ZIP" "$WORK" 2>&1) || fail "$ZIP cannot be unpacked (${problem##*$'\n'}); pack it again."
    if [ -f main.sh ]; then command=(sh main.sh)
    elif [ -f main.py ]; then command=(python main.py)
    else
        deep=$(find . -path ./data -prune -o -path ./submission -prune -o \( -name main.py -o -name main.sh \) -print -quit)
        fail "there is neither main.sh nor main.py at the root of the zip${deep:+; there is $deep: zip the contents of the folder, not the folder}."
    fi
    echo "entrypoint: $(python --version), ${command[*]}"
    "${command[@]}"
    code=$?
    echo "entrypoint: ${command[*]} ended with exit code $code after $SECONDS s"
    return $code
}

cd "$ROOT" 2>/dev/null || fail "there is no folder $ROOT; ROOT is /code_execution or /codeexecution."
if ! { : > "$LOG"; } 2>/dev/null; then
    fail "$LOG cannot be written; the folder mounted there has to be writable for user id $(id -u) (chown 1000, or chmod 777)."
fi
mkdir -p "$WORK" && cd "$WORK" || fail "the folder $WORK cannot be made."
(run) 2>&1 | tee "$LOG"
exit "${PIPESTATUS[0]}"
