#!/usr/bin/env bash
# The documentation's table of traps is the one that the hypervisor runs by.
set -u
cd "${SILL_SOURCE:?}" || exit 1
if out=$(build-aux/traps-table.sh --check 2>&1); then
	echo "ok 1 - the tables of docs/hypervisor.md are those of hypervisor/amd/traps.h"
else
	echo "not ok 1 - the tables of docs/hypervisor.md are those of hypervisor/amd/traps.h"
	printf '%s\n' "$out" "build-aux/traps-table.sh --write puts them right" | sed 's/^/# /'
fi
echo 1..1
