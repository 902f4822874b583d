#!/usr/bin/env bash
# Checks Dockerfile and docker-compose.yml without a container engine: Compose's own reading of the file, every step of the
# Dockerfile really run by buildah (chroot isolation) on base images made here, and the image's program, health check and entry
# point tried against a real MySQL. Needs root and a Debian mirror; some 15 minutes with PROFILE=release, less with PROFILE=dev.
# What is not tried: the published base images, and containers under a real engine.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$scripts/lib/common.sh"
. "$scripts/lib/run.sh"
. "$scripts/lib/root.sh"
cd "$repo"
profile=${PROFILE:-release}

claim_run container
work=$run/container
mkdir -p "$work"

# ---- Compose ----
if docker compose version >/dev/null 2>&1; then compose=(docker compose)
else
  command -v docker-compose >/dev/null || need_packages docker-compose
  compose=(docker-compose)
fi
"${compose[@]}" -f docker-compose.yml config >"$work/compose.yml"
services=$("${compose[@]}" -f docker-compose.yml config --services | sort | xargs)
[ "$services" = "binlogd kafka mysql" ] || die "docker-compose.yml has other services: $services"
[ "$(grep -c 'condition: service_healthy' "$work/compose.yml")" -eq 2 ] || die "binlogd does not wait for both to be healthy"
# Its options are ones that binlogd has.
for option in $(grep -o -e '- --[a-z_.]*' docker-compose.yml | sed 's/^- --//'); do
  grep -q "^| \`$option\`" docs/configuration.md || case $option in server-id | log-bin | kafka.*) ;; *) die "docker-compose.yml: $option is no option" ;; esac
done
say "$("${compose[@]}" version 2>/dev/null | head -1): docker-compose.yml is well formed, services: $services"

# ---- the image ----
command -v buildah >/dev/null || need_packages buildah
build() { buildah --root "$work/store" --runroot "$work/runroot" --storage-driver vfs "$@"; }
cleanup_images() { build rm --all >/dev/null 2>&1 || true; build rmi --all --force >/dev/null 2>&1 || true; as_root rm -rf --one-file-system "$work/store" "$work/runroot" "$work/base"; }
trap 'ended=$?; set +e; cleanup_images; (exit "$ended"); release_run' EXIT

# One base for both stages: a bare Debian. The Rust toolchain of this host is mounted into the build, and not part of it.
make_root "$work/base" ca-certificates bookworm
proxy=$(apt-config dump --format '%f "%v";%n' Acquire::http::Proxy Acquire::https::Proxy 2>/dev/null || true)
[ -z "$proxy" ] || printf '%s\n' "$proxy" >"$work/base/etc/apt/apt.conf.d/proxy"
sysroot=$(rustc --print sysroot)
base=$(build from scratch)
build copy -q "$base" "$work/base" / >/dev/null
build config --env "PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" --env CARGO_HOME=/opt/cargo "$base"
[ -z "${CARGO_BUILD_JOBS:-}" ] || build config --env "CARGO_BUILD_JOBS=$CARGO_BUILD_JOBS" "$base"
build commit -q "$base" localhost/binlogd-base >/dev/null
build rm "$base" >/dev/null
cargo_home=${CARGO_HOME:-$HOME/.cargo}
mkdir -p "$cargo_home/registry"

start=$(now_ms)
build build --isolation chroot --format docker --build-arg BUILD_IMAGE=localhost/binlogd-base --build-arg RUNTIME_IMAGE=localhost/binlogd-base \
  --build-arg PROFILE="$profile" --volume "$sysroot:/opt/rust:ro" --volume "$cargo_home/registry:/opt/cargo/registry" \
  -t localhost/binlogd . >"$work/build.log" 2>&1 || { tail -20 "$work/build.log" >&2; die "the image cannot be built, see $work/build.log"; }
say "$(build --version): all $(grep -c '^\[.*STEP\|^STEP' "$work/build.log") steps of the Dockerfile ran in $(seconds_since "$start") s (profile $profile)"

# ---- what is in it ----
config=$(build inspect --type image localhost/binlogd)
for word in '"Healthcheck"' docker-healthcheck.sh docker-entrypoint.sh '"User": "binlogd"' 'TMPDIR=/var/lib/binlogd'; do
  grep -qF "$word" <<<"$config" || die "the image has no $word"
done
container=$(build from localhost/binlogd)
inside() { build run --isolation chroot "$container" -- "$@"; }
[ "$(inside id -u)" = 10001 ] || die "it does not run as its own user"
if inside touch /etc/binlogd/x 2>/dev/null; then die "its user may write where it should not"; fi
inside touch /var/lib/binlogd/x
say "user $(inside id -un), $(inside docker-entrypoint.sh --version)"
if inside which gcc cargo >/dev/null 2>&1; then die "build tools are left in it"; fi
say "the program has $(($(inside stat -c %s /usr/local/bin/binlogd) >> 20)) MiB"

# ---- the daemon in it, against a real server (the network is this host's) ----
"$scripts/servers.sh" start mysql97
server_environment
port=$(cat "$run/mysql97/port")
reserve=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
options=(--host=127.0.0.1 "--port=$port" --user=maxwell --password=maxwell --producer=stdout "--http_port=$reserve" --http_bind_address=127.0.0.1)
inside docker-entrypoint.sh check "${options[@]}" >"$work/check.log" || { cat "$work/check.log" >&2; die "binlogd check fails inside the image"; }
say "binlogd check inside: $(tail -1 "$work/check.log")"
healthy() { build run --isolation chroot --env "BINLOGD_HTTP_PORT=$reserve" "$container" -- docker-healthcheck.sh >"$work/health.log" 2>&1; }
if healthy; then die "the health check is content with a daemon that does not run"; fi
inside docker-entrypoint.sh "${options[@]}" >"$work/daemon.out" 2>"$work/daemon.log" &
runner=$!
wait_until 60 healthy || { tail -20 "$work/daemon.log" "$work/health.log" >&2; die "the daemon inside does not become healthy"; }
say "healthy inside: $(tail -1 "$work/health.log")"
"$scripts/servers.sh" sql mysql97 -e 'create database c; create table c.t (id int primary key); insert into c.t values (7)'
arrived() { grep -q '"table":"t","type":"insert".*"id":7' "$work/daemon.out"; }
wait_until 30 arrived || die "the change did not arrive"
# The daemon's process is a grandchild, known by its name and by the port in its command line.
for daemon in $(pgrep -x binlogd); do
  if grep -qzF -e "--http_port=$reserve" "/proc/$daemon/cmdline" 2>/dev/null; then kill -TERM "$daemon"; fi
done
code=0; wait "$runner" || code=$?
[ "$code" -eq 0 ] || die "an orderly stop inside ended with $code"
if healthy; then die "the health check is content after the end"; fi
say "a change arrived, SIGTERM ended it with 0"
