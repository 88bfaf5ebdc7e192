#!/bin/sh
# Prints "same" when an installation from sql/schema equals the migrated database PGDATABASE:
# normalised dumps of schema pgdevstate, and the rows that every installation begins with. Else
# prints the difference.
set -eu
here=$(dirname "$0")
migrated=${1:-${PGDATABASE:?say which database}}
fresh=${migrated}_fresh
work=$(mktemp -d)
trap 'psql -XqAt -d postgres -c "drop database if exists \"$fresh\" with (force)"; rm -rf "$work"' EXIT

dump() {
	pg_dump --schema=pgdevstate --schema-only -d "$1" |
		sed -e '/^--/d' -e '/^$/d' -e '/^\\restrict/d' -e '/^\\unrestrict/d'
	psql -XqAt -d "$1" -c "select version, oldest_node from pgdevstate.installed" \
		-c "select site, name, is_here, length(channel) from pgdevstate.site" \
		-c "select * from pgdevstate.coordinator" \
		-c "select * from pgdevstate.setting order by name"
}

psql -XqAt -d postgres -c "create database \"$fresh\" template template0"
"$here/install.sh" "dbname=$fresh" schema
dump "$migrated" >"$work/migrated"
dump "$fresh" >"$work/fresh"
[ "$(wc -l <"$work/fresh")" -gt 500 ] || { echo "the dump is too short"; exit 1; }
if diff -u "$work/migrated" "$work/fresh"; then
	echo same
fi
