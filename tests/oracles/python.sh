#!/usr/bin/env bash
# Installs the Python libraries that the rules are compared with, once, into a
# cache outside the checkout, and prints the folder that holds them.
#
#   tests/oracles/python.sh           installs what is missing; needs a package index the first time
#   tests/oracles/python.sh --check   installs nothing; fails when something is missing
#
# The cache is keyed by requirements.txt and the version of Python, so a changed
# version installs anew and a fresh clone does not install at all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${FIRSTLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/firstline}

fail() { echo "$1" >&2; exit 1; }
command -v python3 >/dev/null || fail "python3 (3.10 or newer) with pip is needed for the oracles of the rules; install it, then run tests/oracles/python.sh"
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "the oracles of the rules need Python 3.10 or newer, found $version; install one, then run tests/oracles/python.sh"

key=$(cat "$here/requirements.txt" <(echo "$version") | sha256sum | cut -c1-16)
folder=$cache/python-$key
if [ ! -d "$folder" ]; then
  [ "${1:-}" != --check ] || fail "the Python libraries that the rules are compared with are not installed; run tests/oracles/python.sh"
  mkdir -p "$cache"
  # Two test runs at once must not install into the same folder.
  exec 9>"$folder.lock"
  flock 9
  if [ ! -d "$folder" ]; then
    echo "installing the oracles of the rules (once; kept in $folder) ..." >&2
    rm -rf "$folder.new"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --only-binary :all: --no-deps \
      --require-hashes --target "$folder.new" --requirement "$here/requirements.txt" >&2 ||
      fail "pip could not install tests/oracles/requirements.txt; is there a package index, and is pip installed?"
    mv "$folder.new" "$folder"
  fi
fi
echo "$folder"
