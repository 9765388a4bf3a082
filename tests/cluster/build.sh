#!/usr/bin/env bash
# Builds the servers that the tests and the demo run against, once, into a cache
# outside the checkout, and prints the folder that holds them.
#
#   kube-apiserver kubectl etcd   from this Go module      (about 6 min cold)
#   mailpit                       from mailpit/            (about 1 min cold)
#
# With KUBEBUILDER_ASSETS set, etcd, kube-apiserver and kubectl are taken from
# there and only mailpit is built. The cache is keyed by both go.sum files, so a
# changed version builds anew and a fresh clone does not build at all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${FIRSTLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/firstline}
command -v go >/dev/null || { echo "go is needed to build the test servers (1.26 or newer); see https://go.dev/dl" >&2; exit 1; }

key=$(cat "$here/go.mod" "$here/go.sum" "$here/mailpit/go.mod" "$here/mailpit/go.sum" | sha256sum | cut -c1-16)
bin=$cache/cluster-$key/bin
mkdir -p "$bin"

# Two test runs at once must not build into the same file.
exec 9>"$bin/../lock"
flock 9

build() { # build NAME PACKAGE DIR [EXTRA_LDFLAGS]
  [ -x "$bin/$1" ] && return 0
  local began=$SECONDS
  echo "building $1 (once; kept in $bin) ..." >&2
  (cd "$here/$3" && GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false -ldflags "-s -w ${4:-}" -o "$bin/.$1.new" "$2") >&2 &
  local pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    local spent=$((SECONDS - began))
    if [ "$spent" -gt 0 ] && [ $((spent % 30)) -eq 0 ]; then echo "  ... $1: $spent s" >&2; fi
  done
  wait "$pid"
  mv "$bin/.$1.new" "$bin/$1"
  echo "built $1 in $((SECONDS - began)) s" >&2
}

kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$here/go.mod")
minor=$(echo "$kubernetes" | cut -d. -f2)
version="-X k8s.io/component-base/version.gitVersion=$kubernetes -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor"

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  for name in etcd kube-apiserver kubectl; do
    [ -x "$KUBEBUILDER_ASSETS/$name" ] || { echo "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no $name; unset it to build one" >&2; exit 1; }
  done
else
  build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver . "$version"
  build kubectl k8s.io/kubernetes/cmd/kubectl . "$version"
  build etcd go.etcd.io/etcd/server/v3 .
fi
build mailpit github.com/axllent/mailpit mailpit
echo "$bin"
