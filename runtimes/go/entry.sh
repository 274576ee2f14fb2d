#!/bin/sh
# Becomes the program that the command names: the Go shim, or the toolchain. Nothing of its own is
# left running, so that signals and the exit code are the program's.
if [ $# = 0 ]; then
  echo "alyx: this image runs a program that the host mounts; name it as the command" >&2
  exit 64
fi
exec "$@"
