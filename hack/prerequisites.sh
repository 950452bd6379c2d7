#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks what the build cannot bring along itself, and says in one sentence what is missing and how to get it.
set -eu
cd "$(dirname "$0")/.."

missing() {
	echo "missing prerequisite: $1" >&2
	exit 1
}

want=$(sed -n 's/^go //p' go.mod)

command -v go >/dev/null 2>&1 ||
	missing "Go $want or newer is needed and no go command is on the PATH: install it from https://go.dev/dl/ and try again."

# The go command itself compares its version with go.mod, and fetches a newer one where it is allowed to.
go env GOVERSION >/dev/null 2>&1 ||
	missing "Go $want or newer is needed, this is $(cd / && go env GOVERSION): install a newer one from https://go.dev/dl/ and try again."

command -v git >/dev/null 2>&1 ||
	missing "git is needed to stamp the version: install it, for example with 'apt-get install git', and try again."

cc=$(go env CC)
command -v "${cc%% *}" >/dev/null 2>&1 ||
	missing "the C compiler '$cc' is needed by parts of Kubernetes: install it, for example with 'apt-get install gcc libc6-dev', and try again."

# A compiler without the C library's headers is a common half-installation; its own error would come minutes later.
echo '#include <stdlib.h>' | $cc -x c -c -o /dev/null - 2>/dev/null ||
	missing "'$cc' cannot compile against the C library: install its headers, for example with 'apt-get install libc6-dev', and try again."
