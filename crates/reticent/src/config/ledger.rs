//! `[ledger]`: where the facts lie.

use super::problem::Kind;
use super::reader::Fields;
use schemars::JsonSchema;
use serde::Serialize;

/// `[ledger]`: where the facts lie; in `.reticent/ledger.db` where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    /// A PostgreSQL database on this machine, `postgres://reticent@localhost/visits`, without a password: that comes from `PGPASSWORD` or
    /// `~/.pgpass`. `RETICENT_LEDGER_URL` in the environment takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}

impl Ledger {
    pub(super) fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        let path = fields.at("url");
        let mut url = fields.text("url");
        if let Some(text) = &url {
            let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) else {
                fields.reader.error(
                    Kind::NotAllowed,
                    &path,
                    "is no address of a PostgreSQL database",
                    "write \"postgres://reticent@localhost/visits\"",
                );
                fields.close();
                return Self::default();
            };
            let user = rest.split(['/', '?']).next().unwrap_or_default().rsplit_once('@').map(|(user, _)| user);
            if user.is_some_and(|u| u.contains(':')) || rest.contains("password=") {
                // Not kept, so that nothing can show it.
                url = None;
                let hint = "leave it out of the file: set PGPASSWORD, or keep it in ~/.pgpass";
                fields.reader.error(Kind::NotAllowed, &path, "holds a password", hint);
            }
        }
        fields.close();
        Self { url }
    }
}
