//! Take one unit out of a model, with a stated bound on what is left of it.
