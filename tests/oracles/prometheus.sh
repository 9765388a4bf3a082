#!/usr/bin/env bash
# Fetches Debian's promtool, with which the alert rules of examples/prometheus are
# checked and tested, once, into a cache outside the checkout, and prints the
# folder that holds usr/bin/promtool. Nothing is installed in the system.
#
#   tests/oracles/prometheus.sh           fetches what is missing; needs a package archive the first time
#   tests/oracles/prometheus.sh --check   fetches nothing; fails when something is missing
set -euo pipefail
cache=${FIRSTLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/firstline}
folder=$cache/prometheus
bin=$folder/usr/bin

fail() { echo "$1" >&2; exit 1; }
if [ ! -x "$bin/promtool" ]; then
  [ "${1:-}" != --check ] || fail "promtool, with which the alert rules are tested, is not in the cache; run tests/oracles/prometheus.sh"
  command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
    fail "apt-get and dpkg are needed to fetch promtool; elsewhere put promtool 2.42 or later into $bin"
  mkdir -p "$cache"
  # Two test runs at once must not unpack into the same folder.
  exec 9>"$folder.lock"
  flock 9
  if [ ! -x "$bin/promtool" ]; then
    echo "fetching promtool (once; kept in $folder) ..." >&2
    new=$(mktemp -d "$cache/.prometheus.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    chmod 755 "$new"
    # The lists of packages may be missing or old; refreshing them needs root.
    (cd "$new" && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; }) >&2 ||
      fail "apt-get could not download prometheus; is there a package archive, and may this user read its lists?"
    dpkg -x "$new"/prometheus_*.deb "$new/unpacked"
    rm -rf "$folder"
    mv "$new/unpacked" "$folder"
  fi
fi
echo "$folder"
