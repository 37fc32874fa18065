//! Which header fields the classifier reads, as said on the command line: shared by the commands that train.

use clap::Args;

use crate::filter::bayes::Receiving;

/// Header fields beside the usual ones.
#[derive(Clone, Debug, Args)]
pub(super) struct HeaderFieldArgs {
    /// Header fields that are not read, beside those that the receiving side and filters write; `X-Ours-*` for a
    /// beginning, `Received` for the whole route
    #[arg(long, num_args = 1.., value_name = "NAME")]
    pub ignore_header: Vec<String>,
    /// Header fields that are read although the receiving side or a filter writes them
    #[arg(long, num_args = 1.., value_name = "NAME")]
    pub read_header: Vec<String>,
}

impl HeaderFieldArgs {
    /// The list as the classifier takes it.
    ///
    /// # Errors
    /// What cannot be the name of a header field.
    pub(super) fn receiving(&self) -> anyhow::Result<Receiving> {
        Receiving::new(&self.ignore_header, &self.read_header)
            .map_err(|e| anyhow::anyhow!("--ignore-header, --read-header: {e}"))
    }
}
