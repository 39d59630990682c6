"""The names of datasets: what means the same has one id. docs/lineage.md has the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.identifiers import check_asset
from circulation.openlineage.names import canonical, dataset_id


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("warehouse", "secret", "warehouse/secret"),
        ("s3://b", "/wh/t", "s3://b/wh/t"),
        ("s3a://b/", "wh//t/", "s3://b/wh/t"),
        ("S3N://B", "wh/T", "s3://b/wh/T"),
        ("s3://b", "", "s3://b"),
        ("s3://b", "/", "s3://b"),
        ("warehouse", "", "warehouse"),
        ("wasbs://c@acc.blob.core.windows.net", "p", "abfss://c@acc.dfs.core.windows.net/p"),
        ("wasb://c@acc", "p", "abfss://c@acc/p"),
        ("abfs://c@acc", "p", "abfss://c@acc/p"),
        ("postgres://DB.example:5432", "Shop.Public.Orders", "postgres://db.example/shop.public.orders"),
        ("postgres://db.example:5433", 'shop.public."Orders"', 'postgres://db.example:5433/shop.public."Orders"'),
        ("postgres://db.example", '"shop"."public"."orders"', "postgres://db.example/shop.public.orders"),
        ("snowflake://acc", '"DB"."S"."T"', "snowflake://acc/DB.S.T"),
        ("snowflake://acc", "db.s.t", "snowflake://acc/DB.S.T"),
        ("snowflake://acc", 'db.s."t"', 'snowflake://acc/DB.S."t"'),
        ("snowflake://acc", 'db.s."T.U"', 'snowflake://acc/DB.S."T.U"'),
        ("snowflake://acc", 'db.s."A""B"', 'snowflake://acc/DB.S."A""B"'),
        ("oracle://h:1521", "sid.hr.staff", "oracle://h/SID.HR.STAFF"),
        ("db2://h:50000", "d.s.t", "db2://h/D.S.T"),
        ("redshift://c:5439", "D.S.T", "redshift://c/d.s.t"),
        ("trino://h:8080", "C.S.T", "trino://h/c.s.t"),
        ("hive://h:10000", "`D`.`T`", "hive://h/`D`.`T`"),
        ("hive://h:10000", "`d`.T", "hive://h/d.t"),
        ("mysql://h:3306", "`Shop`.Orders", "mysql://h/Shop.Orders"),
        ("kafka://a:9092,B:9093", "Topic", "kafka://a,b:9093/Topic"),
        ("hdfs://nn:8020", "/data/t/dt=2025-01-01/hr=3", "hdfs://nn/data/t"),
        ("s3://b", "dt=1/hr=2", "s3://b/dt=1"),
        ("s3://b", "a/dt=1/b/hr=2", "s3://b/a/dt=1/b"),
        ("warehouse", "t/dt=1", "warehouse/t"),
        ("warehouse", "dt=1", "warehouse/dt=1"),
        ("file", "/tmp/x", "file/tmp/x"),
        ("bigquery", "p.D.t", "bigquery/p.D.t"),
        ("s3://b", "a\nb\u3000c", "s3://b/a%0Ab%E3%80%80c"),
    ],
)
def test_what_means_the_same_has_one_id(namespace: str, name: str, expected: str) -> None:
    found = dataset_id(namespace, name)
    assert expected == found
    assert found == canonical(found)


@pytest.mark.parametrize(("length", "kept"), [(1_017, True), (1_018, False)])
def test_beyond_what_an_id_may_have_the_rest_is_its_digest(length: int, kept: bool) -> None:
    found, other = (dataset_id("s3://b", "x" * length + more) for more in ("", "y"))
    assert min(7 + length, 1_024) == len(found)
    assert kept == (found == "s3://b/" + "x" * length)
    assert 1_024 == len(other)
    assert found != other


@given(
    st.sampled_from(["s3a://b", "snowflake://a", "postgres://H:5432", "warehouse", "a/b", "file", "HDFS://x:8020,y"]),
    st.text(max_size=30),
)
def test_an_id_is_its_own_canonical_form_and_may_be_kept(namespace: str, name: str) -> None:
    found = dataset_id(namespace, name)
    assert found == canonical(found)
    assert check_asset(found) is None


@pytest.mark.parametrize("asset", ["plain", "a=b", "a=b/c=d", "genomes/2025=1", "urn:x:y", "s3://b/t", "x/y//z"])
def test_an_id_that_is_no_uri_keeps_its_spelling(asset: str) -> None:
    assert asset == canonical(asset)
