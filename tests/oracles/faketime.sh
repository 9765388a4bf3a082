#!/usr/bin/env bash
# Fetches Debian's libfaketime, with which the wall clock of an operator is stepped
# while it runs, once, and prints the folder that holds usr/lib/libfaketimeMT.so.1.
#
#   tests/oracles/faketime.sh           fetches what is missing; needs a package archive the first time
#   tests/oracles/faketime.sh --check   fetches nothing; fails when something is missing
set -euo pipefail
. "$(dirname "$0")/debian.sh"

# Its folder is named after the machine's architecture.
prepare() { mv "$1"/usr/lib/*/faketime/libfaketimeMT.so.1 "$1/usr/lib/"; }

fetch faketime libfaketime usr/lib/libfaketimeMT.so.1 0.9.10 "clocks are stepped" "${1:-}"
