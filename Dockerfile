# The appliance image. Builds with any engine that reads a plain Dockerfile (Docker's classic
# builder, BuildKit, buildah), on either base:
#   docker build -t berth .
#   docker build -t berth --build-arg BASE=debian:forky --build-arg AGENTS=claude --build-arg PACKAGES="python3 ripgrep" .
# `./just build` does the same, on whatever base this machine can have. A CA bundle laid at
# scripts/image/ca.crt reaches the two stages that are thrown away, and not the image.
ARG BASE=alpine:3.24

FROM ${BASE} AS build
COPY scripts/image/ /tmp/image/
RUN sh /tmp/image/pkg-install build
COPY Makefile VERSION /src/
COPY src/ /src/src/
WORKDIR /src
ARG SOURCE_DATE_EPOCH=0
RUN mkdir -p /out \
 && make -j"$(nproc)" OPT="-O2 -g -ffile-prefix-map=/src=." install DESTDIR=/out \
 && find /out -type f -exec strip --strip-unneeded '{}' + \
 && find /out -exec touch -h -d "@$SOURCE_DATE_EPOCH" '{}' +

FROM ${BASE} AS agents
COPY scripts/image/ /tmp/image/
ARG AGENTS=""
RUN [ -z "$AGENTS" ] || sh /tmp/image/pkg-install fetch
ARG CLAUDE_VERSION=2.1.329
RUN sh /tmp/image/agents /agents $AGENTS

FROM ${BASE}
COPY scripts/image/pkg-install scripts/image/apt.sh scripts/image/packages.txt scripts/image/users /tmp/image/
# An agent's name is the role of what it needs beside its own program; PACKAGES are what its work needs.
ARG AGENTS=""
ARG PACKAGES=""
RUN sh /tmp/image/users && sh /tmp/image/pkg-install run $AGENTS -- $PACKAGES && rm -rf /tmp/image
COPY --from=agents /agents/ /
COPY --from=build /out/ /
COPY rootfs/ /
ARG VERSION=unknown
LABEL org.opencontainers.image.title="berth" \
      org.opencontainers.image.description="Keeps coding agents alive in tmux" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT"
ENV LANG=C.UTF-8
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["berth", "status", "--quiet", "--parts"]
ENTRYPOINT ["/usr/libexec/berth/init"]
