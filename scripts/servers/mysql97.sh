# shellcheck shell=bash
# MySQL 9.7, the main test server: from Debian sid, in a private tree.
# Instances: mysql97 (GTIDs on), mysql97-file (GTIDs off); any other mysql97-… is one more of the first sort, with its own flags.
. "$scripts/lib/root.sh"
. "$scripts/lib/sql_server.sh"

kind_label=mysql
kind_image=mysql97
kind_recipe='mysql-server-core from Debian sid or forky, 1'

kind_install() {
  local root=$home/root
  make_root "$root" mysql-server-core,mysql-client-core sid forky
  root_program "$root" usr/sbin/mysqld "$home/bin/mysqld" --no-defaults --basedir="$root/usr" \
    --lc-messages-dir="$root/usr/share/mysql" --character-sets-dir="$root/usr/share/mysql/charsets" --plugin-dir="$root/usr/lib/mysql/plugin"
  root_program "$root" usr/bin/mysql "$home/bin/mysql" --no-defaults
  root_program "$root" usr/bin/mysqlbinlog "$home/bin/mysqlbinlog" --no-defaults
  root_program "$root" usr/bin/mysqldump "$home/bin/mysqldump" --no-defaults
  "$home/bin/mysqld" --version
}

kind_init() {
  local flag fixed=()
  # The data dictionary is made for one value of this and refuses any other later.
  for flag in ${extra[@]+"${extra[@]}"}; do case $flag in lower?case?table?names=*) fixed+=("--$flag") ;; esac; done
  "$home/bin/mysqld" --initialize-insecure --user="$(id -un)" --datadir="$dir/data" --tmpdir="$dir/tmp" ${fixed[@]+"${fixed[@]}"}
}

kind_program() { program=("$home/bin/mysqld" --mysqlx=OFF); }

kind_settings() {
  sql_settings
  settings+=(--binlog-row-metadata=FULL --binlog-rows-query-log-events=ON)
  case $name in
    *-file) settings+=(--gtid-mode=OFF --enforce-gtid-consistency=OFF) ;;
    *) settings+=(--gtid-mode=ON --enforce-gtid-consistency=ON) ;;
  esac
}

kind_client() { client=("$home/bin/mysql" --socket="$socket"); }
