//! Whole tables out of a database and into an empty one, by COPY.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::Result;

/// Events are for pages that are open now, and are ordered by transaction ids of their own cluster.
const LEFT_OUT: [&str; 2] = ["_sqlx_migrations", "event"];

/// A table and its columns, in order.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<String>,
}

impl Table {
    fn columns(&self) -> String {
        let quoted: Vec<_> = self.columns.iter().map(|name| quote(name)).collect();
        quoted.join(", ")
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Held by a backup; garbage collection stands still meanwhile.
const BACKUP_LOCK: i64 = 0x6261_636b_7570;

/// Keeps garbage collection away for as long as the connection lives.
pub async fn hold_blobs(conn: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "-- dump::hold_blobs
         SELECT pg_advisory_lock_shared($1)",
    )
    .bind(BACKUP_LOCK)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether no backup needs the blobs of this moment; none begins before the transaction ends.
pub async fn may_remove_blobs(conn: &mut PgConnection) -> Result<bool> {
    sqlx::query_scalar(
        "-- dump::may_remove_blobs
         SELECT pg_try_advisory_xact_lock($1)",
    )
    .bind(BACKUP_LOCK)
    .fetch_one(conn)
    .await
}

/// Begins a transaction that sees one moment.
pub async fn begin_snapshot(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn end_snapshot(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("COMMIT").execute(conn).await?;
    Ok(())
}

/// The number of the newest migration, if there was any.
pub async fn schema_version(conn: &mut PgConnection) -> Result<Option<i64>> {
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass('public._sqlx_migrations') IS NOT NULL")
            .fetch_one(&mut *conn)
            .await?;
    if !exists {
        return Ok(None);
    }
    sqlx::query_scalar(
        "-- dump::schema_version
         SELECT max(version) FROM _sqlx_migrations WHERE success",
    )
    .fetch_one(conn)
    .await
}

/// Every table to be kept; what a table refers to comes before it.
pub async fn tables(conn: &mut PgConnection) -> Result<Vec<Table>> {
    let columns = sqlx::query(
        "-- dump::tables
         SELECT c.table_name::text, array_agg(c.column_name::text ORDER BY c.ordinal_position) AS columns
         FROM information_schema.columns c
         JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
         GROUP BY c.table_name",
    )
    .try_map(|row: PgRow| {
        Ok(Table {
            name: row.try_get("table_name")?,
            columns: row.try_get("columns")?,
        })
    })
    .fetch_all(&mut *conn)
    .await?;
    let references: Vec<(String, String)> = sqlx::query_as(
        "-- dump::references
         SELECT DISTINCT a.relname::text, b.relname::text FROM pg_constraint k
         JOIN pg_class a ON a.oid = k.conrelid JOIN pg_class b ON b.oid = k.confrelid
         WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND k.connamespace = 'public'::regnamespace",
    )
    .fetch_all(conn)
    .await?;
    let is_kept = |table: &Table| !LEFT_OUT.contains(&table.name.as_str());
    Ok(in_order(
        columns.into_iter().filter(is_kept).collect(),
        &references,
    ))
}

/// Sorts so that what is referred to comes first; `references` are (from, to).
fn in_order(tables: Vec<Table>, references: &[(String, String)]) -> Vec<Table> {
    let mut left: BTreeMap<String, Table> = tables
        .into_iter()
        .map(|table| (table.name.clone(), table))
        .collect();
    let mut sorted = Vec::new();
    while !left.is_empty() {
        let waits: BTreeSet<&str> = references
            .iter()
            .filter(|(_, to)| left.contains_key(to))
            .map(|(from, _)| from.as_str())
            .collect();
        let free: Vec<String> = left
            .keys()
            .filter(|name| !waits.contains(name.as_str()))
            .cloned()
            .collect();
        assert!(!free.is_empty(), "tables refer to each other in a circle");
        sorted.extend(free.iter().filter_map(|name| left.remove(name)));
    }
    sorted
}

/// The rows of a table, as text.
pub async fn copy_out<'c>(
    conn: &'c mut PgConnection,
    table: &Table,
) -> Result<BoxStream<'c, Result<Bytes>>> {
    let sql = format!(
        "COPY {} ({}) TO STDOUT",
        quote(&table.name),
        table.columns()
    );
    conn.copy_out_raw(&sql).await
}

/// Puts rows into a table and returns how many they were.
pub async fn copy_in<E: std::fmt::Display>(
    conn: &mut PgConnection,
    table: &Table,
    mut rows: impl futures::Stream<Item = std::result::Result<Bytes, E>> + Unpin,
) -> Result<u64> {
    let sql = format!(
        "COPY {} ({}) FROM STDIN",
        quote(&table.name),
        table.columns()
    );
    let mut copy = conn.copy_in_raw(&sql).await?;
    while let Some(chunk) = rows.next().await {
        match chunk {
            Ok(chunk) => {
                copy.send(chunk).await?;
            }
            Err(error) => {
                copy.abort(error.to_string()).await?;
                return Err(sqlx::Error::Protocol(error.to_string()));
            }
        }
    }
    copy.finish().await
}

/// A table that holds rows, if there is one.
pub async fn occupied(conn: &mut PgConnection, tables: &[Table]) -> Result<Option<String>> {
    for table in tables {
        let sql = format!("SELECT EXISTS (SELECT FROM {})", quote(&table.name));
        let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *conn)
            .await?;
        if has_rows {
            return Ok(Some(table.name.clone()));
        }
    }
    Ok(None)
}

/// Lets identity columns go on after the rows that were put in.
pub async fn advance_identities(conn: &mut PgConnection) -> Result<()> {
    let identities: Vec<(String, String)> = sqlx::query_as(
        "-- dump::identities
         SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND is_identity = 'YES'",
    )
    .fetch_all(&mut *conn)
    .await?;
    for (table, column) in identities {
        let (table, quoted) = (quote(&table), quote(&column));
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence($1, $2), coalesce(max({quoted}), 1), max({quoted}) IS NOT NULL) FROM {table}"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(&table)
            .bind(&column)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_referred_to_comes_first() {
        let table = |name: &str| Table {
            name: name.into(),
            columns: Vec::new(),
        };
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let tables = ["attempt", "sweep", "trial", "worker"].map(table).to_vec();
        let references = [
            pair("attempt", "trial"),
            pair("attempt", "worker"),
            pair("trial", "sweep"),
            pair("trial", "not kept"),
        ];
        let sorted: Vec<_> = in_order(tables, &references)
            .into_iter()
            .map(|table| table.name)
            .collect();
        assert_eq!(sorted, ["sweep", "worker", "trial", "attempt"]);
    }
}
