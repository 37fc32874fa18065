//! What a user may do. Each role may do all that those before it may.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A role, from the least to the most powerful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks, and changes nothing.
    Viewer,
    /// Works on mail: releases, deletes, teaches, tries messages out.
    Analyst,
    /// Changes lists, models and users, and sees the configuration and the log.
    Admin,
}

impl Role {
    /// All roles, in order.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Analyst, Role::Admin];

    /// The word used in the console, on the command line and in the file: `viewer`, `analyst`, `admin`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Analyst => "analyst",
            Role::Admin => "admin",
        }
    }

    /// What people with this role do, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Role::Viewer => "looks, changes nothing",
            Role::Analyst => "works on mail: releases, deletes, teaches, tries messages out",
            Role::Admin => "changes lists, models and users, sees configuration and log",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Role, String> {
        let found = Role::ALL.into_iter().find(|role| role.name() == name);
        found.ok_or_else(|| "a role is viewer, analyst or admin".to_owned())
    }
}
