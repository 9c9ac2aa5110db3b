//! What is wider than a phone scrolls by itself, by finger and by keyboard.

use maud::{Markup, html};

/// Puts content into a container of its own that scrolls sideways.
pub(super) fn scroll(label: &str, content: &Markup) -> Markup {
    html! {
        div class="scroll" role="region" aria-label=(label) tabindex="0" { (content) }
    }
}

/// A table with a caption.
pub(super) fn table(caption: &str, header: &[&str], rows: &[Vec<String>]) -> Markup {
    let table = html! {
        table {
            caption { (caption) }
            thead { tr { @for title in header { th scope="col" { (title) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (place, cell) in row.iter().enumerate() {
                            @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                        }
                    }
                }
            }
        }
    };
    scroll(caption, &table)
}
