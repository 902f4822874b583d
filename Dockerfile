# binlogd as an image: a small Debian, one program, no root. How it is used: docs/running.md.
#   docker build -t binlogd .
# scripts/check-container.sh builds it without an engine, on base images of its own.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
# cargo's profile; anything but `release` is for trying the build itself.
ARG PROFILE=release
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential pkg-config libssl-dev libcurl4-openssl-dev zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
# Cargo wants every target that the manifest names to be there.
COPY benches ./benches
RUN CARGO_TARGET_DIR=/build cargo build --locked --profile "${PROFILE}" --bin binlogd \
 && mkdir /out \
 && find /build -maxdepth 2 -type f -name binlogd -exec strip -o /out/binlogd {} \;

FROM ${RUNTIME_IMAGE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libcurl4 libssl3 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/binlogd --shell /usr/sbin/nologin binlogd \
 && install -d -o binlogd -g binlogd -m 0700 /var/lib/binlogd \
 && install -d -m 0755 /etc/binlogd
COPY --from=build /out/binlogd /usr/local/bin/binlogd
COPY --chmod=0755 config/docker-entrypoint.sh config/docker-healthcheck.sh /usr/local/bin/
COPY config/grants.sql config/config.properties.example /usr/share/doc/binlogd/
USER binlogd
# A config.properties that is mounted here is read.
WORKDIR /etc/binlogd
# Large transactions are spilled to the folder for temporary files, if spill_dir names no other.
ENV TMPDIR=/var/lib/binlogd
EXPOSE 8080
# Orderly stop: TERM, up to shutdown_timeout_ms (8 s); give `docker stop` at least that (its default is 10 s).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["docker-healthcheck.sh"]
ENTRYPOINT ["docker-entrypoint.sh"]
CMD []
