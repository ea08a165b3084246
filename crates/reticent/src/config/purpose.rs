//! Who decides, and what data may be used for.

use super::ai_act::AiAct;
use super::problem::Kind;
use super::reader::Fields;
use reticent_proof::Reason;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// `[controller]`: who decides on purposes and means. Needed in full for a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Controller {
    /// Name of the organisation or person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Where a person can reach it: an e-mail address, a page, a postal address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<String>,
    /// The law it answers to, for instance `FR` or `EU`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jurisdiction: Option<String>,
}

/// `[purposes.NAME]`: what data may be used for, and on which recorded basis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Purpose {
    /// The purpose in a vocabulary, for instance `https://w3id.org/dpv#ServiceProvision`. Needed for a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iri: Option<String>,
    /// One sentence for the people whose data it is. Needed for a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Who answers for it. Needed for a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// How long data and models are kept: an ISO 8601 duration in years, months, weeks and days, `P3Y`. Needed for a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^P(?=\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?$"))]
    pub(crate) retention: Option<String>,
    /// Legal basis: the letter of GDPR Art 6(1), `a` (consent) to `f` (legitimate interests). Needed for a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[a-f]$"))]
    pub(crate) art6: Option<char>,
    /// Condition for special categories: the letter of GDPR Art 9(2), `a` to `j`. Needed where a column has `special`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[a-j]$"))]
    pub(crate) art9: Option<char>,
    /// Automated decisions: `none`, or the letter of GDPR Art 22(2) that allows them.
    #[serde(default)]
    pub(crate) art22: Art22,
    /// Versions of the notice under which consent counts.
    #[serde(default)]
    pub(crate) notices: BTreeSet<String>,
    /// Reasons for which a unit is left out and reported. Any other missing basis refuses the whole request.
    #[serde(default)]
    #[schemars(with = "BTreeSet<super::shape::ReasonName>")]
    pub(crate) exclude: BTreeSet<Reason>,
    /// The purpose that this one is part of: columns collected for that one may serve this one, and never the reverse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) broader: Option<String>,
    /// When it was declared, `2026-05-01`: what was given before does not cover it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub(crate) since: Option<String>,
    /// The law that permits the use of columns with criminal convictions or offences (GDPR Art 10).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) art10: Option<String>,
    /// Whether it is direct marketing: nothing overrides an objection to that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) direct_marketing: bool,
    /// Whether it is offered to children: whose age is unknown is then left out, or the request refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) children: bool,
    /// Role and class under the AI Act, from which follows whether an assessment of the impact on fundamental rights is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ai_act: Option<AiAct>,
    /// Where the use case is documented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) documentation: Option<String>,
    /// Whether models may learn from private messages for this purpose; without it, data sets with `private_messages` are not trained on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) train_on_messages: bool,
}

/// Whether people are subject to decisions based solely on the model (GDPR Art 22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Art22 {
    /// No such decisions are made.
    #[default]
    None,
    /// Necessary for a contract.
    A,
    /// Authorised by law.
    B,
    /// Explicit consent.
    C,
}

impl Controller {
    pub(super) fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        let controller = Self { name: fields.text("name"), contact: fields.text("contact"), jurisdiction: fields.text("jurisdiction") };
        fields.close();
        controller
    }
}

impl Purpose {
    pub(super) fn read(mut fields: Fields<'_, '_, '_>) -> Self {
        let purpose = Self {
            iri: checked(&mut fields, "iri", is_iri, "is not a web address", "for instance \"https://w3id.org/dpv#ServiceProvision\""),
            description: fields.text("description"),
            owner: fields.text("owner"),
            retention: checked(
                &mut fields,
                "retention",
                is_period,
                "is not a period",
                "write \"P3Y\" for three years, \"P90D\" for ninety days",
            ),
            art6: fields.choice("art6", &letters("abcdef")),
            art9: fields.choice("art9", &letters("abcdefghij")),
            art22: fields.choice("art22", &[("none", Art22::None), ("a", Art22::A), ("b", Art22::B), ("c", Art22::C)]).unwrap_or_default(),
            notices: fields.texts("notices").unwrap_or_default().into_iter().collect(),
            exclude: reasons(&mut fields),
            train_on_messages: fields.flag("train_on_messages").unwrap_or_default(),
            broader: fields.text("broader"),
            since: checked(&mut fields, "since", is_date, "is not a date", "write \"2026-05-01\""),
            art10: fields.text("art10"),
            direct_marketing: fields.flag("direct_marketing").unwrap_or_default(),
            children: fields.flag("children").unwrap_or_default(),
            ai_act: fields.table("ai_act").map(AiAct::read),
            documentation: fields.text("documentation"),
        };
        fields.close();
        purpose
    }
}

fn checked(fields: &mut Fields<'_, '_, '_>, key: &'static str, holds: fn(&str) -> bool, message: &str, hint: &str) -> Option<String> {
    let text = fields.text(key)?;
    if holds(&text) {
        return Some(text);
    }
    let path = fields.at(key);
    fields.reader.error(Kind::NotAllowed, &path, message, hint);
    None
}

fn reasons(fields: &mut Fields<'_, '_, '_>) -> BTreeSet<Reason> {
    let texts = fields.texts("exclude").unwrap_or_default();
    let path = fields.at("exclude");
    let mut reasons = BTreeSet::new();
    for text in texts {
        match Reason::from_name(&text) {
            Some(reason) => drop(reasons.insert(reason)),
            None => fields.reader.unknown(&path, "reason", &text, Reason::ALL.map(Reason::name)),
        }
    }
    reasons
}

/// Each letter as a word that stands for itself.
fn letters(letters: &str) -> Vec<(&str, char)> {
    letters.char_indices().map(|(i, c)| (&letters[i..=i], c)).collect()
}

fn is_iri(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|r| !r.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')))
}

fn is_date(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == text)
}

/// `P`, then years, months, weeks and days in this order, at least one of them.
fn is_period(text: &str) -> bool {
    let Some(mut rest) = text.strip_prefix('P').filter(|r| !r.is_empty()) else { return false };
    for unit in ['Y', 'M', 'W', 'D'] {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && rest[digits..].starts_with(unit) {
            rest = &rest[digits + 1..];
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_iso_8601_without_hours() {
        for (text, expected) in [
            ("P3Y", true),
            ("P1Y6M", true),
            ("P2W", true),
            ("P90D", true),
            ("P", false),
            ("3Y", false),
            ("P6M1Y", false),
            ("P3y", false),
            ("PT1H", false),
            ("P3", false),
        ] {
            assert_eq!(is_period(text), expected, "{text}");
        }
    }
}
