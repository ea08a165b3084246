//! What is said to the person. It never depends on what is held before they have shown who they are.

use reticent_govern::{Case, Refused, RequestState};

/// The text of the answer as things stand.
pub(crate) fn letter(case: &Case, controller: &str, contact: &str) -> String {
    let mut text = format!("Your request of {} ({}), number {}.\n\n", case.received, case.right.article(), case.number);
    text += &match case.state {
        RequestState::Open => "We have received it.\n".to_owned(),
        RequestState::NeedUserVerification => {
            "Please show us who you are, so that nobody else gets what is about you. Until then we look nothing up.\n".into()
        }
        RequestState::InProgress if case.done.is_empty() => "We are working on it.\n".into(),
        RequestState::InProgress => {
            let done: String = case.done.iter().map(|d| format!("  done: {d}\n")).collect();
            let left: String = case.left.iter().map(|l| format!("  still to do: {l}\n")).collect();
            format!("Part of it is done.\n{done}{left}")
        }
        RequestState::Fulfilled => {
            let done: String = case.done.iter().map(|d| format!("  done: {d}\n")).collect();
            let untold = case.recipients.iter().filter(|(_, n)| n.given_up);
            let untold: String =
                untold.map(|(name, n)| format!("  not told: {name} ({})\n", n.failed.as_deref().unwrap_or_default())).collect();
            format!("It is done.\n{done}{untold}")
        }
        RequestState::Denied => {
            let (why, words) = case.refused.as_ref().map_or(("refused", ""), |(why, words)| (refusal(*why), words.as_str()));
            format!("We do not grant it: {why}. {words}\n")
        }
        RequestState::Expired => "We closed it, because nobody showed who they are. You may ask again at any time.\n".into(),
    };
    if let Some((by, outcome, reason)) = &case.review {
        text += &format!("A person looked at the decision again ({by}): {}. {reason}\n", format!("{outcome:?}").to_lowercase());
    }
    if let Some((on, reason)) = &case.extended {
        text += &format!("On {on} we told you that it takes longer: {reason}\n");
    }
    if let Some(by) = case.answer_by(case.last, true).filter(|_| !case.state.is_final()) {
        text += &format!("You have our answer by {} ({}).\n", by.day, by.source);
    }
    text += &match case.right.regime() {
        reticent_govern::Regime::Gdpr => format!(
            "\nYou may complain to a supervisory authority (Art 77) and go to court (Art 79). {controller} answers for this: {contact}.\n"
        ),
        reticent_govern::Regime::Ccpa => format!(
            "\nYou may complain to the California Privacy Protection Agency or the Attorney General. {controller} answers for this: {contact}.\n"
        ),
    };
    text
}

fn refusal(why: Refused) -> &'static str {
    match why {
        Refused::SuspectedFraud => "somebody else may be asking in your name",
        Refused::InsufVerification => "we could not verify who asks",
        Refused::NoMatch => "we hold nothing about you",
        Refused::ClaimNotCovered => "the right does not reach what you asked for",
        Refused::OutsideJurisdiction => "another law applies",
        Refused::TooManyRequests => "you have asked the same again and again",
        Refused::Other => "for another reason",
    }
}
