//! What must hold for one input of each fuzz target.

#[path = "../../fuzz/bodies/config.rs"]
pub(crate) mod config;
#[path = "../../fuzz/bodies/content.rs"]
pub(crate) mod content;
#[path = "../../fuzz/bodies/frame.rs"]
pub(crate) mod frame;
#[path = "../../fuzz/bodies/mail.rs"]
pub(crate) mod mail;
#[path = "../../fuzz/bodies/reply.rs"]
pub(crate) mod reply;
#[path = "../../fuzz/bodies/rules.rs"]
pub(crate) mod rules;
#[path = "../../fuzz/bodies/session.rs"]
pub(crate) mod session;
