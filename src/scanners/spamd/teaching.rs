//! TELL: what a person says of a message.

use std::sync::Arc;

use super::super::body::Body;
use super::judging::separated;
use super::reply::{Code, Reply};
use super::request::Request;
use crate::filter::bayes::{Class, Teaching};
use crate::server::{Learned, Services, learn};

/// Learns or forgets a message, durably, before it says so. Reporting to others (`remote`) is not done, and not claimed.
pub(super) async fn tell(services: &Arc<Services>, request: &Request, body: Body) -> Reply {
    let class = match request.class.as_deref() {
        Some("ham") => Some(Class::Ham),
        Some("spam") => Some(Class::Spam),
        None => None,
        Some(_) => return Reply::failed(Code::Protocol, "Message-class is ham or spam"),
    };
    let (teaching, field) = match (request.set_local, request.remove_local, class) {
        (true, _, Some(class)) => (Teaching::Learn(class), "DidSet: local"),
        (true, _, None) => return Reply::failed(Code::Protocol, "Set needs a Message-class"),
        (false, true, _) => (Teaching::Forget, "DidRemove: local"),
        (false, false, _) => return Reply::told(vec!["Content-length: 0".to_owned()]),
    };
    let Body { spool, share, .. } = body;
    let (_, spool) = separated(spool);
    let learned = learn(services, spool.complete(), teaching).await;
    drop(share);
    match learned {
        Learned::Kept => Reply::told(vec![field.to_owned(), "Content-length: 0".to_owned()]),
        Learned::Not(why) => Reply::failed(Code::Unavailable, why),
        Learned::Failed(why) => Reply::failed(Code::TempFail, why),
    }
}
