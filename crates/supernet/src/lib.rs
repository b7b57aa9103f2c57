//! Supernets on burn: shared blocks, path sampling, training, evaluation, probes.
