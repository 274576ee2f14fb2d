#!/bin/sh
# Process 1 of a worker: runs the program that the command names and ends as it did, or with the host.
#
# The program itself must not be process 1. The kernel keeps signals from that one which would end
# any other, so that a crash would hang, and leaves it what nobody has waited for: a shell waits.
if [ $# = 0 ]; then
  echo "alyx: this image runs a program that the host mounts; name it as the command" >&2
  exit 64
fi
# A pipe of which the host has the other end. Nothing comes out of it but its end, when the host was
# killed: a function that never ends would not notice.
if [ -p /run/alyx/host ]; then
  # Opening waits for the other end, and a host that is gone by now has none.
  { trap 'kill $!; exit' TERM; sleep 2 & wait; kill -ALRM $$; } >/dev/null 2>&1 &
  trap 'exit 70' ALRM
  # Opened before the program starts: the folder is empty once it has connected.
  exec 3</run/alyx/host
  kill $!
  trap - ALRM
  { read -r _ <&3; kill -KILL -1; } >/dev/null 2>&1 &
fi
"$@" 3<&-
exit $?
