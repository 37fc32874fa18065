//! `mailweir user`: who may use the console and the HTTP API.
//!
//! Works on the same file as the running daemon, which sees each change at once. What is changed here stands in the
//! audit log as done on the command line.

use std::fs::DirBuilder;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

use crate::config::Config;
use crate::web::accounts::{Accounts, Actor, NewToken, Password, Role, Secret};
use crate::web::one_time_link;

/// Longest password that is read, with what follows it.
const INPUT_BYTES: u64 = 4096;

/// Arguments of `mailweir user`.
#[derive(Clone, Debug, Args)]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show all users
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Add a user, and print a link for setting the password
    Add {
        /// The name to sign in with
        name: String,
        /// What the user may do
        #[arg(long, value_parser = roles(), default_value = "viewer")]
        role: Role,
        /// Take the password from standard input, one line, instead of making a link
        #[arg(long)]
        password_stdin: bool,
    },
    /// Print a link by which a user sets a new password; the old one works until then
    Password {
        /// Whose
        name: String,
        /// Take the password from standard input, one line, instead of making a link; ends the user's sessions
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user another role
    Role {
        /// Whose
        name: String,
        /// What the user may do from now on
        #[arg(value_parser = roles())]
        role: Role,
    },
    /// Keep a user out, with all sessions and tokens
    Disable {
        /// Whom
        name: String,
    },
    /// Let a user in again
    Enable {
        /// Whom
        name: String,
    },
    /// Remove a user, with all sessions and tokens
    Remove {
        /// Whom
        name: String,
    },
    /// Make a token for a program that uses the HTTP API; it is printed this once
    Token {
        /// For whom it acts
        name: String,
        /// What it is for
        #[arg(long)]
        label: String,
        /// What it may do, at most what its user may
        #[arg(long, value_parser = roles(), default_value = "viewer")]
        role: Role,
        /// How long it works, days
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Show all tokens, without their secrets
    Tokens,
    /// Remove a token, by its number
    Revoke {
        /// As `tokens` shows it
        number: i64,
    },
}

fn roles() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::name)).try_map(|name| name.parse::<Role>())
}

/// Runs the command on the users in the data folder of a configuration.
///
/// # Errors
/// A file that cannot be used, names and passwords that do not serve, output that cannot be written.
pub(super) async fn run(args: UserArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let folder = &config.data_dir;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let path = Accounts::path(folder);
    let accounts = Accounts::open(folder)
        .await
        .with_context(|| format!("cannot open {}", path.display()))?;
    let done = command(args.command, &accounts, config).await;
    accounts.close().await;
    belongs_to_the_daemon(folder);
    done.map(|()| ExitCode::SUCCESS)
}

/// What root creates in the daemon's folder must be the daemon's.
fn belongs_to_the_daemon(folder: &std::path::Path) {
    use std::os::unix::fs::MetadataExt;
    let Ok(owner) = std::fs::metadata(folder) else {
        return;
    };
    let name = crate::web::accounts::FILE;
    for file in [
        name.to_owned(),
        format!("{name}-wal"),
        format!("{name}-shm"),
    ] {
        let path = folder.join(file);
        let other = std::fs::metadata(&path).is_ok_and(|file| file.uid() != owner.uid());
        if other
            && let Err(error) =
                std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid()))
        {
            eprintln!(
                "mailweir: {} must belong to the user of the daemon: {error}",
                path.display()
            );
        }
    }
}

