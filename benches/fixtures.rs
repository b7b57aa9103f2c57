//! Seeded inputs and criterion settings.
