# shellcheck shell=bash
# A Python with a Kafka client of its own (kafka-python, no librdkafka) and the four compressions, under target/.

# need_kafka_python: sets `python`. A half-made environment is made anew; two scripts take turns.
need_kafka_python() {
  local home=$target/kafka-python packages=(kafka-python==3.0.12 cramjam==2.14.0 python-snappy==0.7.3 lz4==4.4.5 zstandard==0.25.0)
  local stamp="${packages[*]} in $home"
  python=$home/bin/python
  mkdir -p "$target"
  (
    flock 9
    [ "$(cat "$home/.complete" 2>/dev/null)" != "$stamp" ] || exit 0
    python3 -c 'import ensurepip, venv' 2>/dev/null || need_packages python3 python3-venv
    rm -rf "$home"
    python3 -m venv "$home" 9>&-
    "$python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" 9>&-
    printf '%s\n' "$stamp" >"$home/.complete"
  ) 9>"$target/kafka-python.lock"
}