async fn command(command: Command, accounts: &Accounts, config: &Config) -> anyhow::Result<()> {
    let by = Actor {
        name: match std::env::var("SUDO_USER") {
            Ok(user)
                if user
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) =>
            {
                format!("command line ({user})")
            }
            _ => "command line".to_owned(),
        },
        address: String::new(),
    };
    match command {
        Command::List { json } => list(accounts, json).await,
        Command::Add {
            name,
            role,
            password_stdin,
        } => {
            let password = chosen(password_stdin, &name)?;
            // A user who can be sent no link is not to be there either.
            let site = password.is_none().then(|| site(config)).transpose()?;
            let id = accounts
                .add_user(&by, &name, role, password.as_ref())
                .await?;
            match site {
                None => say(&format!("{name} is added as {role}")),
                Some(site) => invite(accounts, &site, &by, id).await,
            }
        }
        Command::Password {
            name,
            password_stdin,
        } => {
            let id = accounts.user_named(&name).await?.id;
            match chosen(password_stdin, &name)? {
                Some(password) => {
                    accounts.set_password(&by, id, &password).await?;
                    say(&format!("{name} has a new password"))
                }
                None => invite(accounts, &site(config)?, &by, id).await,
            }
        }
        Command::Role { name, role } => {
            let id = accounts.user_named(&name).await?.id;
            accounts.set_role(&by, id, role).await?;
            say(&format!("{name} is {role} now"))
        }
        Command::Disable { name } => {
            let id = accounts.user_named(&name).await?.id;
            accounts.set_disabled(&by, id, true).await?;
            say(&format!("{name} is kept out"))
        }
        Command::Enable { name } => {
            let id = accounts.user_named(&name).await?.id;
            accounts.set_disabled(&by, id, false).await?;
            say(&format!("{name} may sign in"))
        }
        Command::Remove { name } => {
            let id = accounts.user_named(&name).await?.id;
            accounts.remove_user(&by, id).await?;
            say(&format!("{name} is removed"))
        }
        Command::Token {
            name,
            label,
            role,
            days,
        } => {
            let id = accounts.user_named(&name).await?.id;
            let expires = Timestamp::now().as_second() + i64::from(days) * 86_400;
            let new = NewToken {
                user: id,
                label: &label,
                role,
                expires,
                maker: None,
            };
            let (_, token) = accounts.add_token(&by, new).await?;
            say(token.reveal())
        }
        Command::Tokens => tokens(accounts).await,
        Command::Revoke { number } => {
            accounts.remove_token(&by, number, None).await?;
            say("the token is removed")
        }
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// The password on standard input, if it is to be taken from there.
fn chosen(from_input: bool, name: &str) -> anyhow::Result<Option<Password>> {
    if !from_input {
        return Ok(None);
    }
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(INPUT_BYTES);
    input
        .read_to_string(&mut text)
        .context("cannot read the password from standard input")?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(Some(Password::chosen(line, name)?))
}

/// Where the console is, for links.
fn site(config: &Config) -> anyhow::Result<String> {
    let Some(settings) = &config.console else {
        bail!(
            "the console is off, so there is no page to set a password on: set console.listen in {}, or use --password-stdin",
            config.source.path().display()
        );
    };
    Ok(settings.link(settings.listen))
}

async fn invite(accounts: &Accounts, site: &str, by: &Actor, id: i64) -> anyhow::Result<()> {
    let secret: Secret = accounts.invite(by, id).await?;
    say(&one_time_link(site, &secret))
}

fn when(seconds: Option<i64>) -> String {
    let shown = seconds.and_then(|s| Timestamp::from_second(s).ok());
    shown.map_or_else(
        || "never".to_owned(),
        |t| t.strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

fn screen(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(heads.iter().copied());
    table
}

async fn list(accounts: &Accounts, json: bool) -> anyhow::Result<()> {
    let users = accounts.users().await?;
    if json {
        for user in users {
            say(&serde_json::json!({
                "name": user.name,
                "role": user.role,
                "password": user.has_password,
                "provider": user.is_vouched,
                "disabled": user.disabled,
                "created": user.created,
                "seen": user.seen,
            })
            .to_string())?;
        }
        return Ok(());
    }
    if users.is_empty() {
        return say("There are no users yet: mailweir user add NAME --role admin");
    }
    let mut table = screen(&["Name", "Role", "State", "Last sign-in (UTC)"]);
    for user in users {
        let state = match (user.disabled, user.has_password, user.is_vouched) {
            (true, ..) => "kept out",
            (false, true, _) => "may sign in",
            (false, false, true) => "signs in by the provider",
            (false, false, false) => "has no password yet",
        };
        table.add_row([
            user.name,
            user.role.name().to_owned(),
            state.to_owned(),
            when(user.seen),
        ]);
    }
    say(&table.to_string())
}

async fn tokens(accounts: &Accounts) -> anyhow::Result<()> {
    let tokens = accounts.tokens(None).await?;
    if tokens.is_empty() {
        return say("There are no tokens.");
    }
    let mut table = screen(&[
        "Number",
        "User",
        "For",
        "Role",
        "Ends (UTC)",
        "Last used (UTC)",
    ]);
    for token in tokens {
        table.add_row([
            token.id.to_string(),
            token.owner,
            token.label,
            token.role.name().to_owned(),
            when(Some(token.expires)),
            when(token.seen),
        ]);
    }
    say(&table.to_string())
}
