//! NAS-LID itself: probe, similarity, cut, tree; criteria; evolution.
