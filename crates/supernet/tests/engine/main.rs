//! Gradients, off-path parameters, statistics and checkpoints of a small two-edge network.

mod chain;
mod checkpoints;
mod passes;
mod steps;
