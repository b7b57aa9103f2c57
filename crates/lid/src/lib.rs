//! Local intrinsic dimension: distances of n points, estimators, profiles.
