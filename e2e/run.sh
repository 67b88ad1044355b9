#!/usr/bin/env bash
# Runs the end-to-end tests against the built binary (FAULT_BIN, by default bin/fault): in Python, at the same time, the documented
# scripts with the newest FastMCP and with 2.9, and HTTP clients, each in a virtual environment below .venv/ that is kept; then the
# Go tests with the tag e2e, which need curl, PostgreSQL, Redis, Chromium and npx; in the end those of the code index, which need nothing
# but all processors.
# Where a peer cannot be had, it says so and leaves those tests out; with CI set it fails instead.
set -euo pipefail
cd "$(dirname "$0")/.."

FAULT_BIN=$(realpath -m "${FAULT_BIN:-bin/fault}")
export FAULT_BIN PYTHONDONTWRITEBYTECODE=1
if [ ! -x "$FAULT_BIN" ]; then
	echo "e2e: $FAULT_BIN does not exist; run make build" >&2
	exit 1
fi

say() { printf '\n== %s\n' "$*"; }

failed=()
left_out=()

# environment NAME fills .venv/NAME from e2e/python/requirements-NAME.txt. It is kept until those change; what is not pinned there
# is brought up to date once a day. It returns 1, having said why, when there is no usable environment.
environment() {
	local venv=".venv/$1" requirements="e2e/python/requirements-$1.txt" log
	local stamp="$venv/.installed"
	if [ -f "$stamp" ] && cmp -s "$stamp" "$requirements" && [ -z "$(find "$stamp" -mtime +0)" ]; then
		return 0
	fi
	if ! command -v "${PYTHON:-python3}" >/dev/null; then
		echo "e2e: there is no Python (${PYTHON:-python3})"
		return 1
	fi
	log=$(mktemp)
	if { [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"; } >"$log" 2>&1 &&
		"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade -r "$requirements" >>"$log" 2>&1; then
		cp "$requirements" "$stamp"
		rm -f "$log"
		return 0
	fi
	if [ -f "$stamp" ] && cmp -s "$stamp" "$requirements"; then
		echo "e2e: the packages of $1 could not be brought up to date; those of the last time are used"
		rm -f "$log"
		return 0
	fi
	echo "e2e: the Python packages of $1 cannot be had:"
	tail -n 5 "$log"
	rm -f "$log"
	return 1
}

# python_peers NAME ARGUMENT... runs pytest in the environment. It returns 3 when there is no environment.
python_peers() {
	local name=$1 python
	shift
	environment "$name" || return 3
	python=$PWD/.venv/$name/bin/python
	"$python" -m pip list --disable-pip-version-check 2>/dev/null | grep -Ei '^(fastmcp|mcp|fastapi|httpx|requests|hypercorn) ' || true
	cd e2e/python && "$python" -m pytest -q -p no:cacheprovider "$@"
}

# Most of the time these wait for each other's faults, so they share the machine.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
names=(latest 2.9 clients)
pids=()
for name in "${names[@]}"; do
	tests=(--ignore=clients)
	[ "$name" != clients ] || tests=(clients)
	(python_peers "$name" "${tests[@]}") >"$logs/$name" 2>&1 &
	pids+=($!)
done
for i in "${!names[@]}"; do
	code=0
	wait "${pids[$i]}" || code=$?
	say "Python peers, ${names[$i]}"
	cat "$logs/${names[$i]}"
	case $code in
	0) ;;
	3) left_out+=("Python peers, ${names[$i]}") ;;
	*) failed+=("Python peers, ${names[$i]}") ;;
	esac
done

# A Go test compares its Qdrant server with this client.
environment qdrant || left_out+=("Python peers, qdrant")

say "Go tests"
go test -tags e2e -count=1 -timeout 20m ./e2e/ || failed+=("Go tests")

# These keep all processors busy, so what measures time has come before.
say "Go tests of the code index"
code=0
go test -tags e2e -count=1 -timeout 20m -v ./e2e/index/ >"$logs/index" 2>&1 || code=$?
grep -E '^(---|    ---|ok|FAIL|PASS)|_test.go:' "$logs/index" || cat "$logs/index"
[ $code = 0 ] || failed+=("Go tests of the code index")

status=0
if [ ${#left_out[@]} -gt 0 ]; then
	say "left out for want of packages: $(printf '%s; ' "${left_out[@]}")"
	[ -z "${CI:-}" ] || status=1
fi
if [ ${#failed[@]} -gt 0 ]; then
	say "failed: $(printf '%s; ' "${failed[@]}")"
	status=1
fi
exit $status
