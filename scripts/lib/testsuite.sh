# shellcheck shell=bash
# The servers' own test suites, as Debian packages: their text is unpacked under target/ and never committed.
# Neither the host's package lists nor its packages are touched: apt works in a folder of its own.

# testsuite DIR SUITE PACKAGE…: unpacks the packages of a Debian release into DIR, once.
testsuite() {
  local dir=$1 suite=$2 apt mirror; shift 2
  [ ! -e "$dir/.complete" ] || return 0
  mirror=$(debian_mirror)
  apt=$dir.apt
  rm -rf "$dir" "$apt"
  mkdir -p "$dir" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/etc/sources.list.d" "$apt/etc/preferences.d"
  touch "$apt/status"
  local key=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$key" ] || die "$key is missing: install debian-archive-keyring"
  printf 'deb [signed-by=%s] %s %s main\n' "$key" "$mirror" "$suite" >"$apt/etc/sources.list"
  local options=(
    -o Dir::Etc::sourcelist="$apt/etc/sources.list" -o Dir::Etc::sourceparts="$apt/etc/sources.list.d"
    -o Dir::Etc::preferencesparts="$apt/etc/preferences.d" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
    -o Dir::Cache="$apt/cache" -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none
  )
  apt-get "${options[@]}" -q update >"$apt/log" 2>&1 || { tail -5 "$apt/log" >&2; die "no package lists of Debian $suite"; }
  (cd "$apt" && apt-get "${options[@]}" -q download "$@" >>log 2>&1) || { tail -5 "$apt/log" >&2; die "Debian $suite does not give $*"; }
  local package
  for package in "$apt"/*.deb; do dpkg-deb -x "$package" "$dir"; done
  rm -rf "$apt"
  : >"$dir/.complete"
}
