//! A database per test, in the cluster that `make test` starts.

use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

/// Dropped with its contents when the test is done with it.
pub struct TestDatabase {
    admin_url: String,
    name: String,
    /// Connect here.
    pub url: String,
}

impl TestDatabase {
    /// Makes an empty database.
    ///
    /// # Panics
    /// Without `CULTIVAR_TEST_DATABASE_URL`, which `make test` sets.
    pub async fn create() -> Self {
        let admin_url = std::env::var("CULTIVAR_TEST_DATABASE_URL")
            .expect("CULTIVAR_TEST_DATABASE_URL is not set: run the tests with `make test`");
        let name = format!("t{}", Uuid::new_v4().simple());
        let mut admin = PgConnection::connect(&admin_url)
            .await
            .expect("the test cluster answers");
        // The name is hex digits of our own making.
        admin
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("a fresh database");
        let url = admin_url.replacen("/postgres?", &format!("/{name}?"), 1);
        assert_ne!(
            url, admin_url,
            "CULTIVAR_TEST_DATABASE_URL must name the database postgres"
        );
        Self {
            admin_url,
            name,
            url,
        }
    }

    /// Drops it, whoever is connected.
    pub async fn drop(self) {
        let mut admin = PgConnection::connect(&self.admin_url)
            .await
            .expect("the test cluster answers");
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        admin
            .execute(sqlx::AssertSqlSafe(drop))
            .await
            .expect("the database goes");
    }
}
