//! The small commands: each reads files or texts that this project need not have made.

pub(crate) mod arch;
pub(crate) mod export;
pub(crate) mod latency;
pub(crate) mod lid;
pub(crate) mod nats;
pub(crate) mod partition;
pub(crate) mod probe;
pub(crate) mod rank;
pub(crate) mod report;
pub(crate) mod retrain;
pub(crate) mod weights;
