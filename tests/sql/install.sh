#!/bin/sh
# Install the schema into a database with psql alone, as `pgdevstate migrate` does: migrations
# that are not applied yet, then all functions, then all views, in one transaction.
#   tests/sql/install.sh CONNINFO [schema]
# With "schema" the present state (sql/schema) is installed instead of the migrations: both
# must give the same, tests/sql/same_dump.sh compares them.
set -eu
conninfo=${1:?usage: tests/sql/install.sh CONNINFO [schema]}
what=${2:-migrations}
top=$(cd "$(dirname "$0")/../.." && pwd)

script() {
	echo "set client_min_messages = warning;"
	echo "select pg_advisory_xact_lock(hashtext('pgdevstate migrate'));"
	if [ "$what" = schema ]; then
		for f in "$top"/sql/schema/*.sql; do echo "\\i '$f'"; done
	else
		for f in "$top"/migrations/*.sql; do
			name=$(basename "$f" .sql)
			version=$(expr "$name" : '0*\([0-9]*\)_')
			sum=$({ cat "$f"; printf '\0'; } | sha256sum | cut -d' ' -f1)
			cat <<-END
				select to_regclass('pgdevstate.migration') is null as todo \\gset
				\\if :todo
				\\else
				select not exists (select from pgdevstate.migration where version = $version) as todo \\gset
				\\endif
				\\if :todo
				\\i '$f'
				insert into pgdevstate.migration (version, name, checksum) values ($version, '$name', '$sum');
				\\endif
			END
		done
	fi
	for f in "$top"/sql/functions/*.sql "$top"/sql/views/*.sql; do echo "\\i '$f'"; done
	sum=$(cd "$top" && for f in sql/functions/*.sql sql/views/*.sql; do
		printf '%s\0' "$f"
		cat "$f"
		printf '\0'
	done | sha256sum | cut -d' ' -f1)
	echo "update pgdevstate.installed set functions_checksum = '$sum', functions_at = clock_timestamp();"
}

script | psql -X -q -A -t -1 -v ON_ERROR_STOP=1 -o /dev/null -d "$conninfo" -f -
