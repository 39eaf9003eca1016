//! The NVIDIA driver, asked directly: libtorch's bindings tell neither a GPU's name nor its memory.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem;
use std::ptr::NonNull;

use super::text_of;

unsafe extern "C" {
    fn dlopen(file: *const c_char, mode: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

const RTLD_NOW: c_int = 2;
const RTLD_GLOBAL: c_int = 0x100;

/// Who sees the symbols of a loaded library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Caller,
    Global,
}

/// A library that stays loaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Library(NonNull<c_void>);

/// Loads a shared library by the usual search path; none if it is not there or does not load.
pub(super) fn load(file: &CStr, scope: Scope) -> Option<Library> {
    let mode = match scope {
        Scope::Caller => RTLD_NOW,
        Scope::Global => RTLD_NOW | RTLD_GLOBAL,
    };
    // SAFETY: `file` ends in a zero byte; running the library's initialisers is what the caller asks for.
    NonNull::new(unsafe { dlopen(file.as_ptr(), mode) }).map(Library)
}

/// A GPU as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gpu {
    pub name: String,
    pub memory_bytes: u64,
}

/// The GPU at a place in the list; none without a driver or without that GPU.
pub(super) fn gpu(idx: c_int) -> Option<Gpu> {
    type Init = unsafe extern "C" fn(u32) -> c_int;
    type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
    type Name = unsafe extern "C" fn(*mut u8, c_int, c_int) -> c_int;
    type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;

    let driver = load(c"libcuda.so.1", Scope::Caller)?;
    let ok = |status: c_int| (status == 0).then_some(());
    let (mut handle, mut name, mut memory_bytes) = (0, [0; 256], 0);
    // SAFETY: the signatures are those of the driver API, stable since CUDA 3.2; every pointer is to
    // a local of the right type, and the name's length is given.
    unsafe {
        let init: Init = mem::transmute(driver.symbol(c"cuInit")?);
        let get: Get = mem::transmute(driver.symbol(c"cuDeviceGet")?);
        let name_of: Name = mem::transmute(driver.symbol(c"cuDeviceGetName")?);
        let memory_of: Memory = mem::transmute(driver.symbol(c"cuDeviceTotalMem_v2")?);
        ok(init(0))?;
        ok(get(&mut handle, idx))?;
        ok(name_of(name.as_mut_ptr(), name.len() as c_int, handle))?;
        ok(memory_of(&mut memory_bytes, handle))?;
    }
    Some(Gpu {
        name: text_of(&name)?,
        memory_bytes: memory_bytes as u64,
    })
}

impl Library {
    fn symbol(self, name: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: the handle is of a library that is never closed.
        NonNull::new(unsafe { dlsym(self.0.as_ptr(), name.as_ptr()) })
    }
}
