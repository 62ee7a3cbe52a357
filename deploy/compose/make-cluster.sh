#!/bin/sh
# Makes a Redis Cluster of the nodes in $NODES, three primaries with a replica each, unless there is one. Ends when every
# slot is served. The password is in the file $AUTH, as redis.conf says it, and on no command line.
set -eu
REDISCLI_AUTH=$(sed -n 's/^requirepass //p' "$AUTH")
export REDISCLI_AUTH

# at NODE COMMAND...
at() {
    node=$1
    shift
    redis-cli -h "${node%:*}" -p "${node#*:}" "$@"
}

for node in $NODES; do
    tries=60
    until [ "$(at "$node" ping 2>/dev/null)" = PONG ]; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "$node does not answer" >&2; exit 1; }
        sleep 1
    done
done

first=${NODES%% *}
if at "$first" cluster info | grep -q '^cluster_known_nodes:1'; then
    # shellcheck disable=SC2086 # one word a node
    redis-cli --cluster create $NODES --cluster-replicas 1 --cluster-yes
fi

tries=60
until at "$first" cluster info | grep -q '^cluster_slots_ok:16384'; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { at "$first" cluster info >&2; exit 1; }
    sleep 1
done
