//! The name of this host, as the system tells it. Not from `/proc/sys`: a service manager may hide that from the daemon,
//! as the unit of systemd that comes with mailweir does.

/// The name; empty where there is none, or none that is text.
pub(crate) fn name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().trim().to_owned()
}
