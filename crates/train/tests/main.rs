//! Integration tests of the trainer.

mod parity;
mod train;
