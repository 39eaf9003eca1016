//! Memory as it is now: the device's, and what trainers hold of it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::process::Command;

use super::obituary;
use super::room::Seen;

/// A driver that does not answer for so long is sick.
const PATIENCE: Duration = Duration::from_secs(10);

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

    pub fn trainer(&self) -> Trainer {
        let pid = self.pid.load(Ordering::Relaxed);
        match (pid, self.trains.load(Ordering::Relaxed)) {
            (0, _) => Trainer::None,
            (_, false) => Trainer::Idle,
            (pid, true) => Trainer::Training(pid),
        }
    }
}

/// What the trainer of a slot is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trainer {
    None,
    /// It waits, or is on its way to its steps, and holds memory.
    Idle,
    /// The process.
    Training(u32),
}

impl Trainer {
    fn training(self) -> Option<u32> {
        match self {
            Self::Training(pid) => Some(pid),
            Self::None | Self::Idle => None,
        }
    }
}

/// Looks at the memories that trials on a device of this kind, `cpu` or `cuda`, share: the machine's, and the GPU's. Nothing
/// where one does not tell.
pub async fn look(kind: &str, trainers: &[Trainer]) -> Option<Vec<Seen>> {
    let mut seen = vec![of_machine(trainers)?];
    if kind == "cuda" {
        seen.push(of_gpu(trainers).await?);
    }
    Some(seen)
}

/// Bytes of a device of this kind that the next job of the idle trainer `pid` could have: what is free now, and what that
/// trainer holds already: all that is taken, where its process is not to be told from others', as in a container. Nothing where
/// the device does not tell.
pub async fn free(kind: &str, pid: Option<u32>) -> Option<u64> {
    if kind != "cuda" {
        let held = pid.and_then(obituary::rss_bytes).unwrap_or(0);
        return Some(obituary::free_bytes()? + held);
    }
    let idle: Vec<Trainer> = pid.map(Trainer::Training).into_iter().collect();
    let seen = of_gpu(&idle).await?;
    Some(seen.free + seen.held.iter().flatten().sum::<u64>())
}

fn of_machine(trainers: &[Trainer]) -> Option<Seen> {
    let held = |trainer: &Trainer| trainer.training().and_then(obituary::rss_bytes);
    Some(Seen {
        total: obituary::total_bytes()?,
        free: obituary::free_bytes()?,
        held: trainers.iter().map(held).collect(),
    })
}

async fn of_gpu(trainers: &[Trainer]) -> Option<Seen> {
    let device = ask("--query-gpu=memory.total,memory.free").await?;
    let processes = ask("--query-compute-apps=pid,used_memory").await?;
    read_gpu(&device, &processes, trainers)
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
    let output = tokio::time::timeout(PATIENCE, command.output());
    let output = output.await.ok()?.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads lines such as `81559, 1234`, in MiB. Where processes have other numbers than here, as in a container, what is taken
/// is shared out evenly among the trainers that live.
fn read_gpu(device: &str, processes: &str, trainers: &[Trainer]) -> Option<Seen> {
    let pair = |line: &str| -> Option<(u64, u64)> {
        let (one, other) = line.split_once(',')?;
        Some((one.trim().parse().ok()?, other.trim().parse().ok()?))
    };
    let mib = |n: u64| n << 20;
    let (total, free) = pair(device.lines().next()?)?;
    let used: Vec<(u64, u64)> = processes.lines().filter_map(pair).collect();
    let of_process = |pid: u32| {
        let known = used.iter().find(|(other, _)| *other == u64::from(pid));
        known.map(|(_, used)| *used)
    };
    let training: Vec<_> = trainers.iter().map(|trainer| trainer.training()).collect();
    let are_known = training
        .iter()
        .flatten()
        .any(|pid| of_process(*pid).is_some());
    let n_living = trainers.iter().filter(|trainer| **trainer != Trainer::None);
    let even = total.saturating_sub(free) / (n_living.count() as u64).max(1);
    let held = |pid: u32| match are_known {
        true => of_process(pid),
        false => Some(even),
    };
    Some(Seen {
        total: mib(total),
        free: mib(free),
        held: training
            .iter()
            .map(|pid| pid.and_then(held).map(mib))
            .collect(),
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
            &[
                Trainer::Training(77),
                Trainer::Idle,
                Trainer::Training(78),
                Trainer::Training(79),
            ],
        );
        let seen = seen.expect("numbers");
        assert_eq!((seen.total, seen.free), (81559 << 20, 60559 << 20));
        // The last has just died.
        assert_eq!(seen.held, [Some(12000 << 20), None, Some(9000 << 20), None]);
        // In a container; the one that waits holds memory too.
        let trainers = [
            Trainer::Training(1),
            Trainer::Idle,
            Trainer::Training(2),
            Trainer::None,
        ];
        let seen = read_gpu("100, 40", "5012, 60", &trainers).expect("numbers");
        assert_eq!(seen.held, [Some(20 << 20), None, Some(20 << 20), None]);
        assert_eq!(read_gpu("[N/A], [N/A]", "", &[]), None);
        assert_eq!(read_gpu("", "", &[]), None);
    }

    #[tokio::test]
    async fn the_machine_tells_what_this_process_holds() {
        let me = std::process::id();
        let trainers = [Trainer::Training(me), Trainer::Idle];
        let seen = look("cpu", &trainers).await.expect("Linux tells");
        let seen = &seen[0];
        assert!(seen.free <= seen.total);
        assert!(seen.held[0].is_some_and(|held| held > 0 && held < seen.total));
        assert_eq!(seen.held[1], None);
        // Others come and go: what this process holds is a small part of a gigabyte.
        let (alone, with_me) = (free("cpu", None).await, free("cpu", Some(me)).await);
        let (alone, with_me) = (alone.expect("a number"), with_me.expect("a number"));
        assert!(with_me.abs_diff(alone) < 1 << 30 && with_me <= seen.total);
    }

    #[test]
    fn a_slot_counts_while_it_trains() {
        let gauge = Gauge::default();
        gauge.set_trains(true);
        assert_eq!(gauge.trainer(), Trainer::None);
        gauge.set_pid(Some(7));
        assert_eq!(gauge.trainer(), Trainer::Training(7));
        gauge.set_trains(false);
        assert_eq!(gauge.trainer(), Trainer::Idle);
    }
}
