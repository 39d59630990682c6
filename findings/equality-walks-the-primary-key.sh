#!/usr/bin/env bash
# PostgreSQL: with an index on (state, id), `where state = 0 order by state, id limit 100` walks the primary key
# instead.
#
# One would guess: the index (state, id) is made for "the oldest of this state", and naming both columns in `order by`
# makes sure that it is used: it alone has this order.
# What happens: since `state` is equal to a constant, the planner strikes it from the order; `order by id` is left,
# which the primary key has as well. It takes the key, throws away the rows of other states, and thinks it will find
# 100 soon, as if the rows of a state were spread evenly over the ids. In a queue they are not: the oldest rows are
# the ones that are done. So it reads all rows that are done first, more every day, with statistics that are fresh and
# right. `state between 0 and 0` means the same, keeps `state` in the order, and is answered from the index at once.
# Prepared statements with parameters (`state = $1`, `state between $1 and $1`) do the same, with their generic plans
# too.
# Why it matters: the query of a work queue that is fast in every test becomes as slow as the table is long, and only
# while much waits: the more waits, the cheaper the walk seems to be.
set -euo pipefail
bin=
for folder in "$(pg_config --bindir 2>/dev/null || true)" $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) \
    "$(dirname "$(command -v initdb || echo /none/initdb)")"; do
    if [[ -x $folder/initdb && -x $folder/postgres ]]; then bin=$folder && break; fi
done
if [[ -z $bin ]] || ! command -v psql >/dev/null; then
    echo "$0 needs PostgreSQL's initdb, postgres and psql: install your system's package postgresql" >&2
    exit 77
fi
# PostgreSQL refuses to run as root.
as=()
owner=
if [[ $(id -u) == 0 ]]; then
    owner=$(id -un postgres 2>/dev/null || echo nobody)
    as=(setpriv "--reuid=$owner" --clear-groups --)
fi
work=$(mktemp -d)
clean() {
    if [[ -f $work/data/postmaster.pid ]]; then
        "${as[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null || true
    fi
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
[[ -z $owner ]] || chown "$owner" "$work"
cd "$work"
"${as[@]}" "$bin/initdb" -D "$work/data" -U finder -A trust --no-sync >initdb.log 2>&1 || {
    cat initdb.log >&2
    exit 1
}
"${as[@]}" "$bin/pg_ctl" -D "$work/data" -w -t 60 -l "$work/data/log" \
    -o "-c unix_socket_directories=$work -c listen_addresses='' -c fsync=off -c jit=off" start >/dev/null
ask() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$work" -U finder -d postgres "$@"; }

# 50,000 rows are done, the 150,000 after them wait; the statistics know it.
ask -c "select version()"
ask <<'SQL'
create table queue (id bigint primary key, state integer not null, task text not null);
create index queue_state on queue (state, id);
insert into queue select id, case when id <= 50000 then 1 else 0 end, 'a task' from generate_series(1, 200000) id;
vacuum analyze queue;
SQL

# expect INDEX ROWS STATEMENTS: that the plan of the last statement uses the index and throws away so many rows.
expect() {
    local plan
    plan=$(ask -c "$3")
    printf '\n%s\n%s\n' "$3" "$plan"
    if ! grep -q "using $1 on queue" <<<"$plan"; then
        echo "CHANGED: the plan does not use $1" >&2 && exit 1
    fi
    if [[ $(sed -n 's/.*Rows Removed by Filter: //p' <<<"$plan") != "$2" ]]; then
        echo "CHANGED: other rows were thrown away than ${2:-none}" >&2 && exit 1
    fi
}
look="explain (analyze, costs off, timing off, summary off, buffers off)"
expect queue_pkey 50000 "$look select * from queue where state = 0 order by state, id limit 100"
expect queue_state "" "$look select * from queue where state between 0 and 0 order by state, id limit 100"
for mode in force_custom_plan force_generic_plan; do
    expect queue_state "" "set plan_cache_mode = $mode;
prepare waiting (integer) as select * from queue where state between \$1 and \$1 order by state, id limit 100;
$look execute waiting (0)"
    expect queue_pkey 50000 "set plan_cache_mode = $mode;
prepare waiting (integer) as select * from queue where state = \$1 order by state, id limit 100;
$look execute waiting (0)"
done
echo
echo "AS DESCRIBED"
