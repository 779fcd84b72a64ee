#!/usr/bin/env bash
# Installs what testing needs into the current Python, finds a browser, and runs ruff and every test.
# Further arguments go to pytest, for instance: bash tests/run.sh -k registry
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$(command -v python || command -v python3)
"$python" -m pip install --no-input --quiet --disable-pip-version-check --requirement requirements-test.txt

# The path of a Chromium that starts: the one named in $CHROMIUM, or one that is installed.
find_chromium() {
    local candidate
    for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Debian's package where it can be installed, else Playwright's own browser (which Playwright then finds by itself).
install_chromium() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && return
        echo "No Chromium from apt; taking Playwright's own." >&2
    fi
    "$python" -m playwright install chromium
}

find_chromium >/dev/null || install_chromium </dev/null
if chromium=$(find_chromium); then
    export CHROMIUM=$chromium
else
    unset CHROMIUM
fi

if [ -z "${PLAYGROUND_DATA:-}" ] && [ -d ../shared/data ]; then
    PLAYGROUND_DATA=$(cd ../shared/data && pwd)
    export PLAYGROUND_DATA
fi

export OMP_WAIT_POLICY=passive # waiting threads sleep, since a page, a browser and the tests share the cores
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # two files of tests at a time, one core each
"$python" -m ruff check .
"$python" -m pytest --numprocesses "${TEST_PROCESSES:-2}" --dist loadfile "$@"
