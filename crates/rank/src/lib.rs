//! Kendall τ-b, Spearman, precision at the top, regret, intervals over seeds.
