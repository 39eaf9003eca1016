//! The training loss of an epoch, summed on the device.

use tch::{Kind, Tensor};

/// A sum of losses, part of it not read yet.
#[derive(Debug, Default)]
pub(super) struct EpochLoss {
    sum: f64,
    n: u64,
    /// f64 scalar on the device.
    unread: Option<Tensor>,
    n_unread: u64,
}

impl EpochLoss {
    /// Goes on from what a checkpoint kept.
    pub fn resumed(sum: f64, n: u64) -> Self {
        Self {
            sum,
            n,
            ..Self::default()
        }
    }

    /// Adds a step's loss, a scalar; does not wait for the device.
    pub fn add(&mut self, loss: &Tensor) {
        let loss = loss.detach().to_kind(Kind::Double);
        self.unread = Some(match self.unread.take() {
            Some(sum) => sum + loss,
            None => loss,
        });
        self.n_unread += 1;
    }

    /// The mean since the last read or, where nothing was added, that of the epoch. Waits for the device.
    pub fn read(&mut self) -> f64 {
        let Some(unread) = self.unread.take() else {
            return self.mean();
        };
        let sum = unread.double_value(&[]);
        let mean = sum / self.n_unread as f64;
        self.sum += sum;
        self.n += self.n_unread;
        self.n_unread = 0;
        mean
    }

    /// The mean of what was read; 0 before anything was.
    pub fn mean(&self) -> f64 {
        self.sum / self.n.max(1) as f64
    }

    /// The sum of what was read.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many losses were read.
    pub fn len(&self) -> u64 {
        self.n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_covers_all_and_a_read_what_is_new() {
        let mut loss = EpochLoss::resumed(6.0, 2);
        assert_eq!(loss.read(), 3.0);
        loss.add(&Tensor::from(1.0_f32));
        loss.add(&Tensor::from(2.0_f32));
        assert_eq!(loss.read(), 1.5);
        assert_eq!((loss.sum(), loss.len(), loss.mean()), (9.0, 4, 2.25));
    }
}
