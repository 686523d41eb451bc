#!/bin/sh
# Makes sure that what `make demo`, `make test` or `make bench` needs is there: installs it where it may, else says what
# to do.
#
#   tools/setup.sh demo | test | bench | bench-quick
set -eu

what=${1:-test}

# Program, and the Debian package that brings it.
needed_by_demo='cc:gcc curl:curl ping:iputils-ping'
needed_by_test="$needed_by_demo openssl:openssl wget:wget tshark:tshark editcap:tshark tcpdump:tcpdump nginx:nginx-light ab:apache2-utils
nc:netcat-openbsd traceroute:traceroute tracepath:iputils-tracepath python3:python3 ip:iproute2 unshare:util-linux setpriv:util-linux
valgrind:valgrind arping:arping ndisc6:ndisc6 nmap:nmap hping3:hping3 scapy:python3-scapy t50:t50 chromium:chromium
dnsmasq:dnsmasq-base busybox:busybox dhclient:isc-dhcp-client dhcpd:isc-dhcp-server radvd:radvd
atk6-implementation6:thc-ipv6 frag6:ipv6toolkit bridge:iproute2
slowhttptest:slowhttptest aria2c:aria2 http:httpie node:nodejs perl:perl git:git wrk:wrk h2load:nghttp2-client haproxy:haproxy
sslscan:sslscan redis-server:redis-server lighttpd:lighttpd microsocks:microsocks"
# Module of Debian's Python, and its package.
modules_of_test='pip:python3-pip urllib3:python3-urllib3 requests:python3-requests httpx:python3-httpx aiohttp:python3-aiohttp h11:python3-h11'
needed_by_bench='cc:gcc wrk:wrk nginx:nginx-light ip:iproute2 unshare:util-linux nsenter:util-linux taskset:util-linux'
modules=
# Wanted, not needed: stacks that a test or the bench compares us with, and what looks inside. Who looks for them says so where they are absent.
wanted=

case $what in
    demo) needed=$needed_by_demo ;;
    test)
        needed=$needed_by_test
        modules=$modules_of_test
        wanted='/usr/include/lwip/lwip/tcpip.h:liblwip-dev'
        ;;
    bench)
        needed=$needed_by_bench
        wanted='/usr/include/lwip/lwip/tcpip.h:liblwip-dev /usr/bin/go:golang-go
/usr/share/gocode/src/gvisor.dev/gvisor/pkg/tcpip:golang-gvisor-gvisor-dev /usr/bin/perf:linux-perf'
        ;;
    bench-quick) needed=$needed_by_bench ;;
    *)
        echo "setup: $what: unknown; say demo, test, bench or bench-quick" >&2
        exit 2
        ;;
esac

has() {
    # Servers live where a plain user does not look.
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1
}

if ! has cargo; then
    echo "setup: cargo: not found: install Rust from https://rustup.rs (rust-toolchain.toml then picks the version)" >&2
    exit 1
fi

missing=
for pair in $needed; do
    if ! has "${pair%%:*}"; then
        case " $missing " in
            *" ${pair#*:} "*) ;;
            *) missing="$missing ${pair#*:}" ;;
        esac
    fi
done

for pair in $modules; do
    if ! /usr/bin/python3 -c "import importlib.util as u; exit(u.find_spec('${pair%%:*}') is None)" 2>/dev/null; then
        missing="$missing ${pair#*:}"
    fi
done

if [ -n "$missing" ]; then
    # Nothing here holds an argument with a blank.
    # shellcheck disable=SC2086
    if [ "$(id -u)" = 0 ] && has apt-get; then
        echo "setup: installing$missing"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q
        apt-get install -q -y --no-install-recommends $missing
    else
        echo "setup: missing:$missing" >&2
        if has apt-get; then
            echo "setup: run: sudo apt-get install$missing" >&2
        else
            echo "setup: install them with your package manager (the names are Debian's)" >&2
        fi
        exit 1
    fi
fi

if [ ! -e /dev/net/tun ]; then
    echo "setup: /dev/net/tun: missing: load the module (sudo modprobe tun), or start the container with --device /dev/net/tun" >&2
    exit 1
fi
if [ ! -r /dev/net/tun ] || [ ! -w /dev/net/tun ]; then
    echo "setup: /dev/net/tun: not readable and writable: sudo chmod 666 /dev/net/tun (its usual mode), or run as root" >&2
    exit 1
fi

for pair in $wanted; do
    package=${pair#*:}
    if [ -e "${pair%%:*}" ]; then
        continue
    fi
    if [ "$(id -u)" = 0 ] && has apt-get; then
        echo "setup: installing $package"
        export DEBIAN_FRONTEND=noninteractive
        # Some systems do not have it, and some have an old list of what they have.
        apt-get install -q -y --no-install-recommends "$package" || apt-get update -q || true
        apt-get install -q -y --no-install-recommends "$package" || echo "setup: $package: not to be had; nothing is compared with it"
    else
        echo "setup: $package is not installed: nothing is compared with it"
    fi
done
