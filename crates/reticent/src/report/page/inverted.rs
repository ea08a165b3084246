//! Models inverted: what they take for each class, beside the mean of the real rows.

use super::super::attacks::Inverted;
use super::super::number::fixed;
use super::words::numbers;
use maud::{Markup, html};

/// Columns shown; further ones are in the JSON.
const SHOWN: usize = 40;
const PNG: &str = "data:image/png;base64,";

pub(super) fn inverted(all: &[Inverted]) -> Markup {
    html! {
        @if !all.is_empty() {
            h3 { "What the model takes for each class" }
            p {
                "Inversion climbs from the middle of all bounds to the input that a model is most sure of. That is about a class and not about one person, unless the class is one person. "
                "It is held against the mean of the real rows of each class, all less the mean over classes, and against models of the same kind whose labels were dealt at random: what the search and the columns alone give."
            }
            @for one in all { (of_model(one)) }
        }
    }
}

fn of_model(one: &Inverted) -> Markup {
    let (lowest, highest) = one.of_controls.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let first = one.p_value * (one.of_controls.len() + 1) as f64 <= 1.0 + 1e-9;
    html! {
        table {
            caption {
                "Inversions of " (one.label) ". Own less others: " strong { (fixed(one.resemblance, 3)) } "; of " (one.of_controls.len()) " models of labels dealt at random "
                (fixed(lowest, 3)) " to " (fixed(highest, 3)) ", p = " (fixed(one.p_value, 3)) ". "
                @if first { "It is more like the classes than all of them." } @else { "Some of them are as much like the classes: the inversions show nothing of the data." }
            }
            thead { tr {
                th scope="col" { "Class" } th.numeric scope="col" { "Confidence" } th.numeric scope="col" { "Correlation with its mean" } th.numeric scope="col" { "Highest with another’s" }
            } }
            tbody { @for c in &one.classes { tr {
                th scope="row" { (c.class) } td.numeric { (fixed(c.confidence, 3)) } td.numeric { (fixed(c.own, 3)) } td.numeric { (fixed(c.highest_other, 3)) }
            } } }
        }
        // Nothing but a picture that is in the page itself.
        @if let Some(picture) = one.picture.as_ref().filter(|p| p.strip_prefix(PNG).is_some_and(|b| b.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)))) {
            figure.wide {
                img src=(picture) alt=(format!("Images by class, {}: inversions, a model of dealt labels, class means", one.label)) style="width: 100%; image-rendering: pixelated";
                figcaption { "A column for each class, in the order of the table. First row: inversions. Second: of a model of labels dealt at random. Third: means of the real images. Numbers are drawn row by row as a square image, the greatest black." }
            }
        }
        (numbers(&features(one)))
    }
}

fn features(one: &Inverted) -> Markup {
    html! {
        table {
            caption {
                "What was inverted, and in brackets the mean of the rows of the class (of texts the most frequent one)."
                @if one.features.len() > SHOWN { " The first " (SHOWN) " of " (one.features.len()) " columns." }
            }
            thead { tr { th scope="col" { "Column" } @for c in &one.classes { th.numeric scope="col" { (c.class) } } } }
            tbody { @for f in one.features.iter().take(SHOWN) { tr {
                th scope="row" { (f.column) }
                @for (found, mean) in f.inverted.iter().zip(&f.means) { td.numeric { (found) span.under { "(" (mean) ")" } } }
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::attacks::{InvertedClass, InvertedFeature};
    use super::*;

    fn one() -> Inverted {
        let class = |class: &str| InvertedClass { class: class.into(), confidence: 0.9, own: 0.8, highest_other: -0.8 };
        Inverted {
            label: "this release".into(),
            resemblance: 1.6,
            of_controls: vec![0.1; 19],
            p_value: 0.05,
            classes: vec![class("no"), class("<b>")],
            features: vec![InvertedFeature {
                column: "age".into(),
                inverted: vec!["20".into(), "70".into()],
                means: vec!["31".into(), "60".into()],
            }],
            picture: None,
        }
    }

    #[test]
    fn inversions_stand_beside_means_and_controls() {
        let page = inverted(&[one()]).into_string();
        assert!(page.contains("&lt;b&gt;") && page.contains("70") && page.contains("(60)") && page.contains("than all of them"), "{page}");
        assert!(inverted(&[Inverted { p_value: 0.1, ..one() }]).into_string().contains("show nothing of the data"));
        assert_eq!(inverted(&[]).into_string(), "");
    }

    #[test]
    fn only_a_picture_in_the_page_is_shown() {
        let with = |picture: &str| inverted(&[Inverted { picture: Some(picture.into()), ..one() }]).into_string();
        assert!(with("data:image/png;base64,iVBORw0KGgo=").contains("<img src=\"data:image/png;base64,iVBORw0KGgo=\""));
        for odd in ["http://example.org/a.png", "data:image/svg+xml;base64,AAAA", "data:image/png;base64,AA\" onload=\"x"] {
            assert!(!with(odd).contains("<img"), "{odd}");
        }
    }
}
