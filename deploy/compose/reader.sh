#!/bin/sh
# Runs once, when the database is made: a user for Grafana and for people. It can read the store, and write down what it
# looked at (which the first worker lets the members of circulation_onlooker do), and nothing else.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$READER_PASSWORD" --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
create role reader login password :'password' connection limit 20;
alter role reader set default_transaction_read_only = on;
alter role reader set statement_timeout = '30s';
grant pg_read_all_data to reader;
create role circulation_onlooker nologin;
grant circulation_onlooker to reader;
SQL
