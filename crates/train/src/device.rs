//! What there is to compute on.

mod driver;

use std::ffi::{CStr, c_int};
use std::{env, fs, thread};

use cultivar_spec::wire::DeviceInfo;
use tch::{Cuda, Device};

use crate::memory;

/// The first GPU, or the CPU, and what is known of it. Call once, before anything else.
///
/// Threads are `CULTIVAR_THREADS`, or as many as there are cores. The number is fixed for the life
/// of the process, since the order of floating-point sums depends on it.
pub fn device() -> (Device, DeviceInfo) {
    memory::keep_freed();
    let n_threads = n_threads();
    tch::set_num_threads(n_threads as i32);
    // An error means that somebody else has started the pool: it decodes all the same.
    let _ = rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads as usize)
        .build_global();
    let device = if load_cuda() && Cuda::is_available() {
        Device::Cuda(0)
    } else {
        Device::Cpu
    };
    (device, describe(device))
}

/// What is known of a device.
pub(crate) fn describe(device: Device) -> DeviceInfo {
    let n_threads = tch::get_num_threads().max(1) as u32;
    match device {
        Device::Cuda(idx) => {
            let gpu = driver::gpu(idx as c_int);
            DeviceInfo {
                kind: "cuda".into(),
                name: gpu
                    .as_ref()
                    .map_or_else(|| "cuda".into(), |gpu| gpu.name.clone()),
                n_threads,
                memory_bytes: gpu.map(|gpu| gpu.memory_bytes),
            }
        }
        _ => DeviceInfo {
            kind: "cpu".into(),
            name: "cpu".into(),
            n_threads,
            memory_bytes: host_memory_bytes(),
        },
    }
}

fn n_threads() -> u32 {
    let cores = || thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let Ok(wanted) = env::var("CULTIVAR_THREADS") else {
        return cores();
    };
    wanted.parse().ok().filter(|&n| n > 0).unwrap_or_else(|| {
        tracing::warn!("CULTIVAR_THREADS is {wanted:?}, want a number above 0: all cores are used");
        cores()
    })
}

/// Registers CUDA with libtorch, where both a GPU and libtorch_cuda are there.
///
/// The linker leaves libtorch_cuda out, since nothing names a symbol of it. Loading it by hand keeps
/// one binary for machines with and without a GPU.
fn load_cuda() -> bool {
    if driver::gpu(0).is_none() {
        return false;
    }
    let loaded = driver::load(c"libtorch_cuda.so", driver::Scope::Global).is_some();
    if !loaded {
        tracing::warn!("there is a GPU, but this libtorch is for CPUs only");
    }
    loaded
}

fn host_memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Text that C wrote into a buffer, up to its zero byte.
fn text_of(buffer: &[u8]) -> Option<String> {
    let text = CStr::from_bytes_until_nul(buffer).ok()?;
    Some(text.to_string_lossy().into_owned())
}
