//! Why a model scored one person as it did, without showing anybody else's row.
