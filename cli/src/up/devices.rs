//! What there is to compute with.

use std::env;
use std::fs;

/// A device one worker gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    Cpu,
    /// As `CUDA_VISIBLE_DEVICES` names it: an index or a UUID.
    Gpu(String),
}

/// Every GPU, or the CPU where there is none. A `CUDA_VISIBLE_DEVICES` already set is respected.
pub fn all() -> Vec<Device> {
    let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
    let n_gpus = fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, |gpus| gpus.flatten().count());
    choose(visible.as_deref(), n_gpus)
}

/// `n_workers` workers over the devices, in turn; one a device if not said otherwise.
pub fn for_workers(devices: Vec<Device>, n_workers: Option<usize>) -> Vec<Device> {
    let n = n_workers.unwrap_or(devices.len());
    devices.into_iter().cycle().take(n).collect()
}

fn choose(visible: Option<&str>, n_gpus: usize) -> Vec<Device> {
    let named = |list: &str| -> Vec<Device> {
        let names = list.split(',').map(str::trim);
        // CUDA stops reading at the first invalid name, and -1 is the customary one.
        names
            .take_while(|name| !name.is_empty() && *name != "-1")
            .map(|name| Device::Gpu(name.to_owned()))
            .collect()
    };
    let gpus = match visible {
        _ if n_gpus == 0 => Vec::new(),
        Some(list) => named(list),
        None => (0..n_gpus).map(|idx| Device::Gpu(idx.to_string())).collect(),
    };
    if gpus.is_empty() {
        vec![Device::Cpu]
    } else {
        gpus
    }
}

/// `the CPU`, `2 GPUs`, `3 workers on the CPU`.
pub fn words(devices: &[Device]) -> String {
    let n_gpus = devices.iter().filter(|d| **d != Device::Cpu).count();
    let workers = match devices.len() {
        1 => "1 worker".to_owned(),
        n => format!("{n} workers"),
    };
    match n_gpus {
        0 => format!("{workers} on the CPU"),
        _ => {
            let mut distinct: Vec<&Device> = devices.iter().collect();
            distinct.sort_by_key(|device| format!("{device:?}"));
            distinct.dedup();
            let gpus = if distinct.len() == 1 { "GPU" } else { "GPUs" };
            format!("{workers} on {} {gpus}", distinct.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(name: &str) -> Device {
        Device::Gpu(name.into())
    }

    #[test]
    fn gpus_are_those_cuda_would_see() {
        assert_eq!(choose(None, 0), [Device::Cpu]);
        assert_eq!(choose(None, 2), [gpu("0"), gpu("1")]);
        assert_eq!(choose(Some("3, GPU-ab"), 4), [gpu("3"), gpu("GPU-ab")]);
        assert_eq!(choose(Some("-1"), 4), [Device::Cpu]);
        assert_eq!(choose(Some(""), 4), [Device::Cpu]);
        assert_eq!(choose(Some("0"), 0), [Device::Cpu]);
    }

    #[test]
    fn workers_take_turns_on_the_devices() {
        let devices = vec![gpu("0"), gpu("1")];
        assert_eq!(for_workers(devices.clone(), None).len(), 2);
        assert_eq!(
            for_workers(devices, Some(3)),
            [gpu("0"), gpu("1"), gpu("0")]
        );
        assert_eq!(words(&[Device::Cpu]), "1 worker on the CPU");
        assert_eq!(words(&[gpu("0"), gpu("1"), gpu("0")]), "3 workers on 2 GPUs");
    }
}
