#!/bin/sh
# Writes the secrets of the compose file, each into a file of its own below secrets/. What is there already stays: to make
# one anew, delete it (and what was stored under it).
set -eu
cd "$(dirname "$0")"

# The directory is for its owner alone. The files are for everybody, because containers get each file by itself and read
# it as users of their own.
mkdir -p secrets
chmod 700 secrets
umask 022

# 32 random bytes in base64url without padding: a token, a key or a password.
key() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }

# write NAME: the standard input becomes secrets/NAME, unless there is one.
write() {
    if [ -e "secrets/$1" ]; then
        cat >/dev/null
    else
        cat >"secrets/$1.new"
        mv "secrets/$1.new" "secrets/$1"
    fi
}

key | write postgres-password
key | write grafana-password
[ -e secrets/redis-auth.conf ] || {
    password=$(key)
    printf 'requirepass %s\nmasterauth %s\n' "$password" "$password" | write redis-auth.conf
}

postgres=$(cat secrets/postgres-password)
redis=$(sed -n 's/^requirepass //p' secrets/redis-auth.conf)
role=$(key)
write tagbid.toml <<TOML
[peers]
token = "$role"

[[auth.tokens]]
name = "operations"
token = "$(key)"
scope = "operator"
[[auth.tokens]]
name = "roles"
token = "$role"
scope = "role"

[keys]
user = "1:$(key)"
notice = "1:$(key)"

[campaigns]
database = "postgres://tagbid:$postgres@postgres/catalog"

[ledger]
database = "postgres://tagbid:$postgres@postgres/ledger"

[tags]
redis_cluster = ["redis://:$redis@172.28.7.11:6379", "redis://:$redis@172.28.7.12:6379", "redis://:$redis@172.28.7.13:6379"]

[bidder.exchanges.acme]
key = "$(key)"
TOML
