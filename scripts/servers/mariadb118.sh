# shellcheck shell=bash
# MariaDB 11.8: from Debian 13 (trixie), in a private tree.
. "$scripts/lib/mariadb.sh"

kind_image=mariadb118
kind_recipe='mariadb-server-core from Debian trixie, 1'

kind_install() {
  mariadb_base trixie
  "$base/sbin/mariadbd" --no-defaults --version
}
