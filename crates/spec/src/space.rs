//! The search space: a tree laid over a base spec.
