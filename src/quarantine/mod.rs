//! The durable store of messages that were held back.
