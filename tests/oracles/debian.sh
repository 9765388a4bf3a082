# Sourced: fetches a file (a program, a library) out of one of Debian's packages, once, into a cache outside the checkout, and prints the
# folder that it was unpacked into. Nothing is installed in the system.
#
#   fetch FOLDER PACKAGE FILE VERSION PURPOSE [--check]
#
# FILE is below FOLDER, such as usr/bin/promtool. --check fetches nothing and fails when it is missing. A function `prepare` of the caller may change what was
# unpacked, in the folder it is given, before it is kept.
cache=${FIRSTLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/firstline}

fail() { echo "$1" >&2; exit 1; }

fetch() {
  local folder=$cache/$1 package=$2 file=$3 version=$4 purpose=$5 check=${6:-} new
  local name=${file##*/}
  if [ ! -e "$folder/$file" ]; then
    [ "$check" != --check ] || fail "$name, with which $purpose, is not in the cache; run $0"
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
      fail "apt-get and dpkg are needed to fetch $name; elsewhere put $name $version at $folder/$file"
    mkdir -p "$cache"
    # Two test runs at once must not unpack into the same folder.
    exec 9>"$folder.lock"
    flock 9
    if [ ! -e "$folder/$file" ]; then
      echo "fetching $name (once; kept in $folder) ..." >&2
      new=$(mktemp -d "$cache/.$package.XXXXXX")
      # shellcheck disable=SC2064 # the folder of now
      trap "rm -rf '$new'" EXIT
      chmod 755 "$new"
      # The lists of packages may be missing or old; refreshing them needs root.
      (cd "$new" && { apt-get download -q "$package" || { apt-get update -q && apt-get download -q "$package"; }; }) >&2 ||
        fail "apt-get could not download $package; is there a package archive, and may this user read its lists?"
      dpkg -x "$new/$package"_*.deb "$new/unpacked"
      if declare -F prepare >/dev/null; then prepare "$new/unpacked"; fi
      rm -rf "$folder"
      mv "$new/unpacked" "$folder"
    fi
  fi
  echo "$folder"
}
