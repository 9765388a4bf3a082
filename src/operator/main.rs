//! Reads the arguments, hands over to the verb, and answers with an exit code. Nothing else.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use operator::{
    cli::{
        Cli, Verb,
        output::{Colour, Output},
    },
    clock::Clock,
};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(usage) => {
            // Where even this cannot be written, the exit code says it alone.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    // The child limits its own memory for good, so nothing may have been started before it.
    if matches!(cli.verb, Verb::InternalFetch) {
        return gitops::child::main();
    }
    start(cli).unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::from(3)
    })
}

fn start(cli: Cli) -> anyhow::Result<ExitCode> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("another TLS provider is installed already"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let (mut results, mut progress) = (stdout.lock(), io::LineWriter::new(&stderr));
    let mut output = Output::new(&mut results, &mut progress);
    output.terminal = stdout.is_terminal();
    output.colour = Colour::of(&stdout);
    output.progress_colour = Colour::of(&stderr);
    let exit = runtime.block_on(cli.run(&Clock::system(), &mut output));
    Ok(exit.into())
}
