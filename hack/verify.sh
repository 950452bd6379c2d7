#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Regenerates everything in a copy of the tree, with the tree's own bin/, and names each file that differs. The
# tree itself is not touched, so that a failed verify leaves nothing to clean up.
set -eu
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM

# Committed or not, but nothing that git ignores; a file that was deleted and not yet committed is left out.
git ls-files --cached --others --exclude-standard | while read -r file; do
	if [ -e "$file" ]; then echo "$file"; fi
done | tar -cf - --files-from=- | tar -xf - -C "$copy"
cp -R "$copy" "$copy.before"
trap 'rm -rf "$copy" "$copy.before"' EXIT

make --no-print-directory -C "$copy" generate BIN="$(pwd)/bin"

failed=0
differs=$(cd "$copy" && diff -rq "$copy.before" . | sed -e 's|^Files .* and \./\(.*\) differ$|\1|' \
	-e "s|^Only in \./\{0,1\}\(.*\): \(.*\)$|\1/\2 (not committed)|" \
	-e "s|^Only in $copy.before/\{0,1\}\(.*\): \(.*\)$|\1/\2 (no longer generated)|") || true
if [ -n "$differs" ]; then
	echo "generated files are not up to date, run 'make generate' and commit:" >&2
	echo "$differs" | sed 's/^/  /' >&2
	failed=1
fi

for module in . hack/tools; do
	if ! tidy=$(cd "$module" && go mod tidy -diff 2>&1); then
		echo "$module/go.mod is not tidy, run 'go mod tidy' in $module and commit:" >&2
		echo "$tidy" | grep -v '^[ @]' | head -12 | sed 's/^/  /' >&2
		failed=1
	fi
done

unformatted=$(git ls-files --cached --others --exclude-standard '*.go' | while read -r file; do
	if [ -e "$file" ]; then gofmt -l "$file"; fi
done)
if [ -n "$unformatted" ]; then
	echo "not formatted, run 'gofmt -w' on:" >&2
	echo "$unformatted" | sed 's/^/  /' >&2
	failed=1
fi
exit $failed
