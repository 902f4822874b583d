# shellcheck shell=bash
# MariaDB 10.11: Debian 12's own (only its programs: no service is installed); on other releases a private tree of Debian 12.
. "$scripts/lib/mariadb.sh"

kind_image=mariadb1011
kind_recipe='mariadb-server-core from Debian bookworm, 1'

kind_install() {
  if grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release; then
    need_packages mariadb-server-core mariadb-client-core
    ln -s /usr "$base"
  else
    mariadb_base bookworm
  fi
  "$base/sbin/mariadbd" --no-defaults --version
}
