//! The commands that a person types, through `cargo xtask`: `up`, `down`, `demo`, `test`, `screenshots`, `generate`.

mod bench;
mod demo;
mod down;
mod figures;
mod fuzz;
mod generate;
mod install;
mod language;
mod mailbox;
mod place;
mod protections;
#[cfg(test)]
mod requirements;
mod screenshots;
mod shell;
mod signals;
mod test;
mod timing;
mod up;
mod upgrade;
mod worktree;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Sandi on this machine: start it, try it, test it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Where the running demo keeps its data.
    #[arg(long, global = true, default_value_os_t = place::up(), hide_default_value = true)]
    directory: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything on this machine, with demo people, and prints what to try.
    Up(up::Options),
    /// Stops what `up` started. Stopping twice is fine.
    Down,
    /// Acts out a journey of the CRM's help page against what `up` started.
    Demo(demo::Arguments),
    /// Runs every check and test there is, or only the end-to-end tests whose names contain a word.
    Test(test::Options),
    /// Takes pictures of every mail and of the gateway's pages, and renews those in the documents.
    Screenshots,
    /// Makes anew the files that are made from others.
    Generate(generate::Options),
    /// Measures finely whether answers tell people apart by their time; into docs/security-tests.md.
    Timing(timing::Options),
    /// Measures how fast it is, each part beside its limit; into docs/benchmarks.md. `bench --help` says more.
    Bench(bench::Options),
    /// Tries every decoder and parser of foreign bytes for minutes; into docs/security-tests.md.
    Fuzz(fuzz::Options),
    /// Takes each protection away and sees that a test fails; into docs/security-tests.md.
    Protections(protections::Options),
    /// Runs an older build and this one side by side, as in an upgrade.
    Upgrade(upgrade::Options),
    /// Asks for known weaknesses of our dependencies, where the database of advisories can be fetched.
    Advisories,
    /// The mail catcher: an SMTP server and a page.
    #[command(hide = true)]
    Mailbox(mailbox::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let directory = &arguments.directory;
    let outcome = match arguments.command {
        Command::Up(options) => up::up(directory, &options),
        Command::Down => down::down(directory),
        Command::Demo(arguments) => demo::demo(directory, &arguments),
        Command::Test(options) => test::test(&options),
        Command::Screenshots => screenshots::screenshots(),
        Command::Generate(options) => generate::generate(&options),
        Command::Timing(options) => timing::timing(&options),
        Command::Bench(options) => bench::bench(&options),
        Command::Fuzz(options) => fuzz::fuzz(&options),
        Command::Protections(options) => protections::protections(&options),
        Command::Upgrade(options) => upgrade::upgrade(&options),
        Command::Advisories => test::advisories(),
        Command::Mailbox(options) => mailbox::serve(options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
