#!/usr/bin/env bash
# Fetches Debian's promtool, with which the alert rules of examples/prometheus are
# checked and tested, once, and prints the folder that holds usr/bin/promtool.
#
#   tests/oracles/prometheus.sh           fetches what is missing; needs a package archive the first time
#   tests/oracles/prometheus.sh --check   fetches nothing; fails when something is missing
set -euo pipefail
. "$(dirname "$0")/debian.sh"
fetch prometheus prometheus usr/bin/promtool "2.42 or later" "the alert rules are tested" "${1:-}"
