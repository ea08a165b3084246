//! `[purposes.NAME.ai_act]`: what the controller is under the AI Act, and of which class the system is.

use super::problem::Kind;
use super::reader::Fields;
use schemars::JsonSchema;
use serde::Serialize;

/// `ai_act = { … }`: role and class under Regulation (EU) 2024/1689.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AiAct {
    /// Whether the system is put on the market, used under one's own authority, or both (Art 3(3), (4)).
    pub(crate) role: AiRole,
    /// The point of Annex III that it falls under, `5b`; `none` where it falls under none.
    #[schemars(regex(pattern = "^(none|[1-8][a-e]?)$"))]
    pub(crate) annex_iii: String,
    /// What a deployer is (Art 27(1)).
    #[serde(default)]
    pub(crate) deployer: Deployer,
}

/// A role under the AI Act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AiRole {
    /// Puts it on the market or into service.
    Provider,
    /// Uses it under its own authority.
    Deployer,
    /// Both.
    Both,
}

/// Kinds of deployers, as far as Art 27(1) tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Deployer {
    /// A body governed by public law.
    PublicBody,
    /// A private entity that provides public services.
    PublicService,
    /// Any other.
    #[default]
    Other,
}

impl AiAct {
    /// `deployer (public body), Annex III point 5b`.
    pub(crate) fn in_words(&self) -> String {
        let deployer = match self.deployer {
            Deployer::PublicBody => "deployer (public body)",
            Deployer::PublicService => "deployer (public services)",
            Deployer::Other => "deployer",
        };
        let role = match self.role {
            AiRole::Provider => "provider".to_owned(),
            AiRole::Deployer => deployer.to_owned(),
            AiRole::Both => format!("provider and {deployer}"),
        };
        if self.annex_iii == "none" {
            format!("{role}, no point of Annex III")
        } else {
            format!("{role}, Annex III point {}", self.annex_iii)
        }
    }

    pub(super) fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        fields.need("role", "write role = \"deployer\", \"provider\" or \"both\"");
        fields.need("annex_iii", "write the point of Annex III, for instance annex_iii = \"5b\", or \"none\"");
        let roles = [("provider", AiRole::Provider), ("deployer", AiRole::Deployer), ("both", AiRole::Both)];
        let kinds = [("public-body", Deployer::PublicBody), ("public-service", Deployer::PublicService), ("other", Deployer::Other)];
        let role = fields.choice("role", &roles).unwrap_or(AiRole::Both);
        let path = fields.at("annex_iii");
        let annex_iii = fields.text("annex_iii").unwrap_or_else(|| "none".into());
        if !is_point(&annex_iii) {
            let hint = "a number from 1 to 8 and its letter, for instance \"5b\", or \"none\"";
            fields.reader.error(Kind::NotAllowed, &path, "is no point of Annex III", hint);
        }
        let deployer = fields.choice("deployer", &kinds).unwrap_or_default();
        fields.close();
        Self { role, annex_iii, deployer }
    }
}

fn is_point(text: &str) -> bool {
    let mut chars = text.chars();
    text == "none" || (matches!(chars.next(), Some('1'..='8')) && matches!(chars.next(), None | Some('a'..='e')) && chars.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn said_in_words() {
        let said = |role, point: &str, deployer| AiAct { role, annex_iii: point.into(), deployer }.in_words();
        assert_eq!(said(AiRole::Deployer, "5b", Deployer::PublicBody), "deployer (public body), Annex III point 5b");
        assert_eq!(said(AiRole::Both, "none", Deployer::Other), "provider and deployer, no point of Annex III");
    }

    #[test]
    fn points_of_the_annex() {
        for (text, expected) in [("5b", true), ("2", true), ("none", true), ("9a", false), ("5f", false), ("5bc", false), ("", false)] {
            assert_eq!(is_point(text), expected, "{text}");
        }
    }
}
