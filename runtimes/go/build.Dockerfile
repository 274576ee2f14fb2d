# The image that Go functions are built in: the toolchain and the sources of the shim.
# `alyx runtimes build go-build` builds it; by hand, in a clone of the repository:
# docker build -f runtimes/go/build.Dockerfile -t IMAGE .
#
# BASE is any Linux with `go` (1.22 or newer) on its PATH. Programs are built without C and without
# a network; module and build caches are mounted by who runs it.
ARG BASE=docker.io/library/golang:1.26-bookworm
FROM ${BASE}
COPY shims/go/go.mod /opt/alyx/go.mod
COPY shims/go/cmd /opt/alyx/cmd
COPY shims/go/internal /opt/alyx/internal
COPY shims/go/pkg /opt/alyx/pkg
COPY runtimes/entry.sh /opt/alyx/entry.sh
LABEL dev.alyx.runtime="go-build" dev.alyx.protocol="1"
ENV GOTOOLCHAIN=local CGO_ENABLED=0
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/bin/sh", "/opt/alyx/entry.sh"]
