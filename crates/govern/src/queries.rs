//! How often each caller asked each model, kept durably: a limit that a restart would lift is none.

use crate::store::Statement;
use crate::{Error, Ledger};

impl Ledger {
    /// Charges `n` questions to a caller (known by a digest only) and says how many of `limit` are left, in one durable transaction.
    ///
    /// # Errors
    /// [`Error::QueriesSpent`] where the limit would be passed: nothing is charged then.
    pub fn spend_queries(&mut self, model: &str, caller: &str, n: u64, limit: u64) -> Result<u64, Error> {
        self.write(|ledger| {
            let select = Statement::new("SELECT spent FROM queries WHERE model = ? AND caller = ?");
            let found = ledger.rows(select.bind(model.to_owned()).bind(caller.to_owned()))?;
            let spent = found.first().map_or(Ok(0), |row| row.try_get::<i64, _>(0))?.max(0) as u64;
            let left = limit.saturating_sub(spent);
            if n > left || spent + n > i64::MAX as u64 {
                return Err(Error::QueriesSpent { model: model.into(), limit, asked: n, left });
            }
            let insert =
                Statement::new("INSERT INTO queries VALUES (?, ?, ?) ON CONFLICT (model, caller) DO UPDATE SET spent = excluded.spent");
            ledger.execute(insert.bind(model.to_owned()).bind(caller.to_owned()).bind((spent + n) as i64))?;
            Ok(left - n)
        })
    }
}
