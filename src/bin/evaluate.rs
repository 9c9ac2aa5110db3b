//! Evaluates exported models; see `evaluate --help`.

fn main() -> std::process::ExitCode {
    undetected::evaluate::main()
}
