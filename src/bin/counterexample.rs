//! Checks the paper's counter-example; see `counterexample --help`.

fn main() -> std::process::ExitCode {
    undetected::counterexample::main()
}
