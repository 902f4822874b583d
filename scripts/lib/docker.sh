# shellcheck shell=bash
# The same servers as containers, when a Docker engine answers: one Compose project per server, so that each is started and killed alone.
# Only how a server is run differs; settings, users and names are those of its kind.

# Does an engine answer, with Compose?
docker_usable() { timeout 10 docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }

compose() {
  local sum settings_line='' line
  sum=$(cksum <<<"$dir")
  mkdir -p "$dir"
  : >"$dir/container.env"
  if [ "$kind_label" = kafka ]; then
    # The image reads a broker's settings from variables: message.max.bytes is KAFKA_MESSAGE_MAX_BYTES.
    for line in ${extra[@]+"${extra[@]}"}; do printf 'KAFKA_%s=%s\n' "$(tr 'a-z.' 'A-Z_' <<<"${line%%=*}")" "${line#*=}"; done >"$dir/container.env"
  else
    kind_settings
    settings_line="${settings[*]} ${extra[*]/#/--}"
  fi
  BINLOGD_TEST_PORT=$(cat "$dir/port" 2>/dev/null || echo 0) BINLOGD_TEST_DATA=$dir/data BINLOGD_TEST_USER=$(id -u):$(id -g) \
    BINLOGD_TEST_SETTINGS=$settings_line BINLOGD_TEST_ENV_FILE=$dir/container.env \
    docker compose -p "binlogd-${sum%% *}-$name" -f "$repo/docker-compose.test.yml" "$@"
}

# docker_functions: replaces how a server is run, after its kind's file was read.
docker_functions() {
  server_install() {
    local image
    # The only client that is always the host's own.
    [ "$kind_label" != kafka ] || command -v kcat >/dev/null || need_packages kafkacat
    image=$(compose config --images "$kind_image" | head -1)
    docker image inspect "$image" >/dev/null 2>&1 || compose pull --quiet "$kind_image" ||
      die "no image $image; another one can be named by the BINLOGD_TEST_…_IMAGE variables of docker-compose.test.yml"
  }
  server_alive() { [ -n "$(compose ps --quiet --status running "$kind_image" 2>/dev/null)" ]; }
  server_launch() {
    mkdir -p "$dir/data"
    compose up --detach "$kind_image" >>"$dir/server.log" 2>&1
    docker inspect --format '{{.State.Pid}}' "$(compose ps --quiet "$kind_image")" >"$dir/pid"
  }
  server_stop() {
    if [ "${1:-}" = hard ]; then compose kill --signal KILL "$kind_image"; else compose stop --timeout 60 "$kind_image"; fi >>"$dir/server.log" 2>&1
    rm -f "$dir/pid"
  }
  server_forget() { compose down --volumes --remove-orphans >>"$dir/server.log" 2>&1 || true; }
  server_log() { compose logs --no-color --tail 20 "$kind_image"; }

  kind_prepare() { :; }
  # Over TCP inside the container: while an image sets itself up, its temporary server listens on the socket only.
  kind_client() {
    client=(compose exec -T "$kind_image")
    case $kind_label in mariadb) client+=(mariadb) ;; *) client+=(mysql) ;; esac
    client+=(--host=127.0.0.1)
  }
  kafka_topics() { compose exec -T "$kind_image" /opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:19092 "$@"; }
}
