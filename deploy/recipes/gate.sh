#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Plain shell: waits until ringwatch lets the rollout go on.
#
#   gate.sh DEPLOYMENT RING [advance|enter] && next-ring
#
# Asks `ringwatch verdict` every GATE_EVERY seconds (60), at most GATE_TRIES times (2880,
# two days). Exit 0 only on proceed; 20 on abort, at once; 10 when the time is over.
#
# When ringwatch does not answer: that is a hold. It asks on, and exits 10 in the end.
# The address and the token come from RINGWATCH_URL and RINGWATCH_TOKEN.
set -u

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
	echo "usage: gate.sh DEPLOYMENT RING [advance|enter]" >&2
	exit 2
fi
tries=${GATE_TRIES:-2880}
while [ "$tries" -gt 0 ]; do
	ringwatch verdict --deployment "$1" --ring "$2" --for "${3:-advance}"
	status=$?
	case $status in
	0 | 2 | 20) exit $status ;; # proceed, usage, abort
	esac
	tries=$((tries - 1))
	[ "$tries" -eq 0 ] || sleep "${GATE_EVERY:-60}"
done
echo "gate.sh: ring $2 still holds, or ringwatch does not answer: not going on" >&2
exit 10
