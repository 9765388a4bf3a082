#!/usr/bin/env bash
# Fetches Debian's Alertmanager, with which routing, inhibition and silences are
# compared, once, into a cache outside the checkout, and prints the folder that
# holds usr/bin/prometheus-alertmanager, which is to be started there. Nothing is
# installed in the system.
#
#   tests/oracles/alertmanager.sh           fetches what is missing; needs a package archive the first time
#   tests/oracles/alertmanager.sh --check   fetches nothing; fails when something is missing
set -euo pipefail
cache=${FIRSTLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/firstline}
folder=$cache/alertmanager
bin=$folder/usr/bin

fail() { echo "$1" >&2; exit 1; }
if [ ! -x "$bin/prometheus-alertmanager" ]; then
  [ "${1:-}" != --check ] || fail "Alertmanager, with which routing is compared, is not in the cache; run tests/oracles/alertmanager.sh"
  command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
    fail "apt-get and dpkg are needed to fetch Alertmanager; elsewhere put prometheus-alertmanager 0.25 into $bin"
  mkdir -p "$cache"
  # Two test runs at once must not unpack into the same folder.
  exec 9>"$folder.lock"
  flock 9
  if [ ! -x "$bin/prometheus-alertmanager" ]; then
    echo "fetching Alertmanager (once; kept in $folder) ..." >&2
    new=$(mktemp -d "$cache/.alertmanager.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    chmod 755 "$new"
    # The lists of packages may be missing or old; refreshing them needs root.
    (cd "$new" && { apt-get download -q prometheus-alertmanager || { apt-get update -q && apt-get download -q prometheus-alertmanager; }; }) >&2 ||
      fail "apt-get could not download prometheus-alertmanager; is there a package archive, and may this user read its lists?"
    dpkg -x "$new"/prometheus-alertmanager_*.deb "$new/unpacked"
    # The program reads its templates from /usr/share. Nothing is installed there, so it is told to read them below the
    # folder it is started in; the text keeps its length.
    LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|usr//share/prometheus/alertmanager|g' "$new/unpacked/usr/bin/prometheus-alertmanager"
    rm -rf "$folder"
    mv "$new/unpacked" "$folder"
  fi
fi
echo "$folder"
