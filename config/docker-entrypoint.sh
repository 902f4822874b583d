#!/bin/sh
# Entry point of a container with binlogd. It understands what containers of Maxwell's daemon are given, so that a compose
# file for one of those starts this one too:
#
#   bin/maxwell-docker              the daemon, from the variables below; further words are options
#   (nothing)                       the same if one of these variables is set, else the daemon with config.properties
#   bin/maxwell OPTIONS             the daemon with these options
#   OPTIONS                         the same
#   binlogd WORDS, read, check ...  binlogd with these words
#   anything else                   that program
#
# Variables of Maxwell's image, each left out when it is not set:
#
#   MAXWELL_PRODUCER                producer; kafka if it is not set
#   KAFKA_BROKERS                   with kafka: the brokers
#   KAFKA_HOST, KAFKA_PORT          the same as two variables; the port is 9092 if it is not set
#   MYSQL_USERNAME, MYSQL_PASSWORD, MYSQL_HOST
#   MAXWELL_OPTIONS                 further options, with blanks between
#
# BINLOGD names the program, if it is not found by its name.
set -eu
# Words of MAXWELL_OPTIONS such as *.* are no names of files.
set -f

binlogd=${BINLOGD:-binlogd}

# Further words stand last, as MAXWELL_OPTIONS do in Maxwell's own script.
from_variables() {
  producer=${MAXWELL_PRODUCER:-kafka}
  # The list is split at blanks on purpose.
  # shellcheck disable=SC2086
  set -- ${MAXWELL_OPTIONS:-} "$@"
  if [ "$producer" = kafka ]; then
    brokers=${KAFKA_BROKERS:-}
    if [ -z "$brokers" ] && [ -n "${KAFKA_HOST:-}" ]; then
      brokers=$KAFKA_HOST:${KAFKA_PORT:-9092}
    fi
    if [ -n "$brokers" ]; then set -- "--kafka.bootstrap.servers=$brokers" "$@"; fi
  fi
  set -- "--producer=$producer" "$@"
  if [ -n "${MYSQL_HOST:-}" ]; then set -- "--host=$MYSQL_HOST" "$@"; fi
  if [ -n "${MYSQL_PASSWORD:-}" ]; then set -- "--password=$MYSQL_PASSWORD" "$@"; fi
  if [ -n "${MYSQL_USERNAME:-}" ]; then set -- "--user=$MYSQL_USERNAME" "$@"; fi
  exec "$binlogd" "$@"
}

# Installed under one of Maxwell's names, the name is the first word.
case $0 in
  maxwell-docker | */maxwell-docker) from_variables "$@" ;;
  maxwell | */maxwell) exec "$binlogd" "$@" ;;
esac

case ${1-} in
  '')
    if [ -n "${MAXWELL_PRODUCER-}${KAFKA_BROKERS-}${KAFKA_HOST-}${MYSQL_USERNAME-}${MYSQL_PASSWORD-}${MYSQL_HOST-}${MAXWELL_OPTIONS-}" ]; then
      from_variables
    fi
    exec "$binlogd"
    ;;
  maxwell-docker | bin/maxwell-docker | */bin/maxwell-docker)
    shift
    from_variables "$@"
    ;;
  maxwell | bin/maxwell | */bin/maxwell | binlogd)
    shift
    exec "$binlogd" "$@"
    ;;
  -* | read | check | position | schema | completions) exec "$binlogd" "$@" ;;
  *) exec "$@" ;;
esac
