//! What there is to compute on.

use std::ffi::CString;
use std::path::Path;

use cultivar_spec::wire::DeviceInfo;
use tch::{Cuda, Device};

/// Threads to compute with: `CULTIVAR_THREADS`, or all cores. Fixed, since sums depend on it.
fn n_threads() -> u32 {
    let wanted = std::env::var("CULTIVAR_THREADS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&n| n > 0);
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32))
}

/// The first GPU, or the CPU. Call once, before anything else.
pub fn device() -> (Device, DeviceInfo) {
    let n_threads = n_threads();
    tch::set_num_threads(n_threads as i32);
    load_cuda();
    if Cuda::is_available() {
        let info = DeviceInfo {
            kind: "cuda".into(),
            name: gpu_name(),
            n_threads,
            memory_bytes: None,
        };
        return (Device::Cuda(0), info);
    }
    (
        Device::Cpu,
        DeviceInfo {
            kind: "cpu".into(),
            name: "cpu".into(),
            n_threads,
            memory_bytes: memory_bytes(),
        },
    )
}

/// The linker leaves libtorch_cuda out, since nothing names a symbol of it; loading it by hand
/// registers CUDA with libtorch and keeps one binary for machines with and without a GPU.
fn load_cuda() {
    unsafe extern "C" {
        fn dlopen(file: *const std::ffi::c_char, mode: std::ffi::c_int) -> *mut std::ffi::c_void;
    }
    const RTLD_NOW: std::ffi::c_int = 2;
    const RTLD_GLOBAL: std::ffi::c_int = 0x100;
    if !Path::new("/proc/driver/nvidia/version").exists() {
        return;
    }
    let name = CString::new("libtorch_cuda.so").expect("no zero byte");
    // SAFETY: a library of the libtorch we are linked to; a null answer means it is not installed.
    unsafe { dlopen(name.as_ptr(), RTLD_NOW | RTLD_GLOBAL) };
}

/// As the driver reports it.
fn gpu_name() -> String {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus")
        .into_iter()
        .flatten()
        .flatten();
    let infos =
        folders.filter_map(|gpu| std::fs::read_to_string(gpu.path().join("information")).ok());
    let names = infos.filter_map(|info| {
        Some(
            info.lines().find(|line| line.starts_with("Model:"))?[6..]
                .trim()
                .to_owned(),
        )
    });
    names.into_iter().next().unwrap_or_else(|| "cuda".into())
}

fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
