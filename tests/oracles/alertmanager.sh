#!/usr/bin/env bash
# Fetches Debian's Alertmanager, with which routing, inhibition, silences and the
# hours of routes are compared, once, and prints the folder that holds
# usr/bin/prometheus-alertmanager, which is to be started there.
#
#   tests/oracles/alertmanager.sh           fetches what is missing; needs a package archive the first time
#   tests/oracles/alertmanager.sh --check   fetches nothing; fails when something is missing
set -euo pipefail
. "$(dirname "$0")/debian.sh"

# The program reads its templates from /usr/share. Nothing is installed there, so it is told to read them below the
# folder it is started in; the text keeps its length.
prepare() {
  LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|usr//share/prometheus/alertmanager|g' "$1/usr/bin/prometheus-alertmanager"
}

fetch alertmanager prometheus-alertmanager usr/bin/prometheus-alertmanager 0.25 "routing is compared" "${1:-}"
