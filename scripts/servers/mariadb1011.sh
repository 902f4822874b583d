# shellcheck shell=bash
# MariaDB 10.11: Debian 12's own (only its programs: no service is installed); on other releases a private tree of Debian 12.
# Instances: mariadb1011, mariadb1011-encrypted (encrypted binlogs, not as a container).
. "$scripts/lib/mariadb.sh"

kind_image=mariadb1011
kind_recipe='mariadb-server-core from Debian bookworm, 1'

case $name in *-encrypted) kind_image= ;; esac

kind_settings() {
  mariadb_settings
  case $name in
    *-encrypted)
      local folder
      folder=$(kind_plugins)
      [ -e "$dir/keys" ] || printf '1;%s\n' "$(printf '%s' "$dir" | sha256sum | cut -c1-64)" >"$dir/keys"
      [ -z "$folder" ] || settings+=(--plugin-dir="$folder")
      settings+=(--plugin-load-add=file_key_management --loose-file-key-management-filename="$dir/keys" --encrypt-binlog=ON)
      ;;
  esac
}

kind_install() {
  if grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release; then
    need_packages mariadb-server-core mariadb-client-core
    ln -s /usr "$base"
  else
    mariadb_base bookworm
  fi
  "$base/sbin/mariadbd" --no-defaults --version
}

# kind_plugins: what Debian keeps in its package with the service, which is unpacked and not installed.
kind_plugins() {
  local folder=$target/plugins/$kind version
  [ "$backend" = packages ] && [ "$(readlink "$base")" = /usr ] || return 0
  (
    flock 9
    [ ! -e "$folder/.complete" ] || exit 0
    rm -rf "$folder"
    mkdir -p "$folder"
    version=$(dpkg-query --show --showformat='${Version}' mariadb-server-core)
    # The archive keeps the newest only; plugins of one series fit each other.
    (cd "$folder" && { apt-get download "mariadb-server=$version" || apt-get download mariadb-server; }) >"$folder/download.log" 2>&1 ||
      die "mariadb-server could not be downloaded, see $folder/download.log"
    dpkg-deb --extract "$folder"/mariadb-server_*.deb "$folder/tree"
    rm -f "$folder"/mariadb-server_*.deb
    : >"$folder/.complete"
  ) 9>"$target/plugins.lock"
  printf '%s\n' "$folder/tree/usr/lib/mysql/plugin"
}
