//! From a run directory to tables and one self-contained page.
