//! Memory that tests take away: a device that is full without one.

use std::cell::Cell;

thread_local! {
    static ROOM: Cell<Option<Room>> = const { Cell::new(None) };
}

/// What a training pass may hold.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The first step that it holds for.
    pub from_step: u64,
    /// Images at most.
    pub n_images: i64,
}

/// From here on the passes of this thread have that much room, or all there is.
pub fn set(room: Option<Room>) {
    ROOM.set(room);
}

/// Fails as libtorch does where a pass over `n_images` has no room.
pub(crate) fn meet(step: u64, n_images: i64) {
    let Some(room) = ROOM.get() else { return };
    if step >= room.from_step && n_images > room.n_images {
        panic!("CUDA out of memory. Tried to train on {n_images} images");
    }
}
