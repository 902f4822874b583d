#!/bin/bash
# Whether the binlogd in this container is well: what its /healthcheck says. Ends with 0 or 1; the last line says why.
# BINLOGD_HTTP_PORT (8080 if it is not set) is the daemon's http_port, BINLOGD_HTTP_PATH its http_path_prefix.
port=${BINLOGD_HTTP_PORT:-8080}
path=${BINLOGD_HTTP_PATH:-}
if ! { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; then
  if [ -z "${BINLOGD_HTTP_PORT:-}" ] && kill -0 1 2>/dev/null; then
    echo "alive; nothing more is known: with http_port=8080 its health is asked for"
    exit 0
  fi
  echo "nothing answers on port $port (http_port)"
  exit 1
fi
printf 'GET %s/healthcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "${path%/}" >&3
answer=$(timeout 4 cat <&3)
echo "${answer##*$'\n'}"
case $answer in 'HTTP/1.1 200 '*) exit 0 ;; *) exit 1 ;; esac
