//! A document as Markdown.

use super::{Block, Document};

pub(super) fn render(d: &Document) -> String {
    let mut text = format!("# {}\n\n", plain(&d.title));
    if let Some(stamp) = &d.stamp {
        text += &format!("**{}**\n\n", plain(stamp));
    }
    text += &format!("{}\n\n", plain(&d.controller));
    if let Some(statement) = &d.statement {
        text += &format!("{}\n\n", plain(statement));
    }
    text += &format!("{}\n", plain(&d.lead));
    for section in &d.sections {
        text += &format!("\n## {}\n", plain(&section.heading));
        for block in &section.blocks {
            text += "\n";
            match block {
                Block::Text(words) => text += &format!("{}\n", plain(words)),
                Block::Heading(words) => text += &format!("### {}\n", plain(words)),
                Block::Missing(words) => text += &format!("*To be completed: {}*\n", plain(words)),
                Block::List(items) => items.iter().for_each(|item| text += &format!("- {}\n", cell(item))),
                Block::Facts(facts) => {
                    text += "| what | value | rests on | events |\n|---|---|---|---|\n";
                    for f in facts {
                        let events: Vec<String> = f.events.iter().map(|e| format!("#{e}")).collect();
                        text += &format!("| {} | {} | {} | {} |\n", cell(&f.name), cell(&f.value), f.standing.words(), events.join(" "));
                    }
                }
                Block::Table { head, rows } => {
                    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(|c| cell(c)).collect::<Vec<_>>().join(" | "));
                    text += &line(head);
                    text += &format!("|{}\n", "---|".repeat(head.len()));
                    rows.iter().for_each(|row| text += &line(row));
                }
            }
        }
    }
    if !d.events.is_empty() {
        text += "\n## Events cited\n\n| event | kind | time | commitment |\n|---|---|---|---|\n";
        for e in &d.events {
            text += &format!("| #{} | {} | {} | `{}` |\n", e.event, e.kind, e.at, e.commitment);
        }
    }
    text + &format!("\nContent, SHA-256: `{}`. Nothing here is legal advice.\n", d.sha256)
}

/// What people wrote, so that no sign of it becomes a heading, a link or HTML.
fn plain(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for (i, line) in text.lines().enumerate() {
        if i > 0 {
            all += "\n";
        }
        if line.trim_start().starts_with(['#', '-', '+', '=', '>']) || line.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            all += "\u{200b}";
        }
        for c in line.chars() {
            if matches!(c, '<' | '[' | ']' | '*' | '_' | '`' | '\\' | '!') {
                all.push('\\');
            }
            all.push(c);
        }
    }
    all
}

/// The same in one line of a table.
fn cell(text: &str) -> String {
    plain(&text.replace(['\n', '\r'], " ")).trim_start_matches('\u{200b}').replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays_text() {
        assert_eq!(plain("# no heading\n<script>[x](y)"), "\u{200b}# no heading\n\\<script>\\[x\\](y)");
        assert_eq!(cell("a|b\nc"), "a\\|b c");
    }
}
