# shellcheck shell=bash
# What the SQL servers share: settings, first start, readiness, users, client.
# A kind's file supplies: kind_init (fresh data folder), kind_program (array `program`: binary and paths),
# kind_settings (array `settings`: what the server shall do), kind_client (array `client`).

# The same for every kind; instance flags come after all others and win.
sql_settings() {
  local durable=1
  [ -e "$dir/fast" ] && durable=0
  settings=(
    --server-id="$(sql_server_id)" --log-bin=master --secure-file-priv= --local-infile=1 --log-bin-trust-function-creators=1
    # Both 1, or tables and binlog differ after a kill; 0 loads test data ten times faster (--fast).
    --sync-binlog="$durable" --innodb-flush-log-at-trx-commit="$durable"
  )
}

# Two servers of one run must differ, so that one can be the replica of the other.
sql_server_id() {
  case $name in
    mysql97) echo 97 ;; mysql97-file) echo 98 ;; mysql80) echo 80 ;; mysql56) echo 56 ;; mariadb1011) echo 1011 ;; mariadb118) echo 118 ;;
    *) local sum; sum=$(cksum <<<"$name"); echo $((2000 + ${sum%% *} % 1000000)) ;;
  esac
}

# The path of a Unix socket has at most 107 characters; a deep checkout needs a detour.
sql_socket() {
  if [ -e "$dir/socket" ]; then socket=$(cat "$dir/socket"); return; fi
  socket=$dir/m.sock
  if [ ${#socket} -gt 100 ]; then socket=$(mktemp -d "${TMPDIR:-/tmp}/binlogd-sock-XXXXXX")/m.sock; fi
  printf '%s\n' "$socket" >"$dir/socket"
}

sql_client() { kind_client; "${client[@]}" --user=root "$@"; }

# sql_users: root without a password over TCP, and the daemon's user; none of it in the binlog.
sql_users() {
  {
    printf 'set session sql_log_bin = 0;\n'
    if [ "$kind" = mysql56 ]; then
      # Its anonymous users would catch maxwell's logins from localhost; and `if not exists` came later.
      printf "delete from mysql.user where user = '';\nflush privileges;\n"
    else
      printf "create user if not exists 'root'@'127.0.0.1';\n"
    fi
    printf "grant all on *.* to 'root'@'127.0.0.1' with grant option;\n"
    cat "$repo/config/grants.sql"
  } | sql_client
}

kind_ports() { echo port; }
kind_prepare() {
  sql_socket
  # A killed server leaves its lock, and refuses to start while that pid still answers (a zombie does, or a later process).
  rm -f "$socket" "$socket.lock"
  mkdir -p "$dir/tmp"
  [ -e "$dir/ready" ] && return
  # Whatever an interrupted first start left is not to be trusted.
  rm -rf "$dir/data"
  kind_init >>"$dir/server.log" 2>&1 || { tail -5 "$dir/server.log" >&2; die "$name: the data folder could not be made, see $dir/server.log"; }
}
kind_command() {
  # A starting server removes the temporary tables it finds in tmpdir: in a common one those of its neighbours.
  local paths=(--datadir="$dir/data" --tmpdir="$dir/tmp" --socket="$socket" --pid-file="$dir/data/mysqld.pid" --port="$(cat "$dir/port")" --bind-address=127.0.0.1 --user="$(id -un)")
  kind_program
  kind_settings
  command=("${program[@]}" "${paths[@]}" "${settings[@]}" ${extra[@]+"${extra[@]/#/--}"})
}
kind_answers() { sql_client --batch --skip-column-names -e 'select 1' >/dev/null 2>&1; }
kind_first_start() { sql_users; }
kind_version() { sql_client --batch --skip-column-names -e 'select version()'; }
kind_environment() {
  environment DATADIR "$dir/data"
  if [ -e "$dir/socket" ]; then environment SOCKET "$(cat "$dir/socket")"; fi
}
