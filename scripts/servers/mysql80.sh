# shellcheck shell=bash
# MySQL 8.0: only as a container, no package registry has it.
. "$scripts/servers/mysql97.sh"

kind_image=mysql80
kind_install() { die "mysql80 needs a Docker engine"; }
