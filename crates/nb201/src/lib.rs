//! The NAS-Bench-201 search space: architectures, costs, network, accuracy table.
