//! Connections that are kept between uses.

use cultivar_server::hot::Lent;
use cultivar_server::tx::run_tx;

use crate::harness::{App, with_app};

async fn lend(app: &App) -> (Lent, i32) {
    let mut conn = app.state.hot.lend().await.unwrap();
    let pid = sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()");
    let pid = pid.fetch_one(&mut *conn).await.unwrap();
    (conn, pid)
}

#[test]
fn only_what_is_in_order_is_used_again() {
    with_app(30.0, async |app| {
        let (kept, pid) = lend(&app).await;
        kept.keep();
        let (unfinished, same) = lend(&app).await;
        assert_eq!(pid, same);
        // Its user was cut short.
        drop(unfinished);
        let (other, other_pid) = lend(&app).await;
        assert_ne!(pid, other_pid);
        other.keep();

        // A refusal rolls back, and costs no connection.
        let refused: Result<(), _> = run_tx("refused", &app.state.hot, |conn| {
            Box::pin(async move {
                sqlx::query("SELECT 1 / 0").execute(conn).await?;
                Ok(())
            })
        })
        .await;
        assert!(refused.is_err());
        let (conn, same) = lend(&app).await;
        assert_eq!(other_pid, same);
        conn.keep();
        app
    });
}

#[test]
fn a_connection_that_broke_while_it_rested_is_replaced() {
    with_app(30.0, async |app| {
        let (kept, pid) = lend(&app).await;
        kept.keep();
        let cut = sqlx::query_scalar::<_, bool>("SELECT pg_terminate_backend($1, 5000)").bind(pid);
        assert!(cut.fetch_one(&app.state.pool).await.unwrap());
        // Not tried again before it has rested for a second.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let (conn, other) = lend(&app).await;
        assert_ne!(pid, other);
        conn.keep();
        app
    });
}
