//! What every page has around its text: one HTML file that loads nothing, in one dress; it prints on A4.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A page but for what it says.
pub(crate) struct Sheet<'a> {
    /// The verb that makes it: `reticent report`.
    pub(crate) made_by: &'a str,
    /// Stands before the title.
    pub(crate) stamp: Option<&'a str>,
    pub(crate) title: &'a str,
    /// At the head of printed pages [default: the stamp, or else the title].
    pub(crate) head: Option<&'a str>,
    /// Anchors and headings; a short page has none.
    pub(crate) contents: Vec<(&'a str, &'a str)>,
}

impl Sheet<'_> {
    /// The whole page around `main`.
    pub(crate) fn page(&self, main: &Markup) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content=(self.made_by);
                    title { @if let Some(stamp) = self.stamp { (stamp) ": " } (self.title) }
                    style { (PreEscaped(include_str!("page.css"))) (self.running_head()) }
                }
                body {
                    div.sheet {
                        @if !self.contents.is_empty() {
                            nav aria-label="Contents" {
                                p { "Contents" }
                                ol { @for (id, heading) in &self.contents { li { a href=(format!("#{id}")) { (heading) } } } }
                            }
                        }
                        main { (main) }
                    }
                }
            }
        };
        page.into_string()
    }

    /// Only letters, digits and blanks reach the style sheet.
    fn running_head(&self) -> Markup {
        let head = self.head.or(self.stamp).unwrap_or(self.title);
        let plain: String = head.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | ':')).collect();
        html! { (PreEscaped(format!("@page {{ @top-right {{ content: \"{plain}\"; }} }}\n"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_title_reaches_the_style_sheet_and_nothing_is_loaded() {
        let sheet = Sheet {
            made_by: "reticent report",
            stamp: None,
            title: "</style>\"}<script>",
            head: None,
            contents: vec![("a", "First"), ("b", "Second")],
        };
        let page = sheet.page(&html! { p { "text" } });
        assert!(page.contains("<title>&lt;/style&gt;&quot;}&lt;script&gt;</title>") && page.contains("content: \"stylescript\""), "{page}");
        assert_eq!(page.matches("<style>").count(), 1);
        assert!(page.contains("<a href=\"#b\">Second</a>") && page.contains("<main><p>text</p></main>"));
        assert!(!["<script", "<link", "src=", "@import", "url("].iter().any(|load| page.contains(load)));
        let short = Sheet { stamp: Some("DRAFT"), contents: vec![], ..sheet };
        let page = short.page(&html! {});
        assert!(page.contains("<title>DRAFT: ") && page.contains("content: \"DRAFT\"") && !page.contains("<nav"));
        assert!(Sheet { head: Some("state"), ..short }.page(&html! {}).contains("content: \"state\""));
    }
}
