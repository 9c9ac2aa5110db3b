//! What is wider than a phone scrolls by itself, by finger and by keyboard.

use maud::{Markup, html};

/// Puts content into a container of its own that scrolls sideways.
pub(super) fn scroll(label: &str, content: &Markup) -> Markup {
    html! {
        div class="scroll" role="region" aria-label=(label) tabindex="0" { (content) }
    }
}

/// A table with a caption. Columns whose title starts with `>` are aligned to the right, as in
/// [`crate::output::table`].
pub(super) fn table(caption: &str, header: &[&str], rows: &[Vec<String>]) -> Markup {
    let table = html! {
        table {
            caption { (caption) }
            thead {
                tr {
                    @for title in header {
                        th scope="col" class=[number(title)] { (title.trim_start_matches('>')) }
                    }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        @for (place, (cell, title)) in row.iter().zip(header).enumerate() {
                            @if place == 0 {
                                th scope="row" { (cell) }
                            } @else {
                                td class=[number(title)] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    };
    scroll(caption, &table)
}

fn number(title: &str) -> Option<&'static str> {
    title.starts_with('>').then_some("number")
}
