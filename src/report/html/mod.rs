//! The report as one HTML file that loads nothing.

mod figures;
mod model;
mod paper_table;
mod provenance;
mod scroll;
mod summary;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{results::Results, tables};

const STYLE: &str = include_str!("style.css");
/// Forbids every load but that of what is in the file.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// The whole page.
pub fn page(results: &Results) -> String {
    let title = format!("{}: evaluation report", results.record.suite);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#main" { "Skip to the report" }
                (summary::header(results))
                (contents(results))
                main id="main" tabindex="-1" {
                    (summary::findings(results))
                    (summary::health(results))
                    (paper_tables(results))
                    (models(results))
                    (provenance::section(results))
                }
                footer {
                    p { "Written by undetected " (results.record.version) ". Intervals at 99 %. " a href="#top" { "Back to the top" } }
                }
            }
        }
    };
    page.into_string()
}

/// The anchor of a model, by its place in the run.
fn anchor(place: usize) -> String {
    format!("model-{place}")
}

/// The anchor of a model by its name.
fn anchor_of(results: &Results, name: &str) -> Option<String> {
    results.models.iter().position(|model| model.record.name == name).map(anchor)
}

fn contents(results: &Results) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                li { a href="#findings" { "Findings" } }
                li { a href="#health" { "Health" } }
                @for number in 1..=4 {
                    li { a href={ "#table-" (number) } { "Table " (number) } }
                }
                @for (place, model) in results.models.iter().enumerate() {
                    li { a href={ "#" (anchor(place)) } { (model.record.name) } }
                }
                li { a href="#provenance" { "Provenance" } }
            }
        }
    }
}

fn paper_tables(results: &Results) -> Markup {
    html! {
        section id="tables" aria-labelledby="tables-title" {
            h2 id="tables-title" { "The paper's tables" }
            p class="note" {
                "Numbers of this run with their 99 % intervals in brackets, over the paper's own. A dash: no \
                 model of this run, or no number in the paper. Models are placed by the data set and the \
                 objective that their files declare; sizes and training differ from the paper's."
            }
            @for table in &tables::all(results) { (paper_table::section(results, table)) }
        }
    }
}

fn models(results: &Results) -> Markup {
    html! {
        section id="models" aria-labelledby="models-title" {
            h2 id="models-title" { "Models" }
            @for (place, model) in results.models.iter().enumerate() {
                (model::section(&anchor(place), model))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::results::samples::{model, run};

    /// Names are a file's and a user's: none of them is markup.
    #[test]
    fn names_are_shown_and_not_interpreted() {
        let hostile = "<b onclick=\"x\">&amp;";
        let mut one = model(hostile, hostile, hostile);
        one.record.file = hostile.to_owned();
        let mut results = run(vec![one]);
        results.record.suite = hostile.to_owned();
        let page = page(&results);
        assert!(!page.contains("<b ") && !page.contains("onclick=\""), "{page}");
        let shown = "&lt;b onclick=&quot;x&quot;&gt;&amp;amp;";
        assert!(page.contains(&format!("<h1>Evaluation report: {shown}</h1>")), "{page}");
    }

    #[test]
    fn without_a_model_there_is_still_a_page() {
        let page = page(&run(vec![]));
        assert!(page.contains("id=\"table-4\"") && page.contains("No model of this run"));
    }
}
