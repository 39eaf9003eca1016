//! The heartbeat: which leases we hold, every few seconds, and what the server says to that.

use std::sync::Arc;

use cultivar_spec::wire::Heartbeat;
use rand::Rng;
use tokio::time::Instant;

use super::Shared;

/// Beats for as long as the worker lives.
pub(super) async fn run(shared: Arc<Shared>) {
    let leases = &shared.leases;
    let mut answered = true;
    loop {
        let period = leases.terms().heartbeat;
        // Before a trainer has started there is nothing to say of ourselves.
        if shared.device.get().is_some() {
            let beat = Heartbeat {
                worker: shared.identity(),
                leases: leases.ids(),
            };
            let sent = Instant::now();
            // A beat that takes longer than a period is worth less than the next one.
            match shared.client.heartbeat(&beat, period).await {
                Ok(reply) => {
                    leases.renew(sent, &reply.orders);
                    if !answered {
                        tracing::info!("the server answers heartbeats again");
                    }
                    answered = true;
                }
                Err(error) if answered => {
                    tracing::warn!(%error, "a heartbeat was not answered");
                    answered = false;
                }
                Err(_) => {}
            }
        }
        // Workers that began together do not beat together.
        let pause = period.mul_f64(rand::rng().random_range(0.8..=1.0));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = leases.due.notified() => {}
        }
    }
}
