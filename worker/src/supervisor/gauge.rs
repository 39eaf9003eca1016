//! Memory as it is now: the device's, and what trainers hold of it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::process::Command;

use super::obituary;
use super::room::Seen;

/// A slot's trainer, for whoever looks at its memory.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Zero where there is no trainer.
    pid: AtomicU32,
    trains: AtomicBool,
}

impl Gauge {
    pub fn set_pid(&self, pid: Option<u32>) {
        self.pid.store(pid.unwrap_or(0), Ordering::Relaxed);
    }

    /// Whether its job has come to its steps; what it holds before tells nothing of them.
    pub fn set_trains(&self, trains: bool) {
        self.trains.store(trains, Ordering::Relaxed);
    }

    /// The process, if it trains.
    pub fn training_pid(&self) -> Option<u32> {
        let pid = self.pid.load(Ordering::Relaxed);
        (pid != 0 && self.trains.load(Ordering::Relaxed)).then_some(pid)
    }
}

/// Looks at a device of this kind, `cpu` or `cuda`; nothing where it does not tell. `pids`: of each open slot, the trainer if it
/// trains.
pub async fn look(kind: &str, pids: &[Option<u32>]) -> Option<Seen> {
    match kind {
        "cuda" => of_gpu(pids).await,
        _ => of_machine(pids),
    }
}

fn of_machine(pids: &[Option<u32>]) -> Option<Seen> {
    Some(Seen {
        total: obituary::total_bytes()?,
        free: obituary::free_bytes()?,
        held: pids
            .iter()
            .map(|pid| pid.and_then(obituary::rss_bytes))
            .collect(),
    })
}

async fn of_gpu(pids: &[Option<u32>]) -> Option<Seen> {
    let device = ask("--query-gpu=memory.total,memory.free").await?;
    let processes = ask("--query-compute-apps=pid,used_memory").await?;
    read_gpu(&device, &processes, pids)
}

/// What `nvidia-smi` says of the GPU that trainers use: the first they see.
async fn ask(query: &str) -> Option<String> {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let first = match visible.split(',').next() {
        Some(first) if !first.is_empty() => first.to_owned(),
        _ => "0".to_owned(),
    };
    let mut command = Command::new("nvidia-smi");
    command
        .args([query, "--format=csv,noheader,nounits", "-i", &first])
        .kill_on_drop(true);
    let output = command.output().await.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads lines such as `81559, 1234`, in MiB. Where processes have other numbers than here, as in a container, what is taken
/// is shared out evenly.
fn read_gpu(device: &str, processes: &str, pids: &[Option<u32>]) -> Option<Seen> {
    let pair = |line: &str| -> Option<(u64, u64)> {
        let (one, other) = line.split_once(',')?;
        Some((one.trim().parse().ok()?, other.trim().parse().ok()?))
    };
    let mib = |n: u64| n << 20;
    let (total, free) = pair(device.lines().next()?)?;
    let used: Vec<(u64, u64)> = processes.lines().filter_map(pair).collect();
    let n_training = pids.iter().flatten().count() as u64;
    let even = total.saturating_sub(free) / n_training.max(1);
    let held = |pid: u32| {
        let known = used.iter().find(|(other, _)| *other == u64::from(pid));
        mib(known.map_or(even, |(_, used)| *used))
    };
    Some(Seen {
        total: mib(total),
        free: mib(free),
        held: pids.iter().map(|pid| pid.map(held)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_understood() {
        let seen = read_gpu(
            "81559, 60559\n",
            "77, 12000\n78, 9000\n",
            &[Some(77), None, Some(78)],
        );
        let seen = seen.expect("numbers");
        assert_eq!((seen.total, seen.free), (81559 << 20, 60559 << 20));
        assert_eq!(seen.held, [Some(12000 << 20), None, Some(9000 << 20)]);
        // In a container.
        let seen = read_gpu("100, 40", "5012, 60", &[Some(1), Some(2)]).expect("numbers");
        assert_eq!(seen.held, [Some(30 << 20), Some(30 << 20)]);
        assert_eq!(read_gpu("[N/A], [N/A]", "", &[]), None);
        assert_eq!(read_gpu("", "", &[]), None);
    }

    #[tokio::test]
    async fn the_machine_tells_what_this_process_holds() {
        let me = std::process::id();
        let seen = look("cpu", &[Some(me), None]).await.expect("Linux tells");
        assert!(seen.free <= seen.total);
        assert!(seen.held[0].is_some_and(|held| held > 0 && held < seen.total));
        assert_eq!(seen.held[1], None);
    }

    #[test]
    fn a_slot_counts_while_it_trains() {
        let gauge = Gauge::default();
        gauge.set_trains(true);
        assert_eq!(gauge.training_pid(), None);
        gauge.set_pid(Some(7));
        assert_eq!(gauge.training_pid(), Some(7));
        gauge.set_trains(false);
        assert_eq!(gauge.training_pid(), None);
    }
}
