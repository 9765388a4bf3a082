//! Temporary.
use clap::Parser;
#[derive(Parser)]
struct Cli { #[command(subcommand)] verb: Verb }
#[derive(clap::Subcommand)]
enum Verb { Run(operator::config::RunConfig) }
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Verb::Run(config) = Cli::parse().verb;
    Ok(operator::app::run(config).await?)
}
