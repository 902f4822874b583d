# shellcheck shell=bash
# MySQL 9.7, the main test server: from Debian sid, in a private tree.
# Instances: mysql97 (GTIDs on), mysql97-file (GTIDs off), mysql97-encrypted (encrypted binlogs, not as a container); any other
# mysql97-… is one more of the first sort, with its own flags.
. "$scripts/lib/root.sh"
. "$scripts/lib/sql_server.sh"

kind_label=mysql
kind_image=mysql97
kind_recipe='mysql-server-core from Debian sid or forky, 1'
case $name in *-encrypted) kind_image= ;; esac

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

# keyring: the server's key for encrypted binlogs, by a component that must be named beside the program, so this server has a
# program of its own; the component's own settings lie beside its library.
keyring() {
  local own=$dir/keyring
  if [ ! -e "$own/mysqld" ]; then
    mkdir -p "$own"
    cp "$home/root/usr/lib/mysql/plugin/component_keyring_file.so" "$own/"
    printf '{ "path": "%s", "read_only": false }\n' "$own/keys" >"$own/component_keyring_file.cnf"
    printf '{ "components": "file://component_keyring_file" }\n' >"$own/mysqld.my"
    chmod 0440 "$own/mysqld.my"
    sed "s|--argv0 mysqld|--argv0 $own/mysqld|" "$home/bin/mysqld" >"$own/mysqld"
    chmod +x "$own/mysqld"
  fi
  program=("$own/mysqld" --mysqlx=OFF --plugin-dir="$own")
}

kind_program() {
  program=("$home/bin/mysqld" --mysqlx=OFF)
  case $name in *-encrypted) keyring ;; esac
}

kind_settings() {
  sql_settings
  settings+=(--binlog-row-metadata=FULL --binlog-rows-query-log-events=ON)
  case $name in
    *-file) settings+=(--gtid-mode=OFF --enforce-gtid-consistency=OFF) ;;
    *) settings+=(--gtid-mode=ON --enforce-gtid-consistency=ON) ;;
  esac
  case $name in *-encrypted) settings+=(--binlog-encryption=ON) ;; esac
}

kind_client() { client=("$home/bin/mysql" --socket="$socket"); }
