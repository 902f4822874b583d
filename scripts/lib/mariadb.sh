# shellcheck shell=bash
# What the MariaDB versions share. Their programs lie in $home/base, which looks like an installation (bin, sbin, share, lib).
. "$scripts/lib/root.sh"
. "$scripts/lib/sql_server.sh"

kind_label=mariadb
base=$home/base

# mariadb_base SUITE: a private tree, and $home/base whose programs run with the tree's loader.
mariadb_base() {
  local root=$home/root program
  make_root "$root" mariadb-server-core,mariadb-client-core "$1"
  for program in my_print_defaults resolveip mariadb mariadb-binlog mariadb-dump; do root_program "$root" "usr/bin/$program" "$base/bin/$program"; done
  root_program "$root" usr/sbin/mariadbd "$base/sbin/mariadbd"
  ln -s "$root/usr/bin/mariadb-install-db" "$base/bin/mariadb-install-db"
  ln -s "$root/usr/share" "$base/share"
  ln -s "$root/usr/lib" "$base/lib"
}

kind_init() {
  # --force: the host's own name need not resolve; normal: root logs in without a password.
  "$base/bin/mariadb-install-db" --no-defaults --basedir="$base" --force --user="$(id -un)" --datadir="$dir/data" --tmpdir="$dir/tmp" \
    --auth-root-authentication-method=normal --skip-test-db
}

kind_program() {
  program=("$base/sbin/mariadbd" --no-defaults --basedir="$base" --lc-messages-dir="$base/share/mariadb"
    --character-sets-dir="$base/share/mariadb/charsets" --plugin-dir="$base/lib/mysql/plugin")
}

mariadb_settings() {
  sql_settings
  settings+=(--binlog-format=ROW --binlog-row-metadata=FULL --gtid-domain-id=7)
}
kind_settings() { mariadb_settings; }

kind_client() { client=("$base/bin/mariadb" --no-defaults --socket="$socket"); }
