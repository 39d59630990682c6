#!/usr/bin/env bash
# PostgreSQL: a bitmap scan goes through the deleted rows of a key again at each call, an index scan only once.
#
# One would guess: that index entries of deleted rows are marked by whoever meets them first, so that until the next
# vacuum only the first reader pays; that is what an index scan does.
# What happens: a bitmap scan marks nothing. The planner prefers one wherever a key has more than a handful of rows
# that do not lie side by side, which is the usual case. A key whose rows come and go (a queue, the members of a group)
# then costs all that was ever deleted of it since the last vacuum, at each reading, with statistics that are right:
# they count rows that live. The same query with `enable_bitmapscan = off` pays once, and clears the way for the
# bitmap scans after it, too.
# Why it matters: readings of a small, busy set become slower with every row that was there and is gone, up to when
# vacuum comes; in a test that is too short for it, or with few rows, nobody sees it.
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

ask -c "select version()"
ask <<'SQL'
create table members (name text not null, thing integer not null, note text not null);
create index members_name on members (name);
alter table members set (autovacuum_enabled = off);
-- 1,000 names with 100 things each, not side by side; one of them had 40,000 more, which are gone.
insert into members select 'name-' || thing % 1000, thing, repeat('x', 100) from generate_series(1, 100000) thing;
vacuum analyze members;
insert into members select 'name-7', -thing, repeat('x', 100) from generate_series(1, 40000) thing;
delete from members where thing < 0;
analyze members;
SQL

# The node of the plan, and how many pages one reading went through.
reading() {
    ask -c "$1" -c "explain (analyze, buffers, costs off, timing off, summary off)
        select count(note) from members where name = 'name-7'" | awk '
        /Scan/ && !node { sub(/^[ >-]+/, ""); sub(/ (using|on) .*/, ""); node = $0 }
        /Buffers: shared/ && !pages { for (i = 1; i <= NF; i++) if ($i ~ /^(hit|read)=/) { sub(/.*=/, "", $i); pages += $i } }
        END { print node ":" pages }'
}
bitmaps=()
for _ in 1 2 3; do bitmaps+=("$(reading "set enable_bitmapscan = on")"); done
indexes=()
for _ in 1 2; do indexes+=("$(reading "set enable_bitmapscan = off; set enable_seqscan = off")"); done
after=$(reading "set enable_bitmapscan = on")
echo "as the planner likes it, three times: ${bitmaps[*]}"
echo "without bitmaps, twice:               ${indexes[*]}"
echo "as the planner likes it again:        $after"
third=${bitmaps[2]} second=${indexes[1]}
changed() { echo "CHANGED: $1" && exit 1; }
[[ $third == "Bitmap Heap Scan":* ]] || changed "the planner takes $third"
[[ $second == "Index Scan":* ]] || changed "without bitmaps it takes $second"
((${third#*:} > 600)) || changed "the third bitmap scan goes through ${third#*:} pages only"
((${second#*:} < 200)) || changed "the second index scan goes through ${second#*:} pages"
((${after#*:} < 200)) || changed "a bitmap scan after it goes through ${after#*:} pages"
echo "AS DESCRIBED"
