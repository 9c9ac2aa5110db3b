//! The paper's claims about the counter-example, one file each: the hypotheses are a strategy, the
//! conclusion is an assertion, and beside it a hypothesis is dropped and a violation is found.

mod certificate;
mod detectors;
mod item6;
mod item7;
mod lemma1;
mod lemma2;
mod lemma3;
mod objective;
mod parameters;
mod proposition1;
mod window;
