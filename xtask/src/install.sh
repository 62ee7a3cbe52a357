# Installs Debian packages as root without starting what they bring: the tests start servers of their own.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Packages ask policy-rc.d before they start a service; 101 says no. A machine that has one keeps its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi

apt() {
    apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null
}

# A failure is retried once, with fresh lists: a new machine has none, an old one has lists of packages long gone.
install() {
    apt install -y --no-install-recommends "$@" || { apt update && apt install -y --no-install-recommends "$@"; }
}

# The server package creates a cluster and starts it, unless postgresql-common was told not to before.
case " $* " in
*" postgresql "*)
    install postgresql-common
    conf=/etc/postgresql-common/createcluster.conf
    grep -qs '^ *create_main_cluster *= *false' "$conf" || echo 'create_main_cluster = false' >>"$conf"
    ;;
esac
install "$@"
