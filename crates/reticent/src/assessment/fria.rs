//! Is an assessment of the impact on fundamental rights needed too? AI Act Art 27, by role, class and kind of deployer.

use super::screening::{Answer, Criterion};
use crate::config::{AiAct, AiRole, Deployer, Purpose};

/// The answer for a purpose. Art 27(1) names those who owe one; nobody else does.
pub(super) fn fria(purpose: &Purpose) -> Criterion {
    let (answer, why) = match &purpose.ai_act {
        None => (Answer::ForPeople, "role and class under the AI Act are not declared: `ai_act` of the purpose".into()),
        Some(declared) => of_declared(declared),
    };
    Criterion { name: "fundamental rights impact assessment (AI Act Art 27)", answer, why }
}

fn of_declared(declared: &AiAct) -> (Answer, String) {
    let point = declared.annex_iii.as_str();
    let named = matches!(declared.deployer, Deployer::PublicBody | Deployer::PublicService);
    let due = reticent_govern::FRIA_FROM;
    match point {
        _ if declared.role == AiRole::Provider => (Answer::NotDeclared, "a provider: Art 27 binds deployers".into()),
        "none" => (Answer::NotDeclared, "of no point of Annex III".into()),
        _ if point.starts_with('2') => (Answer::NotDeclared, "Annex III point 2, which Art 27(1) leaves out".into()),
        "5b" | "5c" => (Answer::Holds, format!("Annex III point {point}: every deployer owes one, before first use, from {due} on")),
        _ if named => (Answer::Holds, format!("Annex III point {point}, a deployer that Art 27(1) names, before first use, from {due} on")),
        _ => (Answer::NotDeclared, format!("Annex III point {point}, but no deployer that Art 27(1) names")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the text of Art 27(1).
    #[test]
    fn those_whom_the_article_names_owe_one() {
        use {AiRole as R, Answer as A, Deployer as D};
        for (role, point, deployer, expected) in [
            (R::Provider, "5b", D::PublicBody, A::NotDeclared),
            (R::Deployer, "5b", D::Other, A::Holds),
            (R::Both, "5c", D::Other, A::Holds),
            (R::Deployer, "5a", D::Other, A::NotDeclared),
            (R::Deployer, "5a", D::PublicBody, A::Holds),
            (R::Deployer, "4a", D::PublicService, A::Holds),
            (R::Deployer, "2", D::PublicBody, A::NotDeclared),
            (R::Deployer, "none", D::PublicBody, A::NotDeclared),
        ] {
            let ai_act = Some(AiAct { role, annex_iii: point.into(), deployer });
            assert_eq!(fria(&Purpose { ai_act, ..Purpose::default() }).answer, expected, "{role:?} {point} {deployer:?}");
        }
        assert_eq!(fria(&Purpose::default()).answer, A::ForPeople, "a gap is no answer");
    }
}
