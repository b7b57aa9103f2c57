//! Images for training: decode, split, augment, batch; host memory only.
