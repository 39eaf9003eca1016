//! libtorch's switches that tch does not bind: the kind autocast casts to, TF32, determinism.
//!
//! Functions of libtorch's own API, called by their C++ names. They take and give plain bytes only, so that C++'s and
//! C's calling conventions agree; a libtorch without one of them does not link.

use std::ffi::c_void;

use tch::Device;

unsafe extern "C" {
    #[link_name = "_ZN2at8autocast20set_autocast_enabledEN3c1010DeviceTypeEb"]
    fn set_autocast_enabled(device: i8, enabled: bool);
    #[link_name = "_ZN2at8autocast18set_autocast_dtypeEN3c1010DeviceTypeENS1_10ScalarTypeE"]
    fn set_autocast_dtype(device: i8, kind: i8);
    #[link_name = "_ZN2at8autocast11clear_cacheEv"]
    fn clear_cache();
    #[link_name = "_ZN2at13globalContextEv"]
    fn global_context() -> *mut c_void;
    #[link_name = "_ZN2at7Context18setAllowTF32CuBLASEb"]
    fn set_allow_tf32_cublas(context: *mut c_void, allow: bool);
    #[link_name = "_ZN2at7Context17setAllowTF32CuDNNEb"]
    fn set_allow_tf32_cudnn(context: *mut c_void, allow: bool);
    #[link_name = "_ZN2at7Context26setDeterministicAlgorithmsEbb"]
    fn set_deterministic_algorithms(context: *mut c_void, on: bool, warn_only: bool);
    #[link_name = "_ZN2at7Context21setDeterministicCuDNNEb"]
    fn set_deterministic_cudnn(context: *mut c_void, on: bool);
}

/// `c10::ScalarType`s.
pub(super) const F16: i8 = 5;
pub(super) const BF16: i8 = 15;

/// `c10::DeviceType`.
fn device_type(device: Device) -> i8 {
    match device {
        Device::Cuda(_) => 1,
        _ => 0,
    }
}

/// Ends autocast on this thread, however the pass ends.
struct Ending(i8);

impl Drop for Ending {
    fn drop(&mut self) {
        // SAFETY: thread-local flags of libtorch. Casts of weights are kept for one pass only: the weights move.
        unsafe {
            set_autocast_enabled(self.0, false);
            clear_cache();
        }
    }
}

/// Runs `pass` with autocast to `scalar_type` on this thread. Passes do not nest.
pub(super) fn autocast<T>(device: Device, scalar_type: i8, pass: impl FnOnce() -> T) -> T {
    let device = device_type(device);
    // SAFETY: thread-local flags of libtorch; both numbers are ones it knows.
    unsafe {
        set_autocast_dtype(device, scalar_type);
        set_autocast_enabled(device, true);
    }
    let _ending = Ending(device);
    pass()
}

/// Lets matrix products and convolutions on CUDA round their inputs to 10 bits of mantissa.
pub(super) fn allow_tf32(allow: bool) {
    // SAFETY: the context lives as long as the process, and the setters write a flag.
    unsafe {
        set_allow_tf32_cublas(global_context(), allow);
        set_allow_tf32_cudnn(global_context(), allow);
    }
}

/// Admits only CUDA algorithms that repeat bit for bit; an operation without one fails.
pub(super) fn be_deterministic(on: bool) {
    // SAFETY: as above.
    unsafe {
        set_deterministic_algorithms(global_context(), on, false);
        set_deterministic_cudnn(global_context(), on);
    }
}
