#!/bin/sh
# Process 1 of a worker: runs the program that the command names and ends as it did.
#
# The program itself must not be process 1. The kernel keeps signals from that one which would end
# any other, so that a crash would hang, and leaves it what nobody has waited for: a shell waits.
if [ $# = 0 ]; then
  echo "alyx: this image runs a program that the host mounts; name it as the command" >&2
  exit 64
fi
"$@"
exit $?
