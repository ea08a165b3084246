//! Use less: find personal data in text, redact it, and see which columns can be dropped at what cost.
