//! The facts: the ledger of events, budgets and permits, the gate's facts. Knows no tensor.
