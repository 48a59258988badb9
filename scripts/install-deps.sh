#!/usr/bin/env bash
# Installs the Debian packages that building ("run") or testing ("test") needs.
# Packages already there cost nothing. Root, or sudo.
set -euo pipefail

case "${1:-test}" in
  run)  want=(ca-certificates tar) ;;
  test) want=(ca-certificates tar nftables iptables ipset tcpdump tshark softflowd nfdump pmacct tcpreplay conntrack iproute2
              iputils-ping netcat-openbsd curl procps chromium nginx-light postgresql-15 postgresql-client-15 redis-server redis-tools
              dnsmasq-base bind9-dnsutils python3-capirca) ;;
  bench) want=(nftables tcpdump softflowd nfdump pmacct argus-server python3-igraph python3-leidenalg iproute2) ;;
  *) echo "usage: $0 run|test|bench" >&2; exit 2 ;;
esac

missing=()
for p in "${want[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "missing packages: ${missing[*]}: run as root, or install sudo" >&2; exit 1; }
  sudo=(sudo)
fi
echo "installing ${missing[*]}"

# Packages start their daemons when installed; a test machine wants the programs
# only. policy-rc.d(8) says so for the length of this script.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
  "${sudo[@]}" chmod 755 "$policy"
  trap '"${sudo[@]}" rm -f "$policy"' EXIT
fi
"${sudo[@]}" apt-get update -q >/dev/null
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
