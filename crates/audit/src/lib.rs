//! Measure what a model leaks: attacks give scores, and only an analysis turns scores into a finding or a lower bound.
