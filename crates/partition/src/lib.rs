//! Cuts a small similarity graph into disjoint, complete groups; scores edges.
