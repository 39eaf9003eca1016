//! Integration tests of the trainer.

mod contract;
mod parity;
mod train;
